//! Whether the table is there as the store needs it.

use std::time::Duration;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, EntityName,
    EntityTrait, TransactionTrait,
};
use session_store::{DefaultStore, Error, SeaOrmStore};
use tests::database::execute;
use tests::kinds::{json_and_offset, text_and_primitive};
use tests::on_every_database;

on_every_database!(
    a_table_that_create_table_made_is_healthy_and_has_its_index,
    a_missing_table_is_said_by_the_database,
    every_missing_column_is_named_and_the_table,
    a_table_of_another_name_is_looked_at_by_its_name,
    a_table_in_a_schema_is_looked_at_there_alone,
    health_reads_no_row,
    a_lost_database_is_an_error,
    any_index_that_begins_with_expire_will_do,
    an_index_that_is_no_help_to_a_prune_does_not_count,
);

#[tokio::test]
async fn a_store_that_is_not_connected_says_so() {
    let store = DefaultStore::new(DatabaseConnection::default());
    let error = store.health().await.unwrap_err();
    assert!(matches!(error, Error::Disconnected), "{error}");
    let error = store.has_expire_index().await.unwrap_err();
    assert!(matches!(error, Error::Disconnected), "{error}");
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_asked_once() {
    let patience = Duration::from_secs(30);
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).acquire_timeout(patience);
    let db = Database::connect(options).await.unwrap();
    let store = DefaultStore::new(db.clone());
    store.create_table().await.unwrap();
    let _the_only_connection = db.begin().await.unwrap();
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let error = store.health().await.unwrap_err();
    assert!(begun.elapsed() < 2 * patience, "{:?}", begun.elapsed());
    assert!(error.to_string().contains("timed out"), "{error}");
}

mod wide {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
    #[sea_orm(table_name = "Web Sessions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sid: String,
        pub sess: Json,
        #[sea_orm(column_name = "ends at")]
        pub expire: TimeDateTimeWithTimeZone,
        pub user_id: Option<i32>,
        #[sea_orm(column_name = "Device")]
        pub device: Option<String>,
        #[session(created_at)]
        pub created_at: TimeDateTimeWithTimeZone,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod elsewhere {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
    #[sea_orm(schema_name = "session_store_elsewhere", table_name = "session")]
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

async fn a_table_that_create_table_made_is_healthy_and_has_its_index(db: DatabaseConnection) {
    let store = SeaOrmStore::<json_and_offset::Model>::new(db.clone());
    store.create_table().await.unwrap();
    store.health().await.unwrap();
    assert!(store.has_expire_index().await.unwrap());

    // Without the index it is healthy too, and slower to prune.
    let default = DefaultStore::new(db.clone());
    db.execute(&default.table()).await.unwrap();
    default.health().await.unwrap();
    assert!(!default.has_expire_index().await.unwrap());
    default.create_table().await.unwrap();
    assert!(default.has_expire_index().await.unwrap());
}

async fn a_missing_table_is_said_by_the_database(db: DatabaseConnection) {
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

async fn every_missing_column_is_named_and_the_table(db: DatabaseConnection) {
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
    let said = "the table `Web Sessions` is missing columns: `sess`, `ends at`, `Device`, \
                `created_at`; add them in a migration (";
    assert!(message.starts_with(said), "{message}");
    assert!(!message.contains("at line"), "{message}");
}

async fn a_table_of_another_name_is_looked_at_by_its_name(db: DatabaseConnection) {
    // Another entity's table, which is whole, is no help.
    let other = SeaOrmStore::<text_and_primitive::Model>::new(db.clone());
    other.create_table().await.unwrap();
    let store = SeaOrmStore::<wide::Model>::new(db.clone());
    assert!(store.health().await.is_err());
    assert!(!store.has_expire_index().await.unwrap());
    store.create_table().await.unwrap();
    store.health().await.unwrap();
    assert!(store.has_expire_index().await.unwrap());
}

async fn a_table_in_a_schema_is_looked_at_there_alone(db: DatabaseConnection) {
    let backend = db.get_database_backend();
    if backend == DbBackend::Sqlite {
        return; // A schema is another file there, attached to one connection of the pool.
    }
    let schema = elsewhere::Entity.schema_name().unwrap();
    let here = SeaOrmStore::<json_and_offset::Model>::new(db.clone());
    let there = SeaOrmStore::<elsewhere::Model>::new(db.clone());
    // On MariaDB it is a database, which one that has failed before has left.
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

/// In a table of which each row is an error to read.
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
    use_every_row(&store).await.unwrap_err();
    store.health().await.unwrap();
}

async fn use_every_row(store: &DefaultStore) -> Result<(), sea_orm::DbErr> {
    use session_store::express_session::Entity;
    Entity::find().all(store.db()).await.map(drop)
}

async fn a_lost_database_is_an_error(db: DatabaseConnection) {
    let store = DefaultStore::new(db.clone());
    store.create_table().await.unwrap();
    db.close_by_ref().await.unwrap();
    let error = store.health().await.unwrap_err();
    assert!(matches!(error, Error::Database { .. }), "{error}");
    let error = store.has_expire_index().await.unwrap_err();
    assert!(matches!(error, Error::Database { .. }), "{error}");
}

async fn any_index_that_begins_with_expire_will_do(db: DatabaseConnection) {
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

async fn an_index_that_is_no_help_to_a_prune_does_not_count(db: DatabaseConnection) {
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
        // MariaDB has no index of a part of the rows.
        let partial = "CREATE INDEX of_some ON express_session (expire) WHERE sid > 'm'";
        execute(&db, partial).await;
    }
    assert!(!store.has_expire_index().await.unwrap());
}
