mod user {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "user")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[sea_orm(has_many)]
        pub sessions: HasMany<super::session::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

mod session {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, SessionModel)]
    #[sea_orm(table_name = "session")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sid: String,
        pub sess: Json,
        #[session(expire)]
        pub expires_at: TimeDateTimeWithTimeZone,
        #[session(key = "user", default)]
        #[sea_orm(indexed)]
        pub user_id: Option<i32>,
        #[session(version)]
        pub version: i64,
        #[sea_orm(belongs_to, from = "user_id", to = "id", on_delete = "Cascade")]
        pub user: BelongsTo<Option<super::user::Entity>>,
        #[sea_orm(has_many)]
        pub carts: HasMany<super::cart::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

mod cart {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "cart")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub sid: String,
        #[sea_orm(belongs_to, from = "sid", to = "sid")]
        pub session: BelongsTo<super::session::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

fn main() {
    let _: fn(sea_orm::DatabaseConnection) -> session::Store = session::Store::new;
}
