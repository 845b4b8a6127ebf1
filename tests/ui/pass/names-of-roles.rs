// A field with the name of a role is an ordinary column if its attribute or its type says so.
mod session {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
    #[sea_orm(table_name = "session")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sid: String,
        pub sess: Json,
        pub expire: TimeDateTimeWithTimeZone,
        #[session(key = "created_at")]
        pub created_at: Option<String>,
        #[session(default)]
        pub last_seen: i64,
        pub version: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

fn main() {}
