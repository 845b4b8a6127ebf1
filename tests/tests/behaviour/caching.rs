//! A cache in front of the store: what tower-sessions' own breaks, and that the one of the guide keeps
//! its bound.

use std::time::Duration as StdDuration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use sea_orm::DatabaseConnection;
use serde_json::json;
use session_store::DefaultStore;
use tests::{Visitor, on_every_database, record};
use time::{Duration, OffsetDateTime};
use tower_sessions::{Expiry, Session, SessionManagerLayer, SessionStore};
use tower_sessions_moka_store::MokaStore;

use self::cached::Cached;

on_every_database!(
    a_session_that_is_revoked_is_served_until_the_bound_and_no_longer,
    what_is_changed_on_another_node_is_seen_after_the_bound,
    a_logout_is_final_at_once_on_the_node_itself,
    a_save_that_is_refused_leaves_nothing_in_the_cache,
    a_session_that_ends_within_the_bound_is_not_served,
    the_cache_shows_no_data_in_its_debug_output,
    sessions_slide_behind_the_bounded_cache,
);

// The code of the guide, as a reader would copy it.
mod cached;

#[test]
fn the_guide_has_the_code_that_is_tested() {
    let guide = include_str!("../../../session-store/docs/caching.md");
    assert!(guide.contains(include_str!("caching/cached.rs")));
}

const BOUND: StdDuration = StdDuration::from_millis(200);

async fn open(db: DatabaseConnection) -> DefaultStore {
    let store = DefaultStore::new(db).with_idle_timeout(Duration::HOUR);
    store.create_table().await.unwrap();
    store
}

async fn pass_the_bound() {
    tokio::time::sleep(BOUND + StdDuration::from_millis(50)).await;
}

fn app(store: impl SessionStore + Clone) -> Router {
    let user = async |session: Session| match session.get::<i32>("user").await.unwrap() {
        Some(user) => Ok(user.to_string()),
        None => Err(StatusCode::UNAUTHORIZED),
    };
    Router::new()
        .route("/user", get(user))
        .route(
            "/login",
            get(async |session: Session| session.insert("user", 7).await.unwrap()),
        )
        .route(
            "/logout",
            get(async |session: Session| session.flush().await.unwrap()),
        )
        .layer(SessionManagerLayer::new(store).with_expiry(Expiry::OnInactivity(Duration::HOUR)))
}

async fn signed_in(app: &Router) -> Visitor {
    let mut visitor = Visitor::new(app);
    visitor.ok("/login").await;
    assert_eq!(visitor.ok("/user").await, "7");
    visitor
}

async fn a_session_that_is_revoked_is_served_until_the_bound_and_no_longer(db: DatabaseConnection) {
    let store = open(db).await;
    let mut visitor = signed_in(&app(Cached::new(store.clone(), StdDuration::from_secs(60)))).await;
    store.delete_all().await.unwrap();
    // As long as it is allowed to.
    assert_eq!(visitor.ok("/user").await, "7");

    let mut visitor = signed_in(&app(Cached::new(store.clone(), BOUND))).await;
    store.delete_all().await.unwrap();
    pass_the_bound().await;
    assert_eq!(visitor.get("/user").await.status, StatusCode::UNAUTHORIZED);
}

async fn what_is_changed_on_another_node_is_seen_after_the_bound(db: DatabaseConnection) {
    let store = open(db).await;
    let (here, there) = (
        Cached::new(store.clone(), BOUND),
        Cached::new(store.clone(), BOUND),
    );
    let mut session = record(OffsetDateTime::now_utc(), [("n", json!(1))]);
    here.create(&mut session).await.unwrap();
    here.load(&session.id).await.unwrap();
    session.data.insert("n".into(), json!(2));
    there.save(&session).await.unwrap();
    pass_the_bound().await;
    let loaded = here.load(&session.id).await.unwrap().unwrap();
    assert_eq!(loaded.data["n"], json!(2));
}

async fn a_logout_is_final_at_once_on_the_node_itself(db: DatabaseConnection) {
    let store = open(db).await;
    let app = app(Cached::new(store, StdDuration::from_secs(60)));
    let visitor = signed_in(&app).await;
    let mut stolen = visitor.clone();
    assert_eq!(stolen.ok("/user").await, "7");
    visitor.clone().ok("/logout").await;
    assert_eq!(stolen.get("/user").await.status, StatusCode::UNAUTHORIZED);
}

async fn a_save_that_is_refused_leaves_nothing_in_the_cache(db: DatabaseConnection) {
    let store = open(db).await;
    let cached = Cached::new(store.clone(), StdDuration::from_secs(60));
    let mut session = record(OffsetDateTime::now_utc(), []);
    cached.create(&mut session).await.unwrap();
    cached.load(&session.id).await.unwrap();
    store.delete_all().await.unwrap();
    cached.save(&session).await.unwrap_err();
    assert_eq!(cached.load(&session.id).await.unwrap(), None);
}

async fn the_cache_shows_no_data_in_its_debug_output(db: DatabaseConnection) {
    let cached = Cached::new(open(db).await, StdDuration::from_secs(60));
    let data = [("secret", json!("hunter2"))];
    let mut session = record(OffsetDateTime::now_utc(), data);
    cached.create(&mut session).await.unwrap();
    assert!(cached.load(&session.id).await.unwrap().is_some());
    let output = format!("{cached:?}");
    assert!(!output.contains("hunter2"), "{output}");
}

async fn a_session_that_ends_within_the_bound_is_not_served(db: DatabaseConnection) {
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

async fn sessions_slide_behind_the_bounded_cache(db: DatabaseConnection) {
    let store = open(db).await.with_touch_after(Duration::ZERO);
    let cached = Cached::new(store.clone(), BOUND);
    let mut session = record(OffsetDateTime::now_utc(), []);
    cached.create(&mut session).await.unwrap();
    let end = async || store.find(&session.id).await.unwrap().unwrap().expire;
    cached.load(&session.id).await.unwrap();
    let first = end().await;
    pass_the_bound().await;
    cached.load(&session.id).await.unwrap();
    assert!(end().await > first);
}

/// tower-sessions' own, which its store of moka's caches takes in version 0.14.
mod of_tower_sessions {
    use axum_login::tower_sessions::session::{Id, Record};
    use axum_login::tower_sessions::{CachingSessionStore, SessionStore};

    use super::*;

    on_every_database!(
        it_serves_a_session_that_was_revoked,
        it_brings_back_what_the_store_refused,
        it_keeps_a_session_from_sliding,
        it_may_end_with_two_ids,
    );

    type Caching = CachingSessionStore<MokaStore, DefaultStore>;

    fn over(store: &DefaultStore) -> (MokaStore, Caching) {
        let cache = MokaStore::new(Some(100));
        let caching = CachingSessionStore::new(cache.clone(), store.clone());
        (cache, caching)
    }

    fn session() -> Record {
        Record {
            id: Id::default(),
            data: [("user".to_owned(), json!(7))].into(),
            expiry_date: OffsetDateTime::now_utc() + Duration::HOUR,
        }
    }

    async fn created(caching: &Caching) -> Record {
        let mut session = session();
        caching.create(&mut session).await.unwrap();
        session
    }

    async fn it_serves_a_session_that_was_revoked(db: DatabaseConnection) {
        let store = open(db).await;
        let (_, caching) = over(&store);
        let session = created(&caching).await;
        store.delete_all().await.unwrap();
        pass_the_bound().await;
        assert!(caching.load(&session.id).await.unwrap().is_some());
    }

    async fn it_brings_back_what_the_store_refused(db: DatabaseConnection) {
        let store = open(db).await;
        let (_, caching) = over(&store);
        // Not each time: which of the two is faster, the store or the cache, differs.
        for _ in 0..1000 {
            let session = created(&caching).await;
            caching.delete(&session.id).await.unwrap();
            assert_eq!(caching.load(&session.id).await.unwrap(), None);
            // A request that was running.
            caching.save(&session).await.unwrap_err();
            if caching.load(&session.id).await.unwrap().is_some() {
                return;
            }
        }
        panic!("it has mended this: tell the guide");
    }

    async fn it_keeps_a_session_from_sliding(db: DatabaseConnection) {
        let store = open(db).await.with_touch_after(Duration::ZERO);
        let (_, caching) = over(&store);
        let session = created(&caching).await;
        let row = async || store.find(&session_store::Id(session.id.0)).await;
        let end = async || row().await.unwrap().unwrap().expire;
        let first = end().await;
        pass_the_bound().await;
        caching.load(&session.id).await.unwrap();
        assert_eq!(end().await, first);
    }

    async fn it_may_end_with_two_ids(db: DatabaseConnection) {
        let store = open(db).await;
        let (cache, caching) = over(&store);
        let mut session = session();
        let id = session.id;
        cache.save(&session).await.unwrap();
        caching.create(&mut session).await.unwrap();
        assert_ne!(session.id, id);
        let in_table = async |id: Id| SessionStore::load(&store, &id).await.unwrap().is_some();
        assert!(in_table(id).await);
        assert!(!in_table(session.id).await);
    }
}
