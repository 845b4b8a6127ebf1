//! Entities that sea-orm-cli 2.0 has generated from the tables of `generated/*.sql`. The few edits
//! that make them session models are marked `Edited`.
//!
//! ```sh
//! sea-orm-cli generate entity --database-schema shop --with-prelude none \
//!     --model-extra-derives session_store::SessionModel \
//!     --enum-extra-derives serde::Serialize,serde::Deserialize
//! ```
//!
//! `blob_session` also with `--date-time-crate time`.

mod mysql;
mod postgres;
mod sqlite;

use sea_orm::{ColumnTrait, Condition, ConnectOptions, Database, DatabaseConnection};
use serde_json::json;
use session_store::{SeaOrmStore, SessionModel};
use tests::database::{database_url, execute};
use tests::{Clock, on_database, record};
use time::Duration;
use tower_sessions::SessionStore;

on_database!(
    on_postgres, Postgres:
    an_entity_generated_from_a_postgresql_table_is_a_session_store,
    an_enum_of_a_schema_outside_the_search_path_is_not_found,
);

on_database!(
    on_mariadb, MariaDb:
    an_entity_generated_from_a_mysql_table_is_a_session_store,
);

on_database!(
    on_sqlite, SqliteFile:
    an_entity_generated_from_an_sqlite_table_is_a_session_store,
);

/// Creates, loads, saves, touches, finds and revokes sessions in the table.
async fn check_session_store<M: SessionModel>(db: &DatabaseConnection, staff: Condition) {
    let clock = Clock::new();
    let store = SeaOrmStore::<M>::new(db.clone())
        .with_clock(clock.reader())
        .with_idle_timeout(Duration::hours(1));
    store.health().await.unwrap();
    // This only adds the index that pruning needs.
    store.create_table().await.unwrap();
    assert!(store.has_expire_index().await.unwrap());

    let mut visitor = record(clock.now(), [("cart", json!([1, {"n": 2.5}]))]);
    let mut worker = record(
        clock.now(),
        [
            ("kind", json!("Staff")),
            ("type", json!("staff")),
            ("user_id", json!(7)),
            ("user_agent", json!("a browser")),
        ],
    );
    store.create(&mut visitor).await.unwrap();
    store.create(&mut worker).await.unwrap();
    for session in [&visitor, &worker] {
        let loaded = store.load(&session.id).await.unwrap();
        assert_eq!(loaded.as_ref(), Some(session));
    }
    visitor.data.insert("seen".into(), json!(true));
    store.save(&visitor).await.unwrap();

    clock.advance(Duration::minutes(40));
    for session in [&mut visitor, &mut worker] {
        let loaded = store.load(&session.id).await.unwrap().unwrap();
        assert_eq!(loaded.data, session.data);
        session.expiry_date = clock.now() + Duration::hours(1);
        assert_eq!(loaded.expiry_date, session.expiry_date);
    }

    clock.advance(Duration::minutes(40));
    assert_eq!(store.count().await.unwrap(), 2);
    assert_eq!(store.revoke(staff).await.unwrap(), 1);
    assert_eq!(store.load(&worker.id).await.unwrap(), None);
    assert!(store.load(&visitor.id).await.unwrap().is_some());

    clock.advance(Duration::hours(2));
    assert_eq!(store.load(&visitor.id).await.unwrap(), None);
    assert_eq!(store.prune().await.unwrap(), 1);
}

async fn an_entity_generated_from_a_postgresql_table_is_a_session_store(db: DatabaseConnection) {
    use postgres::sea_orm_active_enums::Kind;
    use postgres::{blob_session, web_session};

    execute(&db, include_str!("generated/postgres.sql")).await;
    let db = with_search_path(&db, "shop, public").await;
    let staff = Condition::all()
        .add(web_session::Column::Kind.eq(Kind::Staff))
        .add(web_session::Column::UserId.eq(7))
        .add(web_session::Column::UserAgent.eq("a browser"))
        .add(web_session::Column::CreatedAt.is_not_null());
    check_session_store::<web_session::Model>(&db, staff).await;
    let staff = Condition::all().add(blob_session::Column::Type.eq("staff"));
    check_session_store::<blob_session::Model>(&db, staff).await;
    db.close().await.unwrap();
}

/// SeaORM casts an enum to its name without the schema.
async fn an_enum_of_a_schema_outside_the_search_path_is_not_found(db: DatabaseConnection) {
    execute(&db, include_str!("generated/postgres.sql")).await;
    let store = SeaOrmStore::<postgres::web_session::Model>::new(db);
    let error = store
        .create(&mut record(Clock::new().now(), []))
        .await
        .unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains(r#"type "kind" does not exist"#),
        "{message}"
    );
}

/// Opens a second pool to the database, which looks for names in these schemas.
async fn with_search_path(db: &DatabaseConnection, schemas: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(database_url(db).await);
    options.set_schema_search_path(schemas);
    Database::connect(options).await.unwrap()
}

async fn an_entity_generated_from_a_mysql_table_is_a_session_store(db: DatabaseConnection) {
    use mysql::sea_orm_active_enums::Kind;
    use mysql::{blob_session, web_session};

    execute(&db, include_str!("generated/mysql.sql")).await;
    let staff = Condition::all()
        .add(web_session::Column::Kind.eq(Kind::Staff))
        .add(web_session::Column::UserId.eq(7))
        .add(web_session::Column::UserAgent.eq("a browser"))
        .add(web_session::Column::CreatedAt.is_not_null());
    check_session_store::<web_session::Model>(&db, staff).await;
    let staff = Condition::all().add(blob_session::Column::Type.eq("staff"));
    check_session_store::<blob_session::Model>(&db, staff).await;
}

async fn an_entity_generated_from_an_sqlite_table_is_a_session_store(db: DatabaseConnection) {
    use sqlite::{blob_session, web_session};

    execute(&db, include_str!("generated/sqlite.sql")).await;
    let staff = Condition::all()
        .add(web_session::Column::Kind.eq("Staff"))
        .add(web_session::Column::UserId.eq(7))
        .add(web_session::Column::UserAgent.eq("a browser"))
        .add(web_session::Column::CreatedAt.is_not_null());
    check_session_store::<web_session::Model>(&db, staff).await;
    let staff = Condition::all().add(blob_session::Column::Type.eq("staff"));
    check_session_store::<blob_session::Model>(&db, staff).await;
}
