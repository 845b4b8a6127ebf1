//! Caches in front of the store: what breaks with tower-sessions' `CachingSessionStore`, and what the
//! guide's bounded cache keeps.

use std::time::Duration as StdDuration;

use axum::Router;
use sea_orm::DatabaseConnection;
use serde_json::json;
use session_store::DefaultStore;
use tests::{Visitor, on_every_database, record, row_expiry, session_routes};
use time::{Duration, OffsetDateTime};
use tower_sessions::{Expiry, SessionManagerLayer, SessionStore};
use tower_sessions_moka_store::MokaStore;

use self::cached::Cached;

on_every_database!(
    a_revoked_session_is_served_until_the_bound_and_no_longer,
    changes_of_another_node_are_seen_after_the_bound,
    a_logout_takes_effect_at_once_on_the_same_node,
    a_refused_save_leaves_nothing_in_the_cache,
    a_session_that_expires_within_the_bound_is_not_served,
    debug_output_of_the_cache_shows_no_data,
    loads_through_the_bounded_cache_move_the_expiry,
);

// The code of the guide.
mod cached;

#[test]
fn the_guide_has_the_code_that_is_tested() {
    let guide = include_str!("../../../session-store/docs/caching.md");
    assert!(guide.contains(include_str!("caching/cached.rs")));
}

const BOUND: StdDuration = StdDuration::from_millis(200);

/// Creates a store with the system clock, which the caches use too.
async fn store(db: DatabaseConnection) -> DefaultStore {
    let store = DefaultStore::new(db).with_idle_timeout(Duration::HOUR);
    store.create_table().await.unwrap();
    store
}

async fn wait_for_the_bound() {
    tokio::time::sleep(BOUND + StdDuration::from_millis(50)).await;
}

fn app(store: impl SessionStore + Clone) -> Router {
    let layer = SessionManagerLayer::new(store).with_expiry(Expiry::OnInactivity(Duration::HOUR));
    session_routes().layer(layer)
}

async fn signed_in(app: &Router) -> Visitor {
    let mut visitor = Visitor::new(app);
    visitor.ok("/insert/user/7").await;
    assert_eq!(visitor.ok("/get/user").await, "7");
    visitor
}

async fn a_revoked_session_is_served_until_the_bound_and_no_longer(db: DatabaseConnection) {
    let store = store(db).await;
    let mut visitor = signed_in(&app(Cached::new(store.clone(), StdDuration::from_secs(60)))).await;
    store.delete_all().await.unwrap();
    assert_eq!(visitor.ok("/get/user").await, "7");

    let mut visitor = signed_in(&app(Cached::new(store.clone(), BOUND))).await;
    store.delete_all().await.unwrap();
    wait_for_the_bound().await;
    assert_eq!(visitor.ok("/get/user").await, "nothing");
}

async fn changes_of_another_node_are_seen_after_the_bound(db: DatabaseConnection) {
    let store = store(db).await;
    let (here, there) = (
        Cached::new(store.clone(), BOUND),
        Cached::new(store.clone(), BOUND),
    );
    let mut session = record(OffsetDateTime::now_utc(), [("n", json!(1))]);
    here.create(&mut session).await.unwrap();
    here.load(&session.id).await.unwrap();
    session.data.insert("n".into(), json!(2));
    there.save(&session).await.unwrap();
    wait_for_the_bound().await;
    let loaded = here.load(&session.id).await.unwrap().unwrap();
    assert_eq!(loaded.data["n"], json!(2));
}

async fn a_logout_takes_effect_at_once_on_the_same_node(db: DatabaseConnection) {
    let store = store(db).await;
    let app = app(Cached::new(store, StdDuration::from_secs(60)));
    let mut visitor = signed_in(&app).await;
    let mut stolen = visitor.clone();
    assert_eq!(stolen.ok("/get/user").await, "7");
    visitor.ok("/flush").await;
    assert_eq!(stolen.ok("/get/user").await, "nothing");
}

async fn a_refused_save_leaves_nothing_in_the_cache(db: DatabaseConnection) {
    let store = store(db).await;
    let cached = Cached::new(store.clone(), StdDuration::from_secs(60));
    let mut session = record(OffsetDateTime::now_utc(), []);
    cached.create(&mut session).await.unwrap();
    cached.load(&session.id).await.unwrap();
    store.delete_all().await.unwrap();
    cached.save(&session).await.unwrap_err();
    assert_eq!(cached.load(&session.id).await.unwrap(), None);
}

async fn debug_output_of_the_cache_shows_no_data(db: DatabaseConnection) {
    let cached = Cached::new(store(db).await, StdDuration::from_secs(60));
    let data = [("secret", json!("hunter2"))];
    let mut session = record(OffsetDateTime::now_utc(), data);
    cached.create(&mut session).await.unwrap();
    assert!(cached.load(&session.id).await.unwrap().is_some());
    let output = format!("{cached:?}");
    assert!(!output.contains("hunter2"), "{output}");
}

async fn a_session_that_expires_within_the_bound_is_not_served(db: DatabaseConnection) {
    let store = DefaultStore::new(db);
    store.create_table().await.unwrap();
    let cached = Cached::new(store, StdDuration::from_secs(60));
    let mut session = record(OffsetDateTime::now_utc(), []);
    session.expiry_date = OffsetDateTime::now_utc() + Duration::seconds(2);
    cached.create(&mut session).await.unwrap();
    assert!(cached.load(&session.id).await.unwrap().is_some());
    tokio::time::sleep(StdDuration::from_millis(2_050)).await;
    assert_eq!(cached.load(&session.id).await.unwrap(), None);
}

async fn loads_through_the_bounded_cache_move_the_expiry(db: DatabaseConnection) {
    let store = store(db).await.with_touch_after(Duration::ZERO);
    let cached = Cached::new(store.clone(), BOUND);
    let mut session = record(OffsetDateTime::now_utc(), []);
    cached.create(&mut session).await.unwrap();
    cached.load(&session.id).await.unwrap();
    let before = row_expiry(&store, &session).await;
    wait_for_the_bound().await;
    cached.load(&session.id).await.unwrap();
    assert!(row_expiry(&store, &session).await > before);
}

/// The `CachingSessionStore` of tower-sessions 0.14, the version that the moka store supports.
mod of_tower_sessions {
    use axum_login::tower_sessions::session::Record;
    use axum_login::tower_sessions::{CachingSessionStore, SessionStore};

    use super::*;
    use crate::tower_sessions_0_14::record;

    on_every_database!(
        serves_a_revoked_session,
        serves_a_session_whose_save_was_refused,
        keeps_the_expiry_from_moving,
        may_return_an_id_that_is_not_in_the_table,
    );

    type Caching = CachingSessionStore<MokaStore, DefaultStore>;

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
        wait_for_the_bound().await;
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
        wait_for_the_bound().await;
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
}
