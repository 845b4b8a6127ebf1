//! The connection pool that `connect_options` configures.

use std::time::Duration as StdDuration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, EntityTrait, TransactionTrait};
use serde_json::json;
use session_store::{DefaultStore, connect_options, express_session};
use tests::{new_session, store};
use tower_sessions::SessionStore;
use tower_sessions::session::Record;

#[test]
fn a_connection_is_tested_only_after_it_has_been_idle() {
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
async fn a_database_in_memory_has_one_permanent_connection() {
    for url in ["sqlite::memory:", "sqlite://x?mode=memory"] {
        let options = connect_options(url);
        assert_eq!(options.get_max_connections(), Some(1), "{url}");
        assert_eq!(options.get_idle_timeout(), Some(None), "{url}");
        assert_eq!(options.get_max_lifetime(), Some(None), "{url}");
        let db = Database::connect(options).await.unwrap();
        DefaultStore::new(db).create_table().await.unwrap();
    }
}

/// Creates a store on a SQLite file, and a session.
async fn store_on_file(options: impl Into<ConnectOptions>) -> (DefaultStore, Record) {
    let db = Database::connect(options).await.unwrap();
    let (store, clock) = store::<express_session::Model>(db).await;
    let session = new_session(&store, clock.now(), [("n", json!(1))]).await;
    (store, session)
}

fn url(folder: &tempfile::TempDir, mode: &str) -> String {
    format!(
        "sqlite://{}/test.sqlite?mode={mode}",
        folder.path().display()
    )
}

/// Fails if the work waits for a lock.
async fn without_waiting<T>(work: impl Future<Output = T>) -> T {
    // Shorter than the driver's busy timeout.
    let limited = tokio::time::timeout(StdDuration::from_secs(3), work);
    limited.await.expect("does not wait for the lock")
}

#[tokio::test]
async fn a_file_is_read_while_another_connection_writes() {
    let folder = tempfile::tempdir().unwrap();
    let (store, session) = store_on_file(connect_options(url(&folder, "rwc"))).await;
    let writer = store.db().begin().await.unwrap();
    writer
        .execute_unprepared("UPDATE express_session SET sess = '{}'")
        .await
        .unwrap();
    let loaded = without_waiting(store.load(&session.id)).await;
    assert_eq!(loaded.unwrap(), Some(session));
    writer.rollback().await.unwrap();
}

#[tokio::test]
async fn a_file_is_written_while_another_connection_reads() {
    let folder = tempfile::tempdir().unwrap();
    let (store, mut session) = store_on_file(connect_options(url(&folder, "rwc"))).await;
    let reader = store.db().begin().await.unwrap();
    let rows = express_session::Entity::find().all(&reader).await.unwrap();
    assert_eq!(rows.len(), 1);
    session.data.insert("n".to_owned(), json!(2));
    without_waiting(store.save(&session)).await.unwrap();
    reader.rollback().await.unwrap();
    assert_eq!(store.load(&session.id).await.unwrap(), Some(session));
}

#[tokio::test]
async fn a_read_only_file_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let (store, session) = store_on_file(ConnectOptions::new(url(&folder, "rwc"))).await;
    store.db().clone().close().await.unwrap();
    let db = Database::connect(connect_options(url(&folder, "ro")));
    let reader = DefaultStore::new(db.await.unwrap());
    assert_eq!(reader.load(&session.id).await.unwrap(), Some(session));
}
