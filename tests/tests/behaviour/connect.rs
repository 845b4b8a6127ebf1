//! The pool that `connect_options` sets up.

use std::time::Duration as StdDuration;

use sea_orm::{ConnectionTrait, Database, TransactionTrait};
use serde_json::json;
use session_store::{DefaultStore, connect_options, express_session};
use tests::record;
use time::OffsetDateTime;
use tower_sessions::SessionStore;

use crate::session::store;

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

/// A store on a file, with the options.
async fn on_file(folder: &tempfile::TempDir) -> DefaultStore {
    let url = format!("sqlite://{}/test.sqlite?mode=rwc", folder.path().display());
    let db = Database::connect(connect_options(url)).await.unwrap();
    store::<express_session::Model>(db).await.0
}

#[tokio::test]
async fn a_file_is_read_while_another_connection_writes() {
    let folder = tempfile::tempdir().unwrap();
    let store = on_file(&folder).await;
    let mut session = record(OffsetDateTime::now_utc(), [("n", json!(1))]);
    store.create(&mut session).await.unwrap();

    let writer = store.db().begin().await.unwrap();
    writer
        .execute_unprepared("UPDATE express_session SET sess = '{}'")
        .await
        .unwrap();
    let loaded = tokio::time::timeout(StdDuration::from_secs(5), store.load(&session.id));
    assert_eq!(loaded.await.unwrap().unwrap(), Some(session));
    writer.rollback().await.unwrap();
}

#[tokio::test]
async fn a_file_that_may_not_be_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = on_file(&folder).await;
    let mut session = record(OffsetDateTime::now_utc(), [("n", json!(1))]);
    store.create(&mut session).await.unwrap();
    let url = format!("sqlite://{}/test.sqlite?mode=ro", folder.path().display());
    let db = Database::connect(connect_options(url)).await.unwrap();
    let reader = DefaultStore::new(db);
    assert_eq!(reader.load(&session.id).await.unwrap(), Some(session));
}
