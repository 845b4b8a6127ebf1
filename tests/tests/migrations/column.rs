//! Migrations that add a column, to a table with sessions and in a new database.

use sea_orm::{DatabaseConnection, DbBackend, EntityName, EntityTrait};
use sea_orm_migration::prelude::*;
use serde_json::json;
use tests::{Clock, entity, new_session, on_every_database};
use time::Duration;
use tower_sessions::SessionStore as _;

use crate::table::table;

entity!(
    /// The current entity.
    session {
        pub sess: Json,
        pub expire: TimeDateTimeWithTimeZone,
        #[session(index)]
        pub user_id: Option<i32>,
        #[session(created_at)]
        pub created_at: Option<TimeDateTimeWithTimeZone>,
    }
);

mod create_session {
    use super::*;

    /// The entity at the time of this migration. It never changes.
    pub(super) mod frozen {
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

    pub(super) struct Migration;

    impl MigrationName for Migration {
        fn name(&self) -> &'static str {
            "m20260101_000000_create_session"
        }
    }

    #[async_trait::async_trait]
    impl MigrationTrait for Migration {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let backend = manager.get_database_backend();
            manager
                .create_table(frozen::Store::table_for(backend))
                .await?;
            for index in frozen::Store::indexes_for(backend) {
                manager.create_index(index).await?;
            }
            Ok(())
        }

        async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let table = Table::drop().table(frozen::Entity.table_ref()).take();
            manager.drop_table(table).await
        }
    }
}

mod add_user_id {
    use super::*;

    pub(super) struct Migration;

    impl MigrationName for Migration {
        fn name(&self) -> &'static str {
            "m20260201_000000_add_user_id"
        }
    }

    #[async_trait::async_trait]
    impl MigrationTrait for Migration {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let column = ColumnDef::new("user_id").integer().null().take();
            let table = Table::alter().table("session").add_column(column).take();
            manager.alter_table(table).await?;
            let index = Index::create()
                .name("idx-session-user_id")
                .table("session")
                .col("user_id")
                .take();
            manager.create_index(index).await
        }

        async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let mut index = Index::drop();
            index.name("idx-session-user_id").table("session");
            manager.drop_index(index).await?;
            let table = Table::alter()
                .table("session")
                .drop_column("user_id")
                .take();
            manager.alter_table(table).await
        }
    }
}

mod add_created_at {
    use super::*;

    pub(super) struct Migration;

    impl MigrationName for Migration {
        fn name(&self) -> &'static str {
            "m20260301_000000_add_created_at"
        }
    }

    #[async_trait::async_trait]
    impl MigrationTrait for Migration {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let mut column = ColumnDef::new("created_at").null().take();
            match manager.get_database_backend() {
                DbBackend::MySql => column.custom("datetime(6)"),
                _ => column.timestamp_with_time_zone(),
            };
            let table = Table::alter().table("session").add_column(column).take();
            manager.alter_table(table).await?;
            // The age of existing sessions counts from now.
            let update = Query::update()
                .table("session")
                .value("created_at", Expr::current_timestamp())
                .take();
            manager.execute(update).await
        }

        async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let table = Table::alter()
                .table("session")
                .drop_column("created_at")
                .take();
            manager.alter_table(table).await
        }
    }
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(create_session::Migration),
            Box::new(add_user_id::Migration),
            Box::new(add_created_at::Migration),
        ]
    }
}

on_every_database!(
    a_new_and_an_existing_database_get_the_table_of_the_current_entity,
    sessions_survive_a_new_column_and_fill_it_at_their_next_save,
    existing_sessions_get_an_age_and_then_expire_at_the_absolute_timeout,
    the_old_application_keeps_working_after_the_column_is_added,
    down_removes_the_column_and_sessions_stay,
    a_first_migration_made_from_the_current_entity_fails_on_a_new_database,
    a_version_column_that_is_added_counts_from_zero,
);

/// Returns the table that `create_table` creates for the current entity.
async fn current_table(db: &DatabaseConnection) -> Vec<String> {
    session::Store::new(db.clone())
        .create_table()
        .await
        .unwrap();
    let current = table(db, "session").await;
    tests::database::execute(db, "DROP TABLE session").await;
    current
}

async fn a_new_and_an_existing_database_get_the_table_of_the_current_entity(
    db: DatabaseConnection,
) {
    let current = current_table(&db).await;
    Migrator::up(&db, None).await.unwrap();
    assert_eq!(table(&db, "session").await, current);
    Migrator::down(&db, None).await.unwrap();
    for _ in 0..3 {
        Migrator::up(&db, Some(1)).await.unwrap();
    }
    assert_eq!(table(&db, "session").await, current);
    let store = session::Store::new(db.clone());
    store.health().await.unwrap();
    store.create_table().await.unwrap();
    assert_eq!(table(&db, "session").await, current);
}

async fn sessions_survive_a_new_column_and_fill_it_at_their_next_save(db: DatabaseConnection) {
    Migrator::up(&db, Some(1)).await.unwrap();
    let before = create_session::frozen::Store::new(db.clone());
    let session = new_session(&before, Clock::new().now(), [("user_id", json!(7))]).await;

    Migrator::up(&db, None).await.unwrap();
    let store = session::Store::new(db.clone());
    let loaded = store.load(&session.id).await.unwrap();
    assert_eq!(loaded.as_ref(), Some(&session));
    let row = store.find(&session.id).await.unwrap().unwrap();
    assert_eq!(row.user_id, None);
    store.save(&session).await.unwrap();
    let row = store.find(&session.id).await.unwrap().unwrap();
    assert_eq!(row.user_id, Some(7));
}

async fn existing_sessions_get_an_age_and_then_expire_at_the_absolute_timeout(
    db: DatabaseConnection,
) {
    Migrator::up(&db, Some(2)).await.unwrap();
    let before = create_session::frozen::Store::new(db.clone());
    let clock = Clock::new();
    let session = new_session(&before, clock.now(), []).await;
    Migrator::up(&db, None).await.unwrap();
    let store = session::Store::new(db.clone())
        .with_clock(clock.reader())
        .with_absolute_timeout(Duration::minutes(30));
    assert!(store.load(&session.id).await.unwrap().is_some());
    clock.advance(Duration::minutes(40));
    assert_eq!(store.load(&session.id).await.unwrap(), None);
}

async fn the_old_application_keeps_working_after_the_column_is_added(db: DatabaseConnection) {
    Migrator::up(&db, None).await.unwrap();
    let old = create_session::frozen::Store::new(db.clone());
    let new = session::Store::new(db.clone());
    let mut session = new_session(&old, Clock::new().now(), [("user_id", json!(7))]).await;
    assert_eq!(new.load(&session.id).await.unwrap(), Some(session.clone()));
    new.save(&session).await.unwrap();
    session.data.insert("user_id".into(), json!(8));
    old.save(&session).await.unwrap();
    assert_eq!(new.load(&session.id).await.unwrap(), Some(session.clone()));
    // The old application does not write the column that it does not know.
    let row = new.find(&session.id).await.unwrap().unwrap();
    assert_eq!(row.user_id, Some(7));
}

async fn down_removes_the_column_and_sessions_stay(db: DatabaseConnection) {
    Migrator::up(&db, None).await.unwrap();
    let store = session::Store::new(db.clone());
    let session = new_session(&store, Clock::new().now(), [("user_id", json!(7))]).await;
    Migrator::down(&db, Some(2)).await.unwrap();
    let before = create_session::frozen::Store::new(db.clone());
    before.health().await.unwrap();
    assert_eq!(
        before.load(&session.id).await.unwrap(),
        Some(session.clone())
    );
    assert_eq!(
        create_session::frozen::Entity::find()
            .all(&db)
            .await
            .unwrap()
            .len(),
        1
    );
    Migrator::up(&db, None).await.unwrap();
    assert_eq!(store.load(&session.id).await.unwrap(), Some(session));
}

/// A mistake: the first migration uses the current entity.
struct CreateCurrentEntity;

impl MigrationName for CreateCurrentEntity {
    fn name(&self) -> &'static str {
        "m20260101_000000_create_session"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateCurrentEntity {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        manager
            .create_table(session::Store::table_for(backend))
            .await
    }
}

struct MistakenMigrator;

impl MigratorTrait for MistakenMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(CreateCurrentEntity),
            Box::new(add_user_id::Migration),
        ]
    }
}

async fn a_first_migration_made_from_the_current_entity_fails_on_a_new_database(
    db: DatabaseConnection,
) {
    let error = MistakenMigrator::up(&db, None)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("user_id"), "{error}");
}

entity!(
    /// The entity with a version, which the guide adds as a column with a default.
    versioned {
        pub sess: Json,
        pub expire: TimeDateTimeWithTimeZone,
        #[session(version)]
        pub version: i64,
    }
);

async fn a_version_column_that_is_added_counts_from_zero(db: DatabaseConnection) {
    let clock = Clock::new();
    let old = create_session::frozen::Store::new(db.clone());
    old.create_table().await.unwrap();
    let mut session = new_session(&old, clock.now(), [("n", json!(1))]).await;

    let column = ColumnDef::new("version")
        .big_integer()
        .not_null()
        .default(0)
        .take();
    let alter = Table::alter().table("session").add_column(column).take();
    SchemaManager::new(&db).alter_table(alter).await.unwrap();

    let store = versioned::Store::new(db);
    store.health().await.unwrap();
    let version = async || store.find(&session.id).await.unwrap().unwrap().version;
    assert_eq!(version().await, 0);
    store.save(&session).await.unwrap();
    assert_eq!(version().await, 1);
    // A process of the old version still creates sessions.
    session = new_session(&old, clock.now(), []).await;
    assert_eq!(store.load(&session.id).await.unwrap(), Some(session));
}
