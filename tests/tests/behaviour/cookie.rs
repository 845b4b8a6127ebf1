//! The session cookie as browsers want it: its name, its attributes and its removal.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::Router;
use sea_orm::DatabaseConnection;
use session_store::{DefaultStore, SessionLayer, express_session};
use tests::{COOKIE_NAME, Visitor, on_every_database, session_routes, store};
use tower_sessions::cookie::SameSite;

on_every_database!(
    the_name_has_the_strictest_prefix_that_the_options_allow,
    the_removal_has_the_attributes_that_the_prefix_demands,
    a_malformed_cookie_is_removed_with_the_attributes_that_the_prefix_demands,
);

type Layer = SessionLayer<express_session::Model>;

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
        let mut visitor = Visitor::new(&session_routes().layer(configure(store.layer())));
        let set = visitor.get("/insert/user/ann").await.set_cookie.unwrap();
        assert_eq!(parts(&set), (name, attributes.into_iter().collect()));
        assert_eq!(visitor.ok("/get/user").await, "ann", "{set}");
    }
}

async fn the_removal_has_the_attributes_that_the_prefix_demands(db: DatabaseConnection) {
    let (store, _) = store::<express_session::Model>(db).await;
    for (configure, name, attributes) in configurations() {
        let mut visitor = Visitor::new(&session_routes().layer(configure(store.layer())));
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
    let mut visitor = Visitor::with_cookie(&session_routes().layer(store.layer()), "x");
    let removal = visitor.get("/").await.set_cookie.unwrap();
    assert!(removal.contains("Max-Age=0"), "{removal}");
    let expected = ["HttpOnly", "SameSite=Strict", "Secure", "Path=/"];
    assert_eq!(parts(&removal), (COOKIE_NAME, BTreeSet::from(expected)));
}

/// Returns with what message the layer is refused when it is put around an application.
fn refusal(layer: Layer) -> Option<String> {
    let router = catch_unwind(AssertUnwindSafe(|| Router::<()>::new().layer(layer)));
    router.err().map(|payload| *payload.downcast().unwrap())
}

#[test]
fn a_name_that_the_other_options_contradict_is_refused_in_any_order() {
    let store = DefaultStore::new(DatabaseConnection::default());
    let layer = || store.layer();
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
    let (line, layer) = (line!(), store.layer());
    let message = refusal(layer.with_name("__Host-a").with_path("/a")).unwrap();
    assert!(
        message.contains(&format!("{}:{line}:", file!())),
        "{message}"
    );
}
