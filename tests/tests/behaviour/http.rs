//! Sessions over HTTP, under `store.layer()` and under a plain `SessionManagerLayer`.

use axum::Router;
use axum::http::StatusCode;
use sea_orm::DatabaseConnection;
use session_store::Id;
use session_store::{DefaultStore, express_session};
use tests::{COOKIE_NAME, Clock, Visitor, layer, on_every_database, session_routes, store};
use time::Duration;
use tower_sessions::{Expiry, SessionManagerLayer};

/// Defines tests under each of the two layers, with its type as the parameter.
macro_rules! under_both_layers {
    ($($test:ident),* $(,)?) => {
        mod store_layer {
            use super::*;
            on_every_database!(<StoreLayer> $($test),*);
        }
        mod plain_layer {
            use super::*;
            on_every_database!(<PlainLayer> $($test),*);
        }
    };
}

under_both_layers!(
    without_a_cookie_nothing_is_stored_until_something_is_inserted,
    a_malformed_cookie_is_ignored,
    an_unknown_id_is_not_adopted,
    the_stored_sid_is_refused_as_a_cookie,
    inserted_values_are_read_back_and_can_be_removed,
    clear_empties_the_session,
    clear_before_the_first_read_does_not_adopt_a_planted_id,
    cycle_id_moves_the_session_to_a_new_id,
    flush_deletes_the_session,
    an_expired_session_is_not_served_and_its_id_is_not_reused,
    visitors_do_not_share_data,
);

on_every_database!(
    flush_before_the_first_read_does_not_adopt_a_planted_id,
    the_cookie_expires_with_the_session,
    reading_keeps_a_session_active,
    with_always_save_a_request_that_only_reads_saves,
    with_always_save_an_unknown_cookie_gets_a_new_session_from_any_page,
);

trait Layered {
    /// Whether a save under an unknown id creates a session with a new id. Otherwise it is an error.
    const REPLACES_UNKNOWN_IDS: bool;

    fn app(store: &DefaultStore) -> Router;
}

/// `store.layer()`.
struct StoreLayer;

impl Layered for StoreLayer {
    const REPLACES_UNKNOWN_IDS: bool = true;

    fn app(store: &DefaultStore) -> Router {
        session_routes().layer(layer(store))
    }
}

/// `SessionManagerLayer::new(store)`.
struct PlainLayer;

impl Layered for PlainLayer {
    const REPLACES_UNKNOWN_IDS: bool = false;

    fn app(store: &DefaultStore) -> Router {
        session_routes().layer(SessionManagerLayer::new(store.clone()).with_name(COOKIE_NAME))
    }
}

async fn site<M: Layered>(db: DatabaseConnection) -> (DefaultStore, Clock, Router) {
    let (store, clock) = store::<express_session::Model>(db).await;
    let app = M::app(&store);
    (store, clock, app)
}

async fn without_a_cookie_nothing_is_stored_until_something_is_inserted<M: Layered>(
    db: DatabaseConnection,
) {
    let (store, _, app) = site::<M>(db).await;
    let mut visitor = Visitor::new(&app);
    assert!(visitor.get("/").await.set_cookie.is_none());
    assert!(visitor.get("/get/name").await.set_cookie.is_none());
    assert_eq!(store.count().await.unwrap(), 0);
    let set = visitor.get("/insert/name/ann").await.set_cookie.unwrap();
    assert!(set.contains("HttpOnly") && set.contains("Secure") && set.contains("SameSite=Strict"));
    assert_eq!(store.count().await.unwrap(), 1);
}

async fn a_malformed_cookie_is_ignored<M: Layered>(db: DatabaseConnection) {
    let (store, _, app) = site::<M>(db).await;
    for cookie in [
        "",
        "x",
        "ÄÄ",
        "AAAAAAAAAAAAAAAAAAAAA!",
        &"A".repeat(5000),
        "' OR 1=1 --",
    ] {
        let mut visitor = Visitor::with_cookie(&app, cookie);
        assert_eq!(visitor.ok("/get/name").await, "nothing");
        assert_eq!(store.count().await.unwrap(), 0);
    }
}

async fn an_unknown_id_is_not_adopted<M: Layered>(db: DatabaseConnection) {
    let (store, _, app) = site::<M>(db).await;
    let planted = Id::default();
    let mut visitor = Visitor::with_cookie(&app, &planted.to_string());
    visitor.ok("/insert/name/ann").await;
    assert_ne!(visitor.id(), planted);
    assert!(store.find(&planted).await.unwrap().is_none());
    assert_eq!(visitor.ok("/get/name").await, "ann");
}

async fn the_stored_sid_is_refused_as_a_cookie<M: Layered>(db: DatabaseConnection) {
    let (store, _, app) = site::<M>(db).await;
    let mut visitor = Visitor::new(&app);
    visitor.ok("/insert/name/ann").await;
    let mut thief = Visitor::with_cookie(&app, &store.sid(&visitor.id()));
    assert_eq!(thief.ok("/get/name").await, "nothing");
}

async fn inserted_values_are_read_back_and_can_be_removed<M: Layered>(db: DatabaseConnection) {
    let (_, _, app) = site::<M>(db).await;
    let mut visitor = Visitor::new(&app);
    visitor.ok("/insert/name/ann").await;
    visitor.ok("/insert/city/rome").await;
    assert_eq!(visitor.ok("/get/name").await, "ann");
    visitor.ok("/remove/name").await;
    assert_eq!(visitor.ok("/get/name").await, "nothing");
    assert_eq!(visitor.ok("/get/city").await, "rome");
}

async fn clear_empties_the_session<M: Layered>(db: DatabaseConnection) {
    let (store, _, app) = site::<M>(db).await;
    let mut visitor = Visitor::new(&app);
    visitor.ok("/insert/name/ann").await;
    visitor.ok("/clear").await;
    assert_eq!(visitor.ok("/get/name").await, "nothing");
    let row = store.find(&visitor.id()).await.unwrap().unwrap();
    assert_eq!(row.sess, "{}");
}

async fn clear_before_the_first_read_does_not_adopt_a_planted_id<M: Layered>(
    db: DatabaseConnection,
) {
    let (store, _, app) = site::<M>(db).await;
    let planted = Id::default();
    let mut visitor = Visitor::with_cookie(&app, &planted.to_string());
    let response = visitor.get("/clear-then-insert").await;
    assert!(store.find(&planted).await.unwrap().is_none());
    if M::REPLACES_UNKNOWN_IDS {
        assert_eq!(response.status, StatusCode::OK);
        assert_ne!(visitor.id(), planted);
        assert_eq!(visitor.ok("/get/user").await, "root");
    } else {
        assert_eq!(response.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(store.count().await.unwrap(), 0);
    }
}

async fn flush_before_the_first_read_does_not_adopt_a_planted_id(db: DatabaseConnection) {
    let (store, _, app) = site::<StoreLayer>(db).await;
    let planted = Id::default();
    let mut visitor = Visitor::with_cookie(&app, &planted.to_string());
    visitor.ok("/flush-then-insert").await;
    assert_ne!(visitor.id(), planted);
    assert!(store.find(&planted).await.unwrap().is_none());
    assert_eq!(visitor.ok("/get/user").await, "root");
}

async fn cycle_id_moves_the_session_to_a_new_id<M: Layered>(db: DatabaseConnection) {
    let (store, _, app) = site::<M>(db).await;
    let mut visitor = Visitor::new(&app);
    visitor.ok("/insert/name/ann").await;
    let before = visitor.id();
    visitor.ok("/cycle").await;
    assert_ne!(visitor.id(), before);
    assert_eq!(visitor.ok("/get/name").await, "ann");
    let mut old = Visitor::with_cookie(&app, &before.to_string());
    assert_eq!(old.ok("/get/name").await, "nothing");
    assert_eq!(store.count().await.unwrap(), 1);
}

async fn flush_deletes_the_session<M: Layered>(db: DatabaseConnection) {
    let (store, _, app) = site::<M>(db).await;
    let mut visitor = Visitor::new(&app);
    visitor.ok("/insert/name/ann").await;
    let before = visitor.id();
    visitor.ok("/flush").await;
    assert_eq!(visitor.cookie, None);
    assert_eq!(store.count().await.unwrap(), 0);
    let mut old = Visitor::with_cookie(&app, &before.to_string());
    assert_eq!(old.ok("/get/name").await, "nothing");
}

async fn an_expired_session_is_not_served_and_its_id_is_not_reused<M: Layered>(
    db: DatabaseConnection,
) {
    let (_, clock, app) = site::<M>(db).await;
    let mut visitor = Visitor::new(&app);
    visitor.ok("/insert/name/ann").await;
    let before = visitor.id();
    // The default expiry of tower-sessions, by the system clock, which is ahead of the test's clock.
    clock.advance(Duration::weeks(2) + Duration::MINUTE);
    assert_eq!(visitor.ok("/get/name").await, "nothing");
    let mut visitor = Visitor::with_cookie(&app, &before.to_string());
    visitor.ok("/insert/name/bob").await;
    assert_ne!(visitor.id(), before);
}

async fn the_cookie_expires_with_the_session(db: DatabaseConnection) {
    let (store, clock, _) = site::<StoreLayer>(db).await;
    let max_age = async |app: Router| {
        let set = Visitor::new(&app)
            .get("/insert/name/ann")
            .await
            .set_cookie
            .unwrap();
        let (_, max_age) = set.split_once("Max-Age=")?;
        max_age.split(';').next().unwrap().parse::<i64>().ok()
    };
    // Without an idle timeout the browser keeps the cookie until it is closed.
    assert_eq!(max_age(session_routes().layer(layer(&store))).await, None);
    let with_timeout = store.clone().with_idle_timeout(Duration::hours(3));
    let app = session_routes().layer(layer(&with_timeout));
    assert_eq!(max_age(app).await, Some(3 * 3600));
    let plain = SessionManagerLayer::new(store.clone())
        .with_expiry(Expiry::OnInactivity(Duration::minutes(5)));
    assert_eq!(max_age(session_routes().layer(plain)).await, Some(300));
    clock.advance(Duration::minutes(6));
    assert_eq!(store.count().await.unwrap(), 2);
    clock.advance(Duration::hours(3));
    assert_eq!(store.count().await.unwrap(), 1);
}

async fn reading_keeps_a_session_active(db: DatabaseConnection) {
    let (store, clock, _) = site::<StoreLayer>(db).await;
    let store = store.with_idle_timeout(Duration::hours(1));
    let mut visitor = Visitor::new(&session_routes().layer(layer(&store)));
    visitor.ok("/insert/name/ann").await;
    for _ in 0..6 {
        clock.advance(Duration::minutes(40));
        assert_eq!(visitor.ok("/get/name").await, "ann");
    }
    clock.advance(Duration::minutes(61));
    assert_eq!(visitor.ok("/get/name").await, "nothing");
}

async fn visitors_do_not_share_data<M: Layered>(db: DatabaseConnection) {
    let (store, _, app) = site::<M>(db).await;
    let (mut ann, mut bob) = (Visitor::new(&app), Visitor::new(&app));
    ann.ok("/insert/name/ann").await;
    bob.ok("/insert/name/bob").await;
    assert_eq!(ann.ok("/get/name").await, "ann");
    assert_eq!(bob.ok("/get/name").await, "bob");
    ann.ok("/flush").await;
    assert_eq!(bob.ok("/get/name").await, "bob");
    assert_eq!(store.count().await.unwrap(), 1);
}

async fn with_always_save_a_request_that_only_reads_saves(db: DatabaseConnection) {
    let (store, _, _) = site::<StoreLayer>(db).await;
    let store = store.with_idle_timeout(Duration::hours(1));
    let layer = layer(&store).with_always_save(true);
    let mut visitor = Visitor::new(&session_routes().layer(layer));
    visitor.ok("/insert/name/ann").await;
    assert!(visitor.get("/get/name").await.set_cookie.is_some());
}

async fn with_always_save_an_unknown_cookie_gets_a_new_session_from_any_page(
    db: DatabaseConnection,
) {
    let (store, _) = store::<express_session::Model>(db).await;
    let app = session_routes().layer(layer(&store).with_always_save(true));

    let response = Visitor::new(&app).get("/").await;
    assert_eq!(response.set_cookie, None);
    assert_eq!(store.count().await.unwrap(), 0);

    let unknown = Id::default();
    let mut visitor = Visitor::with_cookie(&app, &unknown.to_string());
    visitor.ok("/").await;
    assert_ne!(visitor.id(), unknown);
    assert_eq!(store.count().await.unwrap(), 1);

    // From then on, each request saves this one.
    let id = visitor.id();
    assert!(visitor.get("/").await.set_cookie.is_some());
    assert_eq!(visitor.id(), id);
    assert_eq!(store.count().await.unwrap(), 1);
}
