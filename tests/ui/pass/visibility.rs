#![deny(warnings, unreachable_pub)]

mod within_the_crate {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
    #[sea_orm(table_name = "session")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) sid: String,
        pub(crate) sess: Json,
        pub(crate) expire: TimeDateTimeWithTimeZone,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

mod within_the_module {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
    #[sea_orm(table_name = "session")]
    struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        sid: String,
        sess: Json,
        expire: TimeDateTimeWithTimeZone,
        user_id: Option<i32>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}

    pub(crate) async fn prune(db: DatabaseConnection) -> Result<u64, session_store::Error> {
        Store::new(db).prune().await
    }
}

fn main() {
    let _ = within_the_crate::Store::new;
    let _ = within_the_module::prune;
}
