// A crate that re-exports this one, for a program that does not depend on it directly.
mod framework {
    pub use session_store as sessions;

    macro_rules! entity {
        ($module:ident) => {
            mod $module {
                use sea_orm::entity::prelude::*;

                #[derive(
                    Clone,
                    Debug,
                    PartialEq,
                    DeriveEntityModel,
                    $crate::framework::sessions::SessionModel,
                )]
                #[sea_orm(table_name = "session")]
                #[session(crate = $crate::framework::sessions)]
                pub struct Model {
                    #[sea_orm(primary_key, auto_increment = false)]
                    pub sid: String,
                    pub sess: Json,
                    pub expire: TimeDateTimeWithTimeZone,
                }

                #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
                pub enum Relation {}
                impl ActiveModelBehavior for ActiveModel {}
            }
        };
    }
    pub(crate) use entity;
}

framework::entity!(from_macro);

mod session {
    use sea_orm::entity::prelude::*;
    use ::session_store as renamed;

    // Not the crate of this name.
    mod session_store {}

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, renamed::SessionModel)]
    #[sea_orm(table_name = "session")]
    #[session(crate = renamed)]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sid: String,
        pub sess: Json,
        pub expire: TimeDateTimeWithTimeZone,
        #[session(created_at, index)]
        pub created_at: TimeDateTimeWithTimeZone,
        #[session(last_seen)]
        pub last_seen: TimeDateTimeWithTimeZone,
        #[session(version)]
        pub version: i64,
        #[session(default = 7)]
        pub user_id: i32,
        #[session(with = keys)]
        pub keys: i32,
    }

    fn keys(data: &renamed::Data) -> i32 {
        data.len() as i32
    }

    impl ActiveModelBehavior for ActiveModel {}
}

fn main() {
    let _ = (session::Store::new, from_macro::Store::new);
}
