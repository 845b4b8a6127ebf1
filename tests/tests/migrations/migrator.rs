//! The table in `sea-orm-migration`.

use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, QueryFilter};
use sea_orm_migration::prelude::*;
use serde_json::json;
use tests::{on_every_database, record};
use time::OffsetDateTime;
use tower_sessions::SessionStore;

on_every_database!(
    a_migration_makes_the_table_and_takes_it_away,
    a_column_is_added_to_a_table_with_sessions_and_taken_away,
    a_fresh_database_gets_every_migration,
);

/// The entity of today.
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
        #[session(index)]
        pub user_id: Option<i32>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod m20260101_000001_create_session {
    use sea_orm_migration::prelude::*;

    // In a file of its own `DeriveMigrationName` takes that name.
    pub struct Migration;

    impl MigrationName for Migration {
        fn name(&self) -> &'static str {
            "m20260101_000001_create_session"
        }
    }

    #[async_trait::async_trait]
    impl MigrationTrait for Migration {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let backend = manager.get_database_backend();
            manager
                .create_table(session::Store::table_for(backend))
                .await?;
            for index in session::Store::indexes_for(backend) {
                manager.create_index(index).await?;
            }
            Ok(())
        }

        async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let table = Table::drop().table(session::Entity).take();
            manager.drop_table(table).await
        }
    }

    /// The entity as it was then: the one of today has columns that later migrations add.
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
        }

        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}

        impl ActiveModelBehavior for ActiveModel {}
    }
}

mod m20260201_000001_add_user_id {
    use sea_orm_migration::prelude::*;

    // In a file of its own `DeriveMigrationName` takes that name.
    pub struct Migration;

    impl MigrationName for Migration {
        fn name(&self) -> &'static str {
            "m20260201_000001_add_user_id"
        }
    }

    #[async_trait::async_trait]
    impl MigrationTrait for Migration {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let user_id = ColumnDef::new("user_id").integer().null().take();
            let table = Table::alter().table("session").add_column(user_id).take();
            manager.alter_table(table).await?;
            let index = Index::create()
                .name("idx-session-user_id")
                .table("session")
                .col("user_id")
                .take();
            manager.create_index(index).await
        }

        async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let index = Index::drop()
                .name("idx-session-user_id")
                .table("session")
                .to_owned();
            manager.drop_index(index).await?;
            let table = Table::alter()
                .table("session")
                .drop_column("user_id")
                .take();
            manager.alter_table(table).await
        }
    }
}

struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20260101_000001_create_session::Migration),
            Box::new(m20260201_000001_add_user_id::Migration),
        ]
    }
}

async fn has_table(db: &DatabaseConnection) -> bool {
    SchemaManager::new(db).has_table("session").await.unwrap()
}

async fn a_migration_makes_the_table_and_takes_it_away(db: DatabaseConnection) {
    for _ in 0..2 {
        Migrator::up(&db, None).await.unwrap();
        // There is nothing left to do.
        Migrator::up(&db, None).await.unwrap();
        let store = session::Store::new(db.clone());
        store.health().await.unwrap();
        assert!(store.has_expire_index().await.unwrap());
        Migrator::down(&db, None).await.unwrap();
        assert!(!has_table(&db).await);
    }
}

async fn a_column_is_added_to_a_table_with_sessions_and_taken_away(db: DatabaseConnection) {
    Migrator::up(&db, Some(1)).await.unwrap();
    // The application before the column.
    let earlier = session::Store::new(db.clone());
    assert!(earlier.health().await.is_err());
    insert_before_the_column(&db, &earlier).await;

    Migrator::up(&db, None).await.unwrap();
    let store = session::Store::new(db.clone());
    store.health().await.unwrap();
    let row = session::Entity::find().one(&db).await.unwrap().unwrap();
    assert_eq!(row.user_id, None);
    let id = "AAAAAAAAAAAAAAAAAAAAAQ".parse().unwrap();
    let session = store.load(&id).await.unwrap().unwrap();
    assert_eq!(session.data["user_id"], json!(7));
    store.save(&session).await.unwrap();
    let of_user = session::Entity::find().filter(session::Column::UserId.eq(7));
    assert_eq!(of_user.all(&db).await.unwrap().len(), 1);

    Migrator::down(&db, Some(1)).await.unwrap();
    assert!(store.health().await.is_err());
    Migrator::up(&db, None).await.unwrap();
    assert_eq!(store.count().await.unwrap(), 1);
}

/// A session of the application as it was before there was a `user_id`.
async fn insert_before_the_column(db: &DatabaseConnection, store: &session::Store) {
    let id = "AAAAAAAAAAAAAAAAAAAAAQ".parse().unwrap();
    let end = OffsetDateTime::now_utc() + time::Duration::HOUR;
    let insert = Query::insert()
        .into_table("session")
        .columns(["sid", "sess", "expire"])
        .values_panic([
            store.sid(&id).into(),
            json!({ "user_id": 7 }).into(),
            time::PrimitiveDateTime::new(end.date(), end.time()).into(),
        ])
        .take();
    db.execute(&insert).await.unwrap();
}

async fn a_fresh_database_gets_every_migration(db: DatabaseConnection) {
    Migrator::up(&db, None).await.unwrap();
    let store = session::Store::new(db);
    let mut session = record(OffsetDateTime::now_utc(), [("user_id", json!(7))]);
    store.create(&mut session).await.unwrap();
    let row = store.find(&session.id).await.unwrap().unwrap();
    assert_eq!(row.user_id, Some(7));
    // What the store would make is what is there.
    store.create_table().await.unwrap();
    store.health().await.unwrap();
}
