//! What breaks with tower-sessions' `CachingSessionStore` in front of the store: that of 0.14, the version that
//! the moka store supports.

use std::time::Duration as StdDuration;

use axum_login::tower_sessions::session::Record;
use axum_login::tower_sessions::{CachingSessionStore, SessionStore};
use sea_orm::DatabaseConnection;
use session_store::DefaultStore;
use tests::on_every_database;
use time::{Duration, OffsetDateTime};
use tower_sessions_moka_store::MokaStore;

use crate::tower_sessions_0_14::record;

on_every_database!(
    serves_a_revoked_session,
    serves_a_session_whose_save_was_refused,
    keeps_the_expiry_from_moving,
    may_return_an_id_that_is_not_in_the_table,
);

type Caching = CachingSessionStore<MokaStore, DefaultStore>;

/// Creates a store with the system clock, which the caches use too.
async fn store(db: DatabaseConnection) -> DefaultStore {
    let store = DefaultStore::new(db).with_idle_timeout(Duration::HOUR);
    store.create_table().await.unwrap();
    store
}

async fn wait() {
    tokio::time::sleep(StdDuration::from_millis(250)).await;
}

fn caching(store: &DefaultStore) -> (MokaStore, Caching) {
    let cache = MokaStore::new(Some(100));
    let caching = CachingSessionStore::new(cache.clone(), store.clone());
    (cache, caching)
}

async fn created(caching: &Caching) -> Record {
    let mut session = record(OffsetDateTime::now_utc());
    caching.create(&mut session).await.unwrap();
    session
}

async fn serves_a_revoked_session(db: DatabaseConnection) {
    let store = store(db).await;
    let (_, caching) = caching(&store);
    let session = created(&caching).await;
    store.delete_all().await.unwrap();
    wait().await;
    assert!(caching.load(&session.id).await.unwrap().is_some());
}

async fn serves_a_session_whose_save_was_refused(db: DatabaseConnection) {
    let store = store(db).await;
    let (_, caching) = caching(&store);
    // The store and the cache race, so it does not happen each time.
    for _ in 0..1000 {
        let session = created(&caching).await;
        caching.delete(&session.id).await.unwrap();
        assert_eq!(caching.load(&session.id).await.unwrap(), None);
        // A request was running during the logout.
        caching.save(&session).await.unwrap_err();
        if caching.load(&session.id).await.unwrap().is_some() {
            return;
        }
    }
    panic!("`CachingSessionStore` no longer does this: change the chapter on caching");
}

async fn keeps_the_expiry_from_moving(db: DatabaseConnection) {
    let store = store(db).await.with_touch_after(Duration::ZERO);
    let (_, caching) = caching(&store);
    let session = created(&caching).await;
    let row = async || store.find(&session_store::Id(session.id.0)).await;
    let expiry = async || row().await.unwrap().unwrap().expire;
    let before = expiry().await;
    wait().await;
    caching.load(&session.id).await.unwrap();
    assert_eq!(expiry().await, before);
}

async fn may_return_an_id_that_is_not_in_the_table(db: DatabaseConnection) {
    let store = store(db).await;
    let (cache, caching) = caching(&store);
    let mut session = record(OffsetDateTime::now_utc());
    let id = session.id;
    cache.save(&session).await.unwrap();
    caching.create(&mut session).await.unwrap();
    assert_ne!(session.id, id);
    let in_table = SessionStore::load(&store, &id).await.unwrap();
    assert!(in_table.is_some());
    let in_table = SessionStore::load(&store, &session.id).await.unwrap();
    assert_eq!(in_table, None);
}
