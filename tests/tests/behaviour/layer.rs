//! The cookie that slides with the row, and the layer's options.

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use axum::http::header::SET_COOKIE;
use axum::http::{Request, Response};
use axum::routing::get;
use sea_orm::DatabaseConnection;
use session_store::{SessionLayer, express_session};
use tests::{Clock, Visitor, on_every_database, store};
use time::Duration;
use tower::{ServiceBuilder, ServiceExt};
use tower_sessions::Session;
use tower_sessions::cookie::{Key, SameSite};

on_every_database!(
    a_visitor_who_only_reads_for_three_lives_stays_signed_in,
    a_visitor_who_stays_away_for_a_life_is_out_in_the_browser_and_in_the_table,
    reading_writes_once_per_touch_after_and_never_the_data,
    without_a_life_the_cookie_is_not_renewed,
    a_session_that_is_ended_or_moved_is_not_renewed,
    a_renewed_cookie_has_the_options_of_the_first,
    a_signed_cookie_slides_and_a_forged_one_is_no_session,
    a_private_cookie_slides_and_a_forged_one_is_no_session,
    any_tower_service_takes_the_layer,
);

const LIFE: Duration = Duration::hours(1);

type Layer = SessionLayer<express_session::Model>;

fn routes() -> Router {
    Router::new()
        .route(
            "/login",
            get(async |session: Session| session.insert("user", "ann").await.unwrap()),
        )
        .route(
            "/user",
            get(async |session: Session| {
                let user: Option<String> = session.get("user").await.unwrap();
                user.unwrap_or_default()
            }),
        )
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
        .route("/static", get(async || "no session"))
}

/// A visitor who has logged in at a site whose sessions live an hour.
async fn visitor(
    db: DatabaseConnection,
    options: impl FnOnce(Layer) -> Layer,
) -> (session_store::DefaultStore, Clock, Visitor) {
    let (store, clock) = store::<express_session::Model>(db).await;
    let store = store
        .with_idle_timeout(LIFE)
        .with_touch_after(Duration::minutes(10));
    let mut visitor = Visitor::new(&routes().layer(options(store.layer())));
    visitor.ok("/login").await;
    (store, clock, visitor)
}

async fn a_visitor_who_only_reads_for_three_lives_stays_signed_in(db: DatabaseConnection) {
    let (_, clock, mut visitor) = visitor(db, |layer| layer).await;
    for _ in 0..12 {
        clock.advance(Duration::minutes(15));
        let answer = visitor.get("/user").await;
        assert_eq!(answer.body, "ann");
        let set = answer.set_cookie.unwrap();
        assert!(set.contains("Max-Age=3600"), "{set}");
    }
}

async fn a_visitor_who_stays_away_for_a_life_is_out_in_the_browser_and_in_the_table(
    db: DatabaseConnection,
) {
    let (store, clock, mut visitor) = visitor(db, |layer| layer).await;
    clock.advance(Duration::minutes(30));
    let renewed = visitor.get("/user").await.set_cookie.unwrap();
    // The browser drops the cookie after its Max-Age, which ends when the row does.
    assert!(renewed.contains("Max-Age=3600"), "{renewed}");
    let end = store.find(&visitor.id()).await.unwrap().unwrap().expire;
    assert_eq!(end, clock.now() + LIFE);
    clock.advance(LIFE);
    let answer = visitor.get("/user").await;
    assert_eq!(answer.body, "");
    assert!(answer.set_cookie.unwrap().contains("Max-Age=0"));
    assert_eq!(store.prune().await.unwrap(), 1);
}

async fn reading_writes_once_per_touch_after_and_never_the_data(db: DatabaseConnection) {
    let (store, clock, mut visitor) = visitor(db, |layer| layer).await;
    let before = store.find(&visitor.id()).await.unwrap().unwrap();
    let (mut ends, mut renewals) = (BTreeSet::new(), 0);
    for _ in 0..3 * 60 {
        clock.advance(Duration::MINUTE);
        renewals += u32::from(visitor.get("/user").await.set_cookie.is_some());
        visitor.ok("/static").await;
        let row = store.find(&visitor.id()).await.unwrap().unwrap();
        assert_eq!(row.sess, before.sess);
        ends.insert(row.expire);
    }
    // Three hours, ten minutes between two writes, and a cookie with each. The first comes after
    // eleven, because tower-sessions set the end by the wall's clock, which is a little ahead.
    assert_eq!(renewals, 17);
    ends.remove(&before.expire);
    assert_eq!(ends.len(), 17);
}

async fn without_a_life_the_cookie_is_not_renewed(db: DatabaseConnection) {
    let (store, clock, _) = visitor(db, |layer| layer).await;
    let store = store.with_idle_timeout(Duration::ZERO);
    let mut visitor = Visitor::new(&routes().layer(store.layer()));
    let set = visitor.get("/login").await.set_cookie.unwrap();
    assert!(!set.contains("Max-Age"), "{set}");
    clock.advance(Duration::days(1));
    let answer = visitor.get("/user").await;
    assert_eq!((answer.body.as_str(), answer.set_cookie), ("ann", None));
}

async fn a_session_that_is_ended_or_moved_is_not_renewed(db: DatabaseConnection) {
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

async fn a_renewed_cookie_has_the_options_of_the_first(db: DatabaseConnection) {
    let (_, clock, _) = visitor(db.clone(), |layer| layer).await;
    let (store, _) = store::<express_session::Model>(db).await;
    let store = store.with_idle_timeout(LIFE).with_clock(clock.reader());
    let layer = store
        .layer()
        .with_name("sid")
        .with_http_only(false)
        .with_same_site(SameSite::Lax)
        .with_secure(false)
        .with_path("/user")
        .with_domain("example.com");
    let app = routes().layer(layer);
    let mut visitor = Visitor::new(&app);
    let first = visitor.get("/login").await.set_cookie.unwrap();
    clock.advance(Duration::minutes(30));
    let renewed = visitor.get("/user").await.set_cookie.unwrap();
    assert_eq!(renewed, first);
    assert!(first.starts_with("sid="), "{first}");
    for option in [
        "SameSite=Lax",
        "Path=/user",
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

async fn sealed(db: DatabaseConnection, options: impl FnOnce(Layer) -> Layer) {
    let (store, clock, mut visitor) = visitor(db, options).await;
    let cookie = visitor.cookie.clone().unwrap();
    let value = cookie.strip_prefix("id=").unwrap();
    assert!(
        value.parse::<tower_sessions::session::Id>().is_err(),
        "{value}"
    );
    clock.advance(Duration::minutes(30));
    let answer = visitor.get("/user").await;
    assert_eq!(answer.body, "ann");
    assert!(answer.set_cookie.unwrap().contains("Max-Age=3600"));
    assert_eq!(visitor.ok("/user").await, "ann");

    // The right id without the seal, and the seal with another id.
    let id = visitor.ok("/id").await;
    let mut last_changed = value.to_owned();
    let last = last_changed.pop().unwrap();
    last_changed.push(if last == 'A' { 'B' } else { 'A' });
    for forged in [id, last_changed] {
        let mut forger = visitor.clone();
        forger.cookie = Some(format!("id={forged}"));
        assert_eq!(forger.ok("/user").await, "");
    }
    assert_eq!(store.count().await.unwrap(), 1);
}

async fn a_signed_cookie_slides_and_a_forged_one_is_no_session(db: DatabaseConnection) {
    sealed(db, |layer| layer.with_signed(Key::generate())).await;
}

async fn a_private_cookie_slides_and_a_forged_one_is_no_session(db: DatabaseConnection) {
    sealed(db, |layer| layer.with_private(Key::generate())).await;
}

async fn any_tower_service_takes_the_layer(db: DatabaseConnection) {
    let (store, _) = store::<express_session::Model>(db).await;
    let service =
        ServiceBuilder::new()
            .layer(store.layer())
            .service_fn(async |request: Request<Body>| {
                let session = request.extensions().get::<Session>().unwrap();
                session.insert("n", 1).await.unwrap();
                Ok::<_, std::io::Error>(Response::new(Body::empty()))
            });
    let response = service.oneshot(Request::new(Body::empty())).await.unwrap();
    assert!(response.headers().contains_key(SET_COOKIE));
    assert_eq!(store.count().await.unwrap(), 1);
}
