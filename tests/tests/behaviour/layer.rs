//! `store.layer()`: the cookie expires with the row, and has the options of the layer.

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use axum::http::header::SET_COOKIE;
use axum::http::{Request, Response};
use axum::routing::get;
use sea_orm::DatabaseConnection;
use session_store::{SessionLayer, express_session};
use tests::{COOKIE_NAME, Clock, Visitor, layer, on_every_database, session_routes, store};
use time::Duration;
use tower::{ServiceBuilder, ServiceExt};
use tower_sessions::Session;
use tower_sessions::cookie::{Key, SameSite};

on_every_database!(
    a_visitor_who_only_reads_stays_signed_in,
    the_cookie_and_the_row_expire_together,
    reading_writes_once_per_touch_after_and_never_the_data,
    without_an_idle_timeout_the_cookie_is_not_renewed,
    a_flushed_or_cycled_session_is_not_renewed,
    a_renewed_cookie_has_the_same_options,
    a_signed_cookie_is_renewed_and_a_forged_one_is_ignored,
    a_private_cookie_is_renewed_and_a_forged_one_is_ignored,
    the_layer_works_with_any_tower_service,
);

const IDLE_TIMEOUT: Duration = Duration::hours(1);

type Layer = SessionLayer<express_session::Model, Session>;

fn routes() -> Router {
    session_routes()
        .route(
            "/read-then-flush",
            get(async |session: Session| {
                session.get::<String>("user").await.unwrap();
                session.flush().await.unwrap();
            }),
        )
        .route(
            "/read-then-cycle",
            get(async |session: Session| {
                session.get::<String>("user").await.unwrap();
                session.cycle_id().await.unwrap();
            }),
        )
        .route(
            "/id",
            get(async |session: Session| session.id().unwrap().to_string()),
        )
}

/// Creates a store with an idle timeout, and a visitor who has signed in.
async fn visitor(
    db: DatabaseConnection,
    options: impl FnOnce(Layer) -> Layer,
) -> (session_store::DefaultStore, Clock, Visitor) {
    let (store, clock) = store::<express_session::Model>(db).await;
    let store = store
        .with_idle_timeout(IDLE_TIMEOUT)
        .with_touch_after(Duration::minutes(10));
    let mut visitor = Visitor::new(&routes().layer(options(layer(&store))));
    visitor.ok("/insert/user/ann").await;
    (store, clock, visitor)
}

async fn a_visitor_who_only_reads_stays_signed_in(db: DatabaseConnection) {
    let (_, clock, mut visitor) = visitor(db, |layer| layer).await;
    for _ in 0..12 {
        clock.advance(Duration::minutes(15));
        let response = visitor.get("/get/user").await;
        assert_eq!(response.body, "ann");
        let set = response.set_cookie.unwrap();
        assert!(set.contains("Max-Age=3600"), "{set}");
    }
}

async fn the_cookie_and_the_row_expire_together(db: DatabaseConnection) {
    let (store, clock, mut visitor) = visitor(db, |layer| layer).await;
    clock.advance(Duration::minutes(30));
    let renewed = visitor.get("/get/user").await.set_cookie.unwrap();
    // The browser deletes the cookie after its Max-Age, when the row expires.
    assert!(renewed.contains("Max-Age=3600"), "{renewed}");
    let row = store.find(&visitor.id()).await.unwrap().unwrap();
    assert_eq!(row.expire, clock.now() + IDLE_TIMEOUT);
    clock.advance(IDLE_TIMEOUT);
    let response = visitor.get("/get/user").await;
    assert_eq!(response.body, "nothing");
    assert!(response.set_cookie.unwrap().contains("Max-Age=0"));
    assert_eq!(store.prune().await.unwrap(), 1);
}

async fn reading_writes_once_per_touch_after_and_never_the_data(db: DatabaseConnection) {
    let (store, clock, mut visitor) = visitor(db, |layer| layer).await;
    let before = store.find(&visitor.id()).await.unwrap().unwrap();
    let (mut expiries, mut renewals) = (BTreeSet::new(), 0);
    for _ in 0..3 * 60 {
        clock.advance(Duration::MINUTE);
        renewals += u32::from(visitor.get("/get/user").await.set_cookie.is_some());
        visitor.ok("/").await;
        let row = store.find(&visitor.id()).await.unwrap().unwrap();
        assert_eq!(row.sess, before.sess);
        expiries.insert(row.expire);
    }
    // In three hours, a write and a cookie every ten minutes.
    assert_eq!(renewals, 18);
    expiries.remove(&before.expire);
    assert_eq!(expiries.len(), 18);
}

async fn without_an_idle_timeout_the_cookie_is_not_renewed(db: DatabaseConnection) {
    let (store, clock) = store::<express_session::Model>(db).await;
    let mut visitor = Visitor::new(&routes().layer(layer(&store)));
    let set = visitor.get("/insert/user/ann").await.set_cookie.unwrap();
    assert!(!set.contains("Max-Age"), "{set}");
    clock.advance(Duration::days(1));
    let response = visitor.get("/get/user").await;
    assert_eq!((response.body.as_str(), response.set_cookie), ("ann", None));
}

async fn a_flushed_or_cycled_session_is_not_renewed(db: DatabaseConnection) {
    let (store, clock, mut visitor) = visitor(db, |layer| layer).await;
    let before = visitor.id();
    clock.advance(Duration::minutes(15));
    let set = visitor.get("/read-then-cycle").await.set_cookie.unwrap();
    assert!(
        !set.contains(&before.to_string()) && set.contains("Max-Age=3600"),
        "{set}"
    );
    clock.advance(Duration::minutes(15));
    let set = visitor.get("/read-then-flush").await.set_cookie.unwrap();
    assert!(set.contains("Max-Age=0"), "{set}");
    assert_eq!(store.count().await.unwrap(), 0);
}

async fn a_renewed_cookie_has_the_same_options(db: DatabaseConnection) {
    let (store, clock) = store::<express_session::Model>(db).await;
    let store = store.with_idle_timeout(IDLE_TIMEOUT);
    let layer = layer(&store)
        .with_name("sid")
        .with_http_only(false)
        .with_same_site(SameSite::Lax)
        .with_secure(false)
        .with_path("/get")
        .with_domain("example.com");
    let app = routes().layer(layer);
    let mut visitor = Visitor::new(&app);
    let first = visitor.get("/insert/user/ann").await.set_cookie.unwrap();
    clock.advance(Duration::minutes(30));
    let renewed = visitor.get("/get/user").await.set_cookie.unwrap();
    assert_eq!(renewed, first);
    assert!(first.starts_with("sid="), "{first}");
    for option in [
        "SameSite=Lax",
        "Path=/get",
        "Domain=example.com",
        "Max-Age=3600",
    ] {
        assert!(first.contains(option), "{option} is not in {first}");
    }
    assert!(
        !first.contains("HttpOnly") && !first.contains("Secure"),
        "{first}"
    );
}

/// Checks a layer whose options sign or encrypt the cookie.
async fn check_protected_cookie(db: DatabaseConnection, options: impl FnOnce(Layer) -> Layer) {
    let (store, clock, mut visitor) = visitor(db, options).await;
    let value = visitor.value().to_owned();
    assert!(
        value.parse::<tower_sessions_core::session::Id>().is_err(),
        "{value}"
    );
    clock.advance(Duration::minutes(30));
    let response = visitor.get("/get/user").await;
    assert_eq!(response.body, "ann");
    assert!(response.set_cookie.unwrap().contains("Max-Age=3600"));
    assert_eq!(visitor.ok("/get/user").await, "ann");

    // The id without protection, and the cookie with its last character changed.
    let id = visitor.ok("/id").await;
    let mut last_changed = value;
    let last = last_changed.pop().unwrap();
    last_changed.push(if last == 'A' { 'B' } else { 'A' });
    for forged in [id, last_changed] {
        let mut forger = visitor.clone();
        forger.cookie = Some(format!("{COOKIE_NAME}={forged}"));
        assert_eq!(forger.ok("/get/user").await, "nothing");
    }
    assert_eq!(store.count().await.unwrap(), 1);
}

async fn a_signed_cookie_is_renewed_and_a_forged_one_is_ignored(db: DatabaseConnection) {
    check_protected_cookie(db, |layer| layer.with_signed(Key::generate())).await;
}

async fn a_private_cookie_is_renewed_and_a_forged_one_is_ignored(db: DatabaseConnection) {
    check_protected_cookie(db, |layer| layer.with_private(Key::generate())).await;
}

async fn the_layer_works_with_any_tower_service(db: DatabaseConnection) {
    let (store, _) = store::<express_session::Model>(db).await;
    let service =
        ServiceBuilder::new()
            .layer(layer(&store))
            .service_fn(async |request: Request<Body>| {
                let session = request.extensions().get::<Session>().unwrap();
                session.insert("n", 1).await.unwrap();
                Ok::<_, std::io::Error>(Response::new(Body::empty()))
            });
    let response = service.oneshot(Request::new(Body::empty())).await.unwrap();
    assert!(response.headers().contains_key(SET_COOKIE));
    assert_eq!(store.count().await.unwrap(), 1);
}
