//! The store behind tower-sessions' own middleware, over HTTP requests.

use std::convert::Infallible;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{Route, get};
use sea_orm::DatabaseConnection;
use session_store::{DefaultStore, express_session};
use tests::{Clock, Visitor, on_every_database, store};
use time::Duration;
use tower::{Layer, Service};
use tower_sessions::session::Id;
use tower_sessions::{Expiry, Session, SessionManagerLayer};

/// Under either middleware.
macro_rules! under_both_layers {
    ($($test:ident),* $(,)?) => {
        mod store_layer {
            use super::*;
            on_every_database!(@ (flavor = "multi_thread", worker_threads = 2) [StoreLayer] $($test),*);
        }
        mod bare_layer {
            use super::*;
            on_every_database!(@ (flavor = "multi_thread", worker_threads = 2) [BareLayer] $($test),*);
        }
    };
}

under_both_layers!(
    without_a_cookie_nothing_is_stored_until_something_is_inserted,
    a_malformed_cookie_is_no_session,
    an_unknown_id_is_not_adopted,
    the_stored_sid_is_refused_as_a_cookie,
    what_is_inserted_is_got_back_and_can_be_removed,
    clear_empties_the_session,
    clear_before_the_first_read_does_not_adopt_a_planted_id,
    cycle_id_moves_the_session_to_a_new_id,
    flush_ends_the_session,
    an_expired_session_is_gone_and_its_id_is_not_used_again,
    two_visitors_do_not_meet,
);

on_every_database!(
    flush_before_the_first_read_does_not_adopt_a_planted_id,
    the_cookie_lasts_as_long_as_the_session,
    a_visitor_who_only_reads_stays_in_the_table,
    always_save_saves_what_was_only_read,
);

trait Mount {
    /// Whether a visitor with an id that is not known is given another instead of an error.
    const REPLACES_UNKNOWN_IDS: bool;

    fn mount(store: &DefaultStore) -> Router;
}

/// `store.layer()`.
struct StoreLayer;

impl Mount for StoreLayer {
    const REPLACES_UNKNOWN_IDS: bool = true;

    fn mount(store: &DefaultStore) -> Router {
        app(store.layer())
    }
}

/// tower-sessions' own layer over the store.
struct BareLayer;

impl Mount for BareLayer {
    const REPLACES_UNKNOWN_IDS: bool = false;

    fn mount(store: &DefaultStore) -> Router {
        app(SessionManagerLayer::new(store.clone()))
    }
}

fn app<L>(layer: L) -> Router
where
    L: Layer<Route> + Clone + Send + Sync + 'static,
    L::Service: Service<axum::extract::Request, Error = Infallible> + Clone + Send + Sync + 'static,
    <L::Service as Service<axum::extract::Request>>::Response: IntoResponse + 'static,
    <L::Service as Service<axum::extract::Request>>::Future: Send + 'static,
{
    async fn read(Path(key): Path<String>, session: Session) -> String {
        let value: Option<String> = session.get(&key).await.unwrap();
        value.unwrap_or_else(|| "nothing".to_owned())
    }
    async fn write(Path((key, value)): Path<(String, String)>, session: Session) {
        session.insert(&key, value).await.unwrap();
    }
    async fn remove(Path(key): Path<String>, session: Session) {
        session.remove::<String>(&key).await.unwrap();
    }
    Router::new()
        .route("/", get(async || "no session"))
        .route("/get/{key}", get(read))
        .route("/insert/{key}/{value}", get(write))
        .route("/remove/{key}", get(remove))
        .route(
            "/clear",
            get(async |session: Session| session.clear().await),
        )
        .route(
            "/flush",
            get(async |session: Session| session.flush().await.unwrap()),
        )
        .route(
            "/cycle",
            get(async |session: Session| session.cycle_id().await.unwrap()),
        )
        .route(
            "/clear-then-insert",
            get(async |session: Session| {
                session.clear().await;
                session.insert("user", "root").await.unwrap();
            }),
        )
        .route(
            "/flush-then-insert",
            get(async |session: Session| {
                session.flush().await.unwrap();
                session.insert("user", "root").await.unwrap();
            }),
        )
        .layer(layer)
}

async fn site<M: Mount>(db: DatabaseConnection) -> (DefaultStore, Clock, Router) {
    let (store, clock) = store::<express_session::Model>(db).await;
    let app = M::mount(&store);
    (store, clock, app)
}

async fn without_a_cookie_nothing_is_stored_until_something_is_inserted<M: Mount>(
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

async fn a_malformed_cookie_is_no_session<M: Mount>(db: DatabaseConnection) {
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

async fn an_unknown_id_is_not_adopted<M: Mount>(db: DatabaseConnection) {
    let (store, _, app) = site::<M>(db).await;
    let planted = Id::default();
    let mut visitor = Visitor::with_cookie(&app, &planted.to_string());
    visitor.ok("/insert/name/ann").await;
    assert_ne!(visitor.id(), planted);
    assert!(store.find(&planted).await.unwrap().is_none());
    assert_eq!(visitor.ok("/get/name").await, "ann");
}

async fn the_stored_sid_is_refused_as_a_cookie<M: Mount>(db: DatabaseConnection) {
    let (store, _, app) = site::<M>(db).await;
    let mut visitor = Visitor::new(&app);
    visitor.ok("/insert/name/ann").await;
    let mut thief = Visitor::with_cookie(&app, &store.sid(&visitor.id()));
    assert_eq!(thief.ok("/get/name").await, "nothing");
}

async fn what_is_inserted_is_got_back_and_can_be_removed<M: Mount>(db: DatabaseConnection) {
    let (_, _, app) = site::<M>(db).await;
    let mut visitor = Visitor::new(&app);
    visitor.ok("/insert/name/ann").await;
    visitor.ok("/insert/city/rome").await;
    assert_eq!(visitor.ok("/get/name").await, "ann");
    visitor.ok("/remove/name").await;
    assert_eq!(visitor.ok("/get/name").await, "nothing");
    assert_eq!(visitor.ok("/get/city").await, "rome");
}

async fn clear_empties_the_session<M: Mount>(db: DatabaseConnection) {
    let (store, _, app) = site::<M>(db).await;
    let mut visitor = Visitor::new(&app);
    visitor.ok("/insert/name/ann").await;
    visitor.ok("/clear").await;
    assert_eq!(visitor.ok("/get/name").await, "nothing");
    let row = store.find(&visitor.id()).await.unwrap().unwrap();
    assert_eq!(row.sess, "{}");
}

async fn clear_before_the_first_read_does_not_adopt_a_planted_id<M: Mount>(db: DatabaseConnection) {
    let (store, _, app) = site::<M>(db).await;
    let planted = Id::default();
    let mut visitor = Visitor::with_cookie(&app, &planted.to_string());
    let answer = visitor.get("/clear-then-insert").await;
    assert!(store.find(&planted).await.unwrap().is_none());
    if M::REPLACES_UNKNOWN_IDS {
        assert_eq!(answer.status, StatusCode::OK);
        assert_ne!(visitor.id(), planted);
        assert_eq!(visitor.ok("/get/user").await, "root");
    } else {
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
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

async fn cycle_id_moves_the_session_to_a_new_id<M: Mount>(db: DatabaseConnection) {
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

async fn flush_ends_the_session<M: Mount>(db: DatabaseConnection) {
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

async fn an_expired_session_is_gone_and_its_id_is_not_used_again<M: Mount>(db: DatabaseConnection) {
    let (store, clock, app) = site::<M>(db).await;
    let mut visitor = Visitor::new(&app);
    visitor.ok("/insert/name/ann").await;
    let before = visitor.id();
    // tower-sessions' default, by the wall's clock, which is a little ahead of this one.
    clock.advance(Duration::weeks(2) + Duration::MINUTE);
    assert_eq!(visitor.ok("/get/name").await, "nothing");
    let mut visitor = Visitor::with_cookie(&app, &before.to_string());
    visitor.ok("/insert/name/bob").await;
    assert_ne!(visitor.id(), before);
    let _ = store;
}

async fn the_cookie_lasts_as_long_as_the_session(db: DatabaseConnection) {
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
    // Without a life the cookie is the browser session's.
    assert_eq!(max_age(app(store.layer())).await, None);
    let living = store.clone().with_idle_timeout(Duration::hours(3));
    assert_eq!(max_age(app(living.layer())).await, Some(3 * 3600));
    let own = SessionManagerLayer::new(store.clone())
        .with_expiry(Expiry::OnInactivity(Duration::minutes(5)));
    assert_eq!(max_age(app(own)).await, Some(300));
    clock.advance(Duration::minutes(6));
    assert_eq!(store.count().await.unwrap(), 2);
    clock.advance(Duration::hours(3));
    assert_eq!(store.count().await.unwrap(), 1);
}

async fn a_visitor_who_only_reads_stays_in_the_table(db: DatabaseConnection) {
    let (store, clock, _) = site::<StoreLayer>(db).await;
    let store = store.with_idle_timeout(Duration::hours(1));
    let mut visitor = Visitor::new(&app(store.layer()));
    visitor.ok("/insert/name/ann").await;
    for _ in 0..6 {
        clock.advance(Duration::minutes(40));
        assert_eq!(visitor.ok("/get/name").await, "ann");
    }
    clock.advance(Duration::minutes(61));
    assert_eq!(visitor.ok("/get/name").await, "nothing");
}

async fn two_visitors_do_not_meet<M: Mount>(db: DatabaseConnection) {
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

async fn always_save_saves_what_was_only_read(db: DatabaseConnection) {
    let (store, _, _) = site::<StoreLayer>(db).await;
    let app = app(store
        .with_idle_timeout(Duration::hours(1))
        .layer()
        .with_always_save(true));
    let mut visitor = Visitor::new(&app);
    visitor.ok("/insert/name/ann").await;
    assert!(visitor.get("/get/name").await.set_cookie.is_some());
}
