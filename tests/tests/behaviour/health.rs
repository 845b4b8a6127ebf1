//! `health` and `has_expire_index`: whether the table is as the store needs it.

use std::time::Duration;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, EntityName,
    EntityTrait, TransactionTrait,
};
use session_store::{DefaultStore, Error, SeaOrmStore};
use tests::database::execute;
use tests::kinds::{json_and_offset, text_and_primitive};
use tests::{entity, on_every_database};

on_every_database!(
    a_table_made_by_create_table_is_healthy_and_has_its_index,
    a_missing_table_is_reported_with_the_message_of_the_database,
    the_table_and_every_missing_column_are_named,
    health_checks_the_table_of_its_entity,
    health_checks_only_the_schema_of_its_entity,
    health_reads_no_row,
    a_closed_connection_pool_is_an_error,
    any_index_that_begins_with_expire_counts,
    an_index_that_does_not_help_pruning_does_not_count,
);

#[tokio::test]
async fn a_disconnected_store_is_an_error() {
    let store = DefaultStore::new(DatabaseConnection::default());
    let error = store.health().await.unwrap_err();
    assert!(matches!(error, Error::Disconnected), "{error}");
    let error = store.has_expire_index().await.unwrap_err();
    assert!(matches!(error, Error::Disconnected), "{error}");
}

#[tokio::test]
async fn an_unresponsive_database_is_queried_once() {
    let acquire_timeout = Duration::from_secs(30);
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).acquire_timeout(acquire_timeout);
    let db = Database::connect(options).await.unwrap();
    let store = DefaultStore::new(db.clone());
    store.create_table().await.unwrap();
    let _the_only_connection = db.begin().await.unwrap();
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    let error = store.health().await.unwrap_err();
    let elapsed = start.elapsed();
    assert!(elapsed < 2 * acquire_timeout, "{elapsed:?}");
    assert!(error.to_string().contains("timed out"), "{error}");
}

entity!(wide in "Web Sessions" {
    pub sess: Json,
    #[sea_orm(column_name = "ends at")]
    pub expire: TimeDateTimeWithTimeZone,
    pub user_id: Option<i32>,
    #[sea_orm(column_name = "Device")]
    pub device: Option<String>,
    #[session(created_at)]
    pub created_at: TimeDateTimeWithTimeZone,
});

mod in_schema {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
    #[sea_orm(schema_name = "session_store_schema", table_name = "session")]
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

fn quoted(db: &DatabaseConnection, name: &str) -> String {
    match db.get_database_backend() {
        DbBackend::MySql => format!("`{name}`"),
        _ => format!("\"{name}\""),
    }
}

async fn a_table_made_by_create_table_is_healthy_and_has_its_index(db: DatabaseConnection) {
    let store = SeaOrmStore::<json_and_offset::Model>::new(db.clone());
    store.create_table().await.unwrap();
    store.health().await.unwrap();
    assert!(store.has_expire_index().await.unwrap());

    // A table without the index is healthy too.
    let default = DefaultStore::new(db.clone());
    db.execute(&default.table()).await.unwrap();
    default.health().await.unwrap();
    assert!(!default.has_expire_index().await.unwrap());
    default.create_table().await.unwrap();
    assert!(default.has_expire_index().await.unwrap());
}

async fn a_missing_table_is_reported_with_the_message_of_the_database(db: DatabaseConnection) {
    let store = DefaultStore::new(db);
    let error = store.health().await.unwrap_err();
    assert!(matches!(error, Error::MissingTable { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("express_session"), "{message}");
    assert!(
        ["no such table", "does not exist", "doesn't exist"]
            .iter()
            .any(|words| message.contains(words)),
        "{message}"
    );
    assert!(!message.contains("at line"), "{message}");
    assert!(!store.has_expire_index().await.unwrap());
}

async fn the_table_and_every_missing_column_are_named(db: DatabaseConnection) {
    let store = SeaOrmStore::<wide::Model>::new(db.clone());
    let table = quoted(&db, "Web Sessions");
    let sql = format!("CREATE TABLE {table} (sid varchar(64) PRIMARY KEY, user_id integer)");
    execute(&db, &sql).await;
    let error = store.health().await.unwrap_err();
    let message = error.to_string();
    let Error::MissingColumns { table, columns, .. } = error else {
        panic!("{message}")
    };
    assert_eq!(table, "Web Sessions");
    assert_eq!(columns, ["sess", "ends at", "Device", "created_at"]);
    let expected = "the table `Web Sessions` is missing columns: `sess`, `ends at`, `Device`, \
                    `created_at`; add them in a migration (";
    assert!(message.starts_with(expected), "{message}");
    assert!(!message.contains("at line"), "{message}");
}

async fn health_checks_the_table_of_its_entity(db: DatabaseConnection) {
    // The complete table of another entity does not count.
    let other = SeaOrmStore::<text_and_primitive::Model>::new(db.clone());
    other.create_table().await.unwrap();
    let store = SeaOrmStore::<wide::Model>::new(db.clone());
    assert!(store.health().await.is_err());
    assert!(!store.has_expire_index().await.unwrap());
    store.create_table().await.unwrap();
    store.health().await.unwrap();
    assert!(store.has_expire_index().await.unwrap());
}

async fn health_checks_only_the_schema_of_its_entity(db: DatabaseConnection) {
    let backend = db.get_database_backend();
    if backend == DbBackend::Sqlite {
        return; // Its schemas are files that are attached to one connection.
    }
    let schema = in_schema::Entity.schema_name().unwrap();
    let here = SeaOrmStore::<json_and_offset::Model>::new(db.clone());
    let there = SeaOrmStore::<in_schema::Model>::new(db.clone());
    // On MariaDB a schema is a database, which a failed run leaves behind.
    execute(&db, &format!("DROP SCHEMA IF EXISTS {schema}")).await;
    execute(&db, &format!("CREATE SCHEMA {schema}")).await;

    here.create_table().await.unwrap();
    assert!(there.health().await.is_err());
    assert!(!there.has_expire_index().await.unwrap());

    db.execute(&there.table()).await.unwrap();
    there.health().await.unwrap();
    assert!(!there.has_expire_index().await.unwrap());

    there.create_table().await.unwrap();
    assert!(there.has_expire_index().await.unwrap());
    execute(&db, "DROP TABLE session").await;
    assert!(here.health().await.is_err());
    assert!(!here.has_expire_index().await.unwrap());
    there.health().await.unwrap();

    let cascade = match backend {
        DbBackend::Postgres => "CASCADE",
        _ => "",
    };
    execute(&db, &format!("DROP SCHEMA {schema} {cascade}")).await;
}

/// Uses a view in which each row is an error to read.
async fn health_reads_no_row(db: DatabaseConnection) {
    let store = DefaultStore::new(db.clone());
    let (sess, value) = match db.get_database_backend() {
        DbBackend::Sqlite => ("json(value)", "no JSON"),
        DbBackend::MySql => ("cast(exp(value) AS char)", "1000"),
        _ => ("cast(exp(cast(value AS float8)) AS text)", "1000"),
    };
    execute(
        &db,
        "CREATE TABLE source (sid varchar(64), value varchar(64))",
    )
    .await;
    execute(
        &db,
        &format!("INSERT INTO source (sid, value) VALUES ('x', '{value}')"),
    )
    .await;
    execute(
        &db,
        &format!(
            "CREATE VIEW express_session AS SELECT sid, {sess} AS sess, \
             CURRENT_TIMESTAMP AS expire FROM source"
        ),
    )
    .await;
    read_every_row(&store).await.unwrap_err();
    store.health().await.unwrap();
}

async fn read_every_row(store: &DefaultStore) -> Result<(), sea_orm::DbErr> {
    use session_store::express_session::Entity;
    Entity::find().all(store.db()).await.map(drop)
}

async fn a_closed_connection_pool_is_an_error(db: DatabaseConnection) {
    let store = DefaultStore::new(db.clone());
    store.create_table().await.unwrap();
    db.close_by_ref().await.unwrap();
    let error = store.health().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    let error = store.has_expire_index().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

async fn any_index_that_begins_with_expire_counts(db: DatabaseConnection) {
    for index in [
        "CREATE INDEX by_any_name ON express_session (expire)",
        "CREATE INDEX by_any_name ON express_session (expire, sid)",
        "CREATE INDEX by_any_name ON express_session (expire DESC)",
    ] {
        let store = DefaultStore::new(db.clone());
        db.execute(&store.table()).await.unwrap();
        assert!(!store.has_expire_index().await.unwrap());
        execute(&db, index).await;
        assert!(store.has_expire_index().await.unwrap(), "{index}");
        execute(&db, "DROP TABLE express_session").await;
    }
}

async fn an_index_that_does_not_help_pruning_does_not_count(db: DatabaseConnection) {
    let store = DefaultStore::new(db.clone());
    db.execute(&store.table()).await.unwrap();
    execute(
        &db,
        "CREATE TABLE other (sid varchar(64), expire timestamp)",
    )
    .await;
    execute(&db, "CREATE INDEX of_another_table ON other (expire)").await;
    execute(&db, "CREATE INDEX second ON express_session (sid, expire)").await;
    if db.get_database_backend() != DbBackend::MySql {
        // MariaDB has no partial indexes.
        let partial = "CREATE INDEX of_some ON express_session (expire) WHERE sid > 'm'";
        execute(&db, partial).await;
    }
    assert!(!store.has_expire_index().await.unwrap());
}
