//! The pool that `connect_options` sets up.

use std::time::Duration as StdDuration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, EntityTrait, TransactionTrait};
use serde_json::json;
use session_store::{DefaultStore, connect_options, express_session};
use tests::{record, store};
use time::OffsetDateTime;
use tower_sessions::SessionStore;
use tower_sessions::session::Record;

#[test]
fn a_connection_is_tested_only_after_it_was_idle() {
    for url in [
        "postgres://host/db",
        "mysql://host/db",
        "sqlite://file.sqlite",
    ] {
        let options = connect_options(url);
        assert!(!options.get_test_before_acquire(), "{url}");
        let idle = options.get_test_before_acquire_if_idle_for();
        assert_eq!(idle, Some(StdDuration::from_secs(30)), "{url}");
    }
}

#[tokio::test]
async fn a_database_in_memory_has_one_connection_that_stays() {
    for url in ["sqlite::memory:", "sqlite://x?mode=memory"] {
        let options = connect_options(url);
        assert_eq!(options.get_max_connections(), Some(1), "{url}");
        assert_eq!(options.get_idle_timeout(), Some(None), "{url}");
        assert_eq!(options.get_max_lifetime(), Some(None), "{url}");
        let db = Database::connect(options).await.unwrap();
        DefaultStore::new(db).create_table().await.unwrap();
    }
}

/// A store on a file, and a session in it.
async fn on_file(options: impl Into<ConnectOptions>) -> (DefaultStore, Record) {
    let db = Database::connect(options).await.unwrap();
    let (store, _) = store::<express_session::Model>(db).await;
    let mut session = record(OffsetDateTime::now_utc(), [("n", json!(1))]);
    store.create(&mut session).await.unwrap();
    (store, session)
}

fn url(folder: &tempfile::TempDir, mode: &str) -> String {
    format!(
        "sqlite://{}/test.sqlite?mode={mode}",
        folder.path().display()
    )
}

async fn at_once<T>(work: impl Future<Output = T>) -> T {
    // Less than the driver's patience with a busy database.
    let timely = tokio::time::timeout(StdDuration::from_secs(3), work);
    timely.await.expect("it waits for nobody")
}

#[tokio::test]
async fn a_file_is_read_while_another_connection_writes() {
    let folder = tempfile::tempdir().unwrap();
    let (store, session) = on_file(connect_options(url(&folder, "rwc"))).await;
    let writer = store.db().begin().await.unwrap();
    writer
        .execute_unprepared("UPDATE express_session SET sess = '{}'")
        .await
        .unwrap();
    let loaded = at_once(store.load(&session.id)).await;
    assert_eq!(loaded.unwrap(), Some(session));
    writer.rollback().await.unwrap();
}

#[tokio::test]
async fn a_file_is_written_while_another_connection_reads() {
    let folder = tempfile::tempdir().unwrap();
    let (store, mut session) = on_file(connect_options(url(&folder, "rwc"))).await;
    let reader = store.db().begin().await.unwrap();
    let rows = express_session::Entity::find().all(&reader).await.unwrap();
    assert_eq!(rows.len(), 1);
    session.data.insert("n".to_owned(), json!(2));
    at_once(store.save(&session)).await.unwrap();
    reader.rollback().await.unwrap();
    assert_eq!(store.load(&session.id).await.unwrap(), Some(session));
}

#[tokio::test]
async fn a_file_that_may_not_be_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (store, session) = on_file(ConnectOptions::new(url(&folder, "rwc"))).await;
    store.db().clone().close().await.unwrap();
    let db = Database::connect(connect_options(url(&folder, "ro")));
    let reader = DefaultStore::new(db.await.unwrap());
    assert_eq!(reader.load(&session.id).await.unwrap(), Some(session));
}
