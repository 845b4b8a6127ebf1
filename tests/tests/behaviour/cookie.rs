//! The session cookie as browsers want it: its name, its attributes and its removal.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, VARY};
use axum::middleware::map_response;
use sea_orm::DatabaseConnection;
use session_store::Id;
use session_store::{DefaultStore, SessionLayer, express_session};
use tests::{
    COOKIE_NAME, Clock, Response, Visitor, layer, on_every_database, session_routes, store,
};
use time::Duration;
use tower::Layer as _;
use tower_sessions::Session;
use tower_sessions::cookie::{Key, SameSite};

on_every_database!(
    the_name_has_the_strictest_prefix_that_the_options_allow,
    the_removal_has_the_attributes_that_the_prefix_demands,
    a_malformed_cookie_is_removed_with_the_attributes_that_the_prefix_demands,
    a_response_that_sets_or_removes_the_cookie_is_marked_for_shared_caches,
    what_the_application_says_to_caches_is_kept,
    without_cache_headers_no_response_is_marked,
    a_signed_cookie_of_a_previous_key_is_read_and_set_again,
    a_private_cookie_of_a_previous_key_is_read_and_set_again,
    a_cookie_of_a_previous_key_is_set_again_by_a_save_and_removed_with_its_session,
    a_cookie_of_a_previous_key_stays_until_its_session_is_used,
    a_cookie_until_the_browser_closes_is_one_under_the_new_key_too,
);

type Layer = SessionLayer<express_session::Model, Session>;

/// Options of the layer, and the cookie's name and attributes, but for `Max-Age` and `Expires`.
type Configuration = (fn(Layer) -> Layer, &'static str, Vec<&'static str>);

fn configurations() -> Vec<Configuration> {
    let base = ["HttpOnly", "SameSite=Strict"];
    let with = |others: &[&'static str]| [&base, others].concat();
    vec![
        (|l| l, COOKIE_NAME, with(&["Secure", "Path=/"])),
        (
            |l| l.with_secure(false).with_domain("example.com"),
            "id",
            with(&["Path=/", "Domain=example.com"]),
        ),
        (
            |l| l.with_domain("example.com"),
            "__Secure-id",
            with(&["Secure", "Path=/", "Domain=example.com"]),
        ),
        (
            |l| l.with_path("/app"),
            "__Secure-id",
            with(&["Secure", "Path=/app"]),
        ),
        (
            |l| l.with_name("__Host-sid").with_same_site(SameSite::None),
            "__Host-sid",
            vec!["HttpOnly", "SameSite=None", "Secure", "Path=/"],
        ),
        (
            |l| l.with_partitioned(true),
            COOKIE_NAME,
            with(&["Secure", "Path=/", "Partitioned"]),
        ),
    ]
}

/// The name and the attributes, without those that say until when.
fn parts(set_cookie: &str) -> (&str, BTreeSet<&str>) {
    let mut parts = set_cookie.split("; ");
    let (name, _) = parts.next().unwrap().split_once('=').unwrap();
    let is_end = |part: &&str| part.starts_with("Max-Age=") || part.starts_with("Expires=");
    (name, parts.filter(|part| !is_end(part)).collect())
}

async fn the_name_has_the_strictest_prefix_that_the_options_allow(db: DatabaseConnection) {
    let (store, _) = store::<express_session::Model>(db).await;
    for (configure, name, attributes) in configurations() {
        let mut visitor = Visitor::new(&session_routes().layer(configure(layer(&store))));
        let set = visitor.get("/insert/user/ann").await.set_cookie.unwrap();
        assert_eq!(parts(&set), (name, attributes.into_iter().collect()));
        assert_eq!(visitor.ok("/get/user").await, "ann", "{set}");
    }
}

async fn the_removal_has_the_attributes_that_the_prefix_demands(db: DatabaseConnection) {
    let (store, _) = store::<express_session::Model>(db).await;
    for (configure, name, attributes) in configurations() {
        let mut visitor = Visitor::new(&session_routes().layer(configure(layer(&store))));
        visitor.ok("/insert/user/ann").await;
        let removal = visitor.get("/flush").await.set_cookie.unwrap();
        assert!(removal.contains("Max-Age=0"), "{removal}");
        assert_eq!(parts(&removal), (name, attributes.into_iter().collect()));
    }
}

async fn a_malformed_cookie_is_removed_with_the_attributes_that_the_prefix_demands(
    db: DatabaseConnection,
) {
    let (store, _) = store::<express_session::Model>(db).await;
    let mut visitor = Visitor::with_cookie(&session_routes().layer(layer(&store)), "x");
    let removal = visitor.get("/").await.set_cookie.unwrap();
    assert!(removal.contains("Max-Age=0"), "{removal}");
    let expected = ["HttpOnly", "SameSite=Strict", "Secure", "Path=/"];
    assert_eq!(parts(&removal), (COOKIE_NAME, BTreeSet::from(expected)));
}

/// Sends requests that set, renew or remove the cookie. Those with the session come every ten minutes.
async fn changes(app: &Router, clock: &Clock) -> Vec<Response> {
    let unknown = Visitor::with_cookie(app, &Id::default().to_string());
    let malformed = Visitor::with_cookie(app, "x");
    let mut responses = Vec::new();
    for (mut visitor, path) in [(unknown, "/get/user"), (malformed, "/")] {
        responses.push(visitor.get(path).await);
    }
    let mut visitor = Visitor::new(app);
    for path in ["/insert/user/ann", "/get/user", "/cycle", "/flush"] {
        clock.advance(Duration::minutes(10));
        responses.push(visitor.get(path).await);
    }
    responses
}

/// Returns `Cache-Control` and `Vary`, with their lines joined.
fn cache_headers(response: &Response) -> [String; 2] {
    [CACHE_CONTROL, VARY].map(|name| {
        let lines = response.headers.get_all(name).iter();
        let lines: Vec<_> = lines.map(|line| line.to_str().unwrap()).collect();
        lines.join(", ")
    })
}

async fn sliding_store(db: DatabaseConnection) -> (DefaultStore, Clock) {
    let (store, clock) = store::<express_session::Model>(db).await;
    (store.with_idle_timeout(Duration::HOUR), clock)
}

async fn a_response_that_sets_or_removes_the_cookie_is_marked_for_shared_caches(
    db: DatabaseConnection,
) {
    let (store, clock) = sliding_store(db).await;
    let app = session_routes().layer(layer(&store));
    for response in changes(&app, &clock).await {
        assert!(response.set_cookie.is_some());
        let marked = ["no-cache=\"Set-Cookie\"", "Cookie"];
        assert_eq!(cache_headers(&response), marked);
    }
    // A response without the cookie is not marked, whether it reads the session or not.
    let mut visitor = Visitor::new(&app);
    visitor.ok("/insert/user/ann").await;
    for path in ["/", "/get/user"] {
        let response = visitor.get(path).await;
        assert_eq!(
            (&response.set_cookie, cache_headers(&response)),
            (&None, [const { String::new() }; 2])
        );
    }
}

async fn what_the_application_says_to_caches_is_kept(db: DatabaseConnection) {
    let (store, clock) = sliding_store(db).await;
    for (said, expected) in [
        ("no-store", "no-store"),
        ("private", "private"),
        (
            "public, max-age=60",
            "public, max-age=60, no-cache=\"Set-Cookie\"",
        ),
    ] {
        let say = move |mut response: axum::response::Response| async move {
            let headers = response.headers_mut();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(said));
            headers.insert(VARY, HeaderValue::from_static("Accept, cookie"));
            response
        };
        let app = session_routes().layer(map_response(say));
        for response in changes(&app.layer(layer(&store)), &clock).await {
            assert_eq!(cache_headers(&response), [expected, "Accept, cookie"]);
        }
    }
}

async fn without_cache_headers_no_response_is_marked(db: DatabaseConnection) {
    let (store, clock) = sliding_store(db).await;
    let app = session_routes().layer(layer(&store).with_cache_headers(false));
    for response in changes(&app, &clock).await {
        assert!(response.set_cookie.is_some());
        assert_eq!(cache_headers(&response), ["", ""]);
    }
}

/// Signs a visitor in under a key, and returns the visitor of the same site under a new key.
async fn rotate(store: &DefaultStore, protect: fn(Layer, Key) -> Layer) -> (Visitor, Key) {
    let (old, new) = (Key::generate(), Key::generate());
    let app = session_routes().layer(protect(layer(store), old.clone()));
    let mut before = Visitor::new(&app);
    before.ok("/insert/user/ann").await;
    let layer = protect(layer(store), new.clone());
    let layer = layer.with_previous_keys([Key::generate(), old]);
    let mut after = Visitor::new(&session_routes().layer(layer));
    after.cookie = before.cookie;
    (after, new)
}

async fn check_rotation(db: DatabaseConnection, protect: fn(Layer, Key) -> Layer) {
    let (store, clock) = sliding_store(db).await;
    let (mut visitor, new) = rotate(&store, protect).await;
    let app = session_routes().layer(protect(layer(&store), new));
    let mut without_previous = Visitor::new(&app);
    without_previous.cookie = visitor.cookie.clone();
    assert_eq!(without_previous.ok("/get/user").await, "nothing");

    // Too early for the session to slide: the cookie lasts as long as the row.
    clock.advance(Duration::minutes(5));
    let response = visitor.get("/get/user").await;
    assert_eq!(response.body, "ann");
    let set = response.set_cookie.unwrap();
    assert!(set.contains("Max-Age=3300"), "{set}");
    without_previous.cookie = visitor.cookie.clone();
    assert_eq!(without_previous.ok("/get/user").await, "ann");
    let again = visitor.get("/get/user").await;
    assert_eq!((again.body.as_str(), again.set_cookie), ("ann", None));

    // Nobody's key.
    let forger = protect(layer(&store), Key::generate());
    let mut forger = Visitor::new(&session_routes().layer(forger));
    forger.ok("/insert/user/eve").await;
    visitor.cookie = forger.cookie;
    assert_eq!(visitor.ok("/get/user").await, "nothing");
}

async fn a_signed_cookie_of_a_previous_key_is_read_and_set_again(db: DatabaseConnection) {
    check_rotation(db, Layer::with_signed).await;
}

async fn a_private_cookie_of_a_previous_key_is_read_and_set_again(db: DatabaseConnection) {
    check_rotation(db, Layer::with_private).await;
}

async fn a_cookie_of_a_previous_key_is_set_again_by_a_save_and_removed_with_its_session(
    db: DatabaseConnection,
) {
    let (store, _) = sliding_store(db).await;
    for (path, max_age) in [
        ("/insert/n/1", "Max-Age=3600"),
        ("/clear-then-insert", "Max-Age=3600"),
        ("/cycle", "Max-Age=3600"),
        ("/flush", "Max-Age=0"),
    ] {
        let (mut visitor, _) = rotate(&store, Layer::with_signed).await;
        let set = visitor.get(path).await.set_cookie.unwrap();
        assert!(set.contains(max_age), "{path}: {set}");
    }
}

async fn a_cookie_of_a_previous_key_stays_until_its_session_is_used(db: DatabaseConnection) {
    let (store, _) = sliding_store(db).await;
    let (mut visitor, _) = rotate(&store, Layer::with_signed).await;
    assert_eq!(visitor.get("/").await.set_cookie, None);
    assert!(visitor.get("/get/user").await.set_cookie.is_some());
}

async fn a_cookie_until_the_browser_closes_is_one_under_the_new_key_too(db: DatabaseConnection) {
    let (store, _) = store::<express_session::Model>(db).await;
    let (mut visitor, _) = rotate(&store, Layer::with_signed).await;
    let set = visitor.get("/get/user").await.set_cookie.unwrap();
    assert!(!set.contains("Max-Age"), "{set}");
}

#[test]
fn debug_output_has_no_key() {
    let store = DefaultStore::new(DatabaseConnection::default());
    let with_keys = |key: Key| {
        let layer = layer(&store).with_private(key.clone());
        let layer = layer.with_previous_keys([key]);
        format!("{layer:?} {:?}", layer.layer(()))
    };
    let outputs = [1, 2].map(|byte| with_keys(Key::from(&[byte; 64])));
    assert_eq!(outputs[0], outputs[1]);
}

/// Returns with what message the layer is refused when it is put around an application.
fn refusal(layer: Layer) -> Option<String> {
    let router = catch_unwind(AssertUnwindSafe(|| Router::<()>::new().layer(layer)));
    router.err().map(|payload| *payload.downcast().unwrap())
}

#[test]
fn options_that_contradict_each_other_are_refused_in_any_order() {
    let store = DefaultStore::new(DatabaseConnection::default());
    let layer = || layer(&store);
    for (refused, expected) in [
        (layer().with_name("__Host-a").with_path("/a"), "__Host-a"),
        (layer().with_path("/a").with_name("__Host-a"), "__Host-a"),
        (layer().with_name("__host-a").with_domain("a"), "__host-a"),
        (layer().with_name("__Secure-a").with_secure(false), "__Sec"),
        (layer().with_secure(false).with_name("__Secure-a"), "__Sec"),
        (
            layer().with_name("__Http-a").with_http_only(false),
            "__Http",
        ),
        (layer().with_partitioned(true).with_secure(false), "partit"),
        (
            layer().with_previous_keys([Key::generate()]),
            "expected `with_signed`",
        ),
    ] {
        let message = refusal(refused).unwrap();
        assert!(message.contains(expected), "{message}");
    }
    // What contradicted the name was set back.
    let layer = layer().with_name("__Host-a").with_path("/a").with_path("/");
    assert_eq!(refusal(layer), None);
}

#[test]
fn the_refusal_says_where_the_layer_was_created() {
    let store = DefaultStore::new(DatabaseConnection::default());
    let (line, layer) = (line!(), layer(&store));
    let message = refusal(layer.with_name("__Host-a").with_path("/a")).unwrap();
    assert!(
        message.contains(&format!("{}:{line}:", file!())),
        "{message}"
    );
}
