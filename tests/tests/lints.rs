//! A derived model brings no warning into a crate that denies them all, under clippy either.
//!
//! `missing_docs` bites in libraries alone: there `session_store::express_session` is the case.
#![deny(
    warnings,
    missing_debug_implementations,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic
)]
#![forbid(unsafe_code)]

/// A model without columns of its own.
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
        /// The end.
        pub expire: TimeDateTimeWithTimeZone,
    }

    /// There are none.
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
        /// The end.
        pub expire: TimeDateTimeWithTimeZone,
        /// The beginning.
        #[session(created_at)]
        pub created_at: Option<TimeDateTimeWithTimeZone>,
        /// The last request.
        #[session(last_seen)]
        pub last_seen: TimeDateTimeWithTimeZone,
        /// How often it was saved.
        #[session(version)]
        pub version: i64,
        /// Whose it is.
        pub user_id: Option<i32>,
        /// From a key of another name.
        #[session(key = "lang", default = language())]
        pub language: String,
        /// From nested data.
        #[session(pointer = "/cart/total", default)]
        pub total: i64,
        /// From a function.
        #[session(with = keys)]
        pub keys: Option<i64>,
        /// From nowhere.
        #[session(skip)]
        pub note: Option<String>,
    }

    fn language() -> String {
        "en".to_owned()
    }

    fn keys(data: &Data) -> Option<i64> {
        data.len().try_into().ok()
    }

    /// There are none.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// A model in the format of `#[sea_orm::model]`, for this crate alone.
mod own {
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
fn a_crate_that_denies_every_warning_has_its_store() {
    let _: [fn(sea_orm::DatabaseConnection) -> _; 1] = [full::Store::new];
    let _: fn(sea_orm::DatabaseConnection) -> own::Store = own::Store::new;
}
