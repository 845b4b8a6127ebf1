//! What is not there or does not fit gives a clear error, and never a panic.

use sea_orm::{ColumnTrait, DatabaseConnection};
use serde_json::json;
use session_store::{DefaultStore, Error, express_session};
use tests::database::execute;
use tests::{on_every_database, record};
use time::{Duration, OffsetDateTime};
use tower_sessions::SessionStore;
use tower_sessions::session::Id;

use crate::session::store;

on_every_database!(a_missing_table_is_named, a_missing_column_is_named);

#[tokio::test]
async fn a_disconnected_store_gives_a_clear_error_and_no_panic() {
    let store = DefaultStore::new(DatabaseConnection::default()).with_life(Duration::HOUR);
    let id = Id::default();
    let session = || record(OffsetDateTime::now_utc(), [("n", json!(1))]);
    let condition = || express_session::Column::Sid.eq("x");
    for outcome in [
        store.create_table().await,
        store.prune().await.map(drop),
        store.touch(&id).await.map(drop),
        store.find(&id).await.map(drop),
        store.count().await.map(drop),
        store.clear().await.map(drop),
        store.revoke(condition()).await.map(drop),
        store.revoke_others(condition(), &id).await.map(drop),
    ] {
        assert!(matches!(outcome, Err(Error::Disconnected)), "{outcome:?}");
    }
    for outcome in [
        store.create(&mut session()).await,
        store.save(&session()).await,
        store.load(&id).await.map(drop),
        store.delete(&id).await,
    ] {
        let message = outcome.unwrap_err().to_string();
        assert!(
            message.contains("`sea_orm::Database::connect`"),
            "{message}"
        );
    }
    // These send nothing.
    let _ = (
        store.active(),
        store.table(),
        store.indexes(),
        store.layer(),
        format!("{store:?}"),
    );
    store.prune_every(Duration::HOUR).stop().await;
}

#[test]
fn a_schedule_outside_a_runtime_is_no_panic() {
    drop(DefaultStore::new(DatabaseConnection::default()).prune_every(Duration::HOUR));
}

async fn a_missing_table_is_named(db: DatabaseConnection) {
    let store = DefaultStore::new(db);
    let error = store.count().await.unwrap_err();
    assert!(matches!(error, Error::Database { .. }), "{error:?}");
    assert!(
        error.to_string().contains("could not count the sessions"),
        "{error}"
    );
    assert!(error.to_string().contains("express_session"), "{error}");
    let error = store.load(&Id::default()).await.unwrap_err();
    assert!(
        error.to_string().contains("could not load a session"),
        "{error}"
    );
    assert!(error.to_string().contains("express_session"), "{error}");
}

async fn a_missing_column_is_named(db: DatabaseConnection) {
    let (store, clock) = store::<express_session::Model>(db).await;
    let mut session = record(clock.now(), []);
    store.create(&mut session).await.unwrap();
    execute(
        store.db(),
        "ALTER TABLE express_session RENAME COLUMN sess TO data",
    )
    .await;
    for error in [
        store.load(&session.id).await.unwrap_err(),
        store.save(&session).await.unwrap_err(),
        store.create(&mut session).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("sess"), "{error}");
        assert!(
            !error.to_string().contains(&store.sid(&session.id)),
            "{error}"
        );
    }
}
