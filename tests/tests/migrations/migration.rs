//! A migration of sea-orm-migration that creates the table.

use sea_orm::{DatabaseConnection, DbBackend, EntityName};
use sea_orm_migration::prelude::*;
use serde_json::json;
use tests::{Clock, entity, new_session, on_every_database};
use tower_sessions::SessionStore as _;

use crate::table::table;

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(index)]
    pub user_id: Option<i32>,
    #[session(created_at)]
    pub created_at: TimeDateTimeWithTimeZone,
});

use session::{Entity, Store};

on_every_database!(
    a_migration_creates_the_table_that_create_table_creates,
    up_twice_changes_nothing_and_sessions_stay,
    down_drops_the_table_and_up_creates_it_again,
    a_migration_takes_over_from_create_table,
);

struct CreateSession;

impl MigrationName for CreateSession {
    fn name(&self) -> &'static str {
        "m20260101_000000_create_session"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateSession {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        manager.create_table(Store::table_for(backend)).await?;
        for index in Store::indexes_for(backend) {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::drop().table(Entity.table_ref()).take();
        manager.drop_table(table).await
    }
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(CreateSession)]
    }
}

async fn a_migration_creates_the_table_that_create_table_creates(db: DatabaseConnection) {
    let store = Store::new(db.clone());
    Migrator::up(&db, None).await.unwrap();
    store.health().await.unwrap();
    assert!(store.has_expire_index().await.unwrap());
    let migrated = table(&db, "session").await;
    store.create_table().await.unwrap();
    assert_eq!(table(&db, "session").await, migrated);
    Migrator::down(&db, None).await.unwrap();
    store.create_table().await.unwrap();
    assert_eq!(table(&db, "session").await, migrated);
}

async fn up_twice_changes_nothing_and_sessions_stay(db: DatabaseConnection) {
    Migrator::up(&db, None).await.unwrap();
    let migrated = table(&db, "session").await;
    let store = Store::new(db.clone());
    let session = new_session(&store, Clock::new().now(), [("user_id", json!(7))]).await;
    Migrator::up(&db, None).await.unwrap();
    assert_eq!(table(&db, "session").await, migrated);
    assert_eq!(store.load(&session.id).await.unwrap(), Some(session));
}

async fn down_drops_the_table_and_up_creates_it_again(db: DatabaseConnection) {
    let store = Store::new(db.clone());
    for _ in 0..2 {
        Migrator::up(&db, None).await.unwrap();
        store.health().await.unwrap();
        assert_eq!(store.count().await.unwrap(), 0);
        new_session(&store, Clock::new().now(), []).await;
        Migrator::down(&db, None).await.unwrap();
        assert_eq!(table(&db, "session").await, [""; 0]);
        store.health().await.unwrap_err();
    }
}

/// The same as [`CreateSession`] for a table that may exist.
struct TakeOver;

impl MigrationName for TakeOver {
    fn name(&self) -> &'static str {
        "m20260101_000000_create_session"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for TakeOver {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        manager.create_table(Store::table_for(backend)).await?;
        for index in Store::indexes_for(backend) {
            let name = index.get_index_spec().get_name().unwrap_or_default();
            if !manager.has_index("session", name).await? {
                manager.create_index(index).await?;
            }
        }
        Ok(())
    }
}

struct TakeOverMigrator;

impl MigratorTrait for TakeOverMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(TakeOver)]
    }
}

async fn a_migration_takes_over_from_create_table(db: DatabaseConnection) {
    let store = Store::new(db.clone());
    store.create_table().await.unwrap();
    let created = table(&db, "session").await;
    let session = new_session(&store, Clock::new().now(), [("user_id", json!(7))]).await;
    if db.get_database_backend() == DbBackend::MySql {
        // For MySQL, SeaORM writes no IF NOT EXISTS before an index.
        let error = Migrator::up(&db, None).await.unwrap_err().to_string();
        assert!(error.contains("Duplicate key name"), "{error}");
    }
    TakeOverMigrator::up(&db, None).await.unwrap();
    assert_eq!(table(&db, "session").await, created);
    assert_eq!(store.load(&session.id).await.unwrap(), Some(session));
}
