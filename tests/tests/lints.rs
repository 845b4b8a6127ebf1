//! Derived models cause no warnings of rustc or clippy.
//!
//! `missing_docs` warns only in libraries, where `session_store::express_session` covers it.
#![deny(
    warnings,
    missing_debug_implementations,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic
)]
#![forbid(unsafe_code)]

/// A model without extra columns.
pub mod plain {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    /// A session.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, SessionModel)]
    #[sea_orm(table_name = "session")]
    pub struct Model {
        /// The id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub sid: String,
        /// The data.
        pub sess: String,
        /// The expiry.
        pub expire: TimeDateTimeWithTimeZone,
    }

    /// Without relations.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// A model with every kind of column.
pub mod full {
    use sea_orm::entity::prelude::*;
    use session_store::{Data, SessionModel};

    /// A session.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, SessionModel)]
    #[sea_orm(table_name = "session")]
    pub struct Model {
        /// The id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub sid: String,
        /// The data.
        pub sess: Json,
        /// The expiry.
        pub expire: TimeDateTimeWithTimeZone,
        /// The time of creation.
        #[session(created_at)]
        pub created_at: Option<TimeDateTimeWithTimeZone>,
        /// The time of the last use.
        #[session(last_seen)]
        pub last_seen: TimeDateTimeWithTimeZone,
        /// The number of saves.
        #[session(version)]
        pub version: i64,
        /// The user.
        pub user_id: Option<i32>,
        /// From a key with another name.
        #[session(key = "lang", default = language())]
        pub language: String,
        /// From nested data.
        #[session(pointer = "/cart/total", default)]
        pub total: i64,
        /// From a function.
        #[session(with = keys)]
        pub keys: Option<i64>,
        /// Without a source.
        #[session(skip)]
        pub note: Option<String>,
    }

    fn language() -> String {
        "en".to_owned()
    }

    fn keys(data: &Data) -> Option<i64> {
        data.len().try_into().ok()
    }

    /// Without relations.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// A private model in the format of `#[sea_orm::model]`.
mod private {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, SessionModel)]
    #[sea_orm(table_name = "session")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sid: String,
        pub sess: Vec<u8>,
        pub expire: TimeDateTime,
        #[session(key = "user")]
        pub user_id: Option<i32>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

#[test]
fn derived_models_compile_in_a_crate_that_denies_warnings() {
    let _: [fn(sea_orm::DatabaseConnection) -> _; 1] = [full::Store::new];
    let _: fn(sea_orm::DatabaseConnection) -> private::Store = private::Store::new;
}
