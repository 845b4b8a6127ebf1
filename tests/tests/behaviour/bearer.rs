//! Clients without cookies: the session id is a token, in `Authorization: Bearer` and in a response header.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, SET_COOKIE, VARY};
use axum::http::{HeaderName, HeaderValue, Request, StatusCode};
use axum::routing::get;
use sea_orm::DatabaseConnection;
use session_store::{DefaultStore, Id, SessionLayer, express_session};
use tests::{
    COOKIE_NAME, Clock, Visitor, entity, layer, on_every_database, row_count, session_routes, store,
};
use time::Duration;
use tower::ServiceExt;
use tower_sessions::Session;
use tower_sessions::cookie::Key;

on_every_database!(
    a_new_session_is_answered_with_a_token_and_no_cookie,
    a_token_is_answered_again_only_when_it_changes,
    a_session_slides_while_its_token_is_used,
    a_renewal_is_answered_with_the_new_token_and_the_old_one_is_refused,
    a_session_that_has_ended_is_answered_with_an_empty_token,
    a_token_that_is_not_an_id_is_answered_with_an_empty_one,
    a_save_of_a_revoked_session_is_refused_and_answered_with_an_empty_token,
    two_requests_with_one_token_keep_the_keys_of_both,
    without_cookies_a_cookie_is_neither_read_nor_set,
    the_token_counts_and_the_cookie_is_not_looked_at,
    a_request_without_a_token_is_answered_with_the_cookie_alone,
    an_empty_token_asks_for_one,
    the_scheme_is_read_in_any_case_and_others_are_ignored,
    a_signed_token_is_read_only_under_its_key,
    a_private_token_is_read_only_under_its_key,
    a_response_with_a_token_is_marked_for_shared_caches,
);

type Layer = SessionLayer<express_session::Model, Session>;

const TOKEN: HeaderName = HeaderName::from_static("session-token");
const IDLE_TIMEOUT: Duration = Duration::hours(1);

entity!(versioned {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(version)]
    pub version: i64,
});

#[derive(Clone)]
struct Client {
    app: Router,
    token: Option<String>,
    cookie: Option<String>,
}

struct Answer {
    status: StatusCode,
    body: String,
    /// The value of the response header, which is empty when the session has ended.
    token: Option<String>,
    response: axum::http::response::Parts,
}

impl Client {
    fn new(app: &Router) -> Self {
        Self {
            app: app.clone(),
            token: None,
            cookie: None,
        }
    }

    fn with_token(app: &Router, token: impl ToString) -> Self {
        Self {
            token: Some(token.to_string()),
            ..Self::new(app)
        }
    }

    /// Sends a request, and keeps the token of the response.
    async fn get(&mut self, path: &str) -> Answer {
        let authorization = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let answer = self.get_as(path, authorization.as_deref()).await;
        if let Some(token) = &answer.token {
            self.token = (!token.is_empty()).then(|| token.clone());
        }
        answer
    }

    async fn get_as(&self, path: &str, authorization: Option<&str>) -> Answer {
        let mut request = Request::get(path);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, format!("{COOKIE_NAME}={cookie}"));
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (response, body) = response.into_parts();
        let token = response.headers.get(TOKEN);
        if let Some(token) = token {
            assert!(token.is_sensitive(), "logs would show the token");
        }
        let token = token.map(|token| token.to_str().unwrap().to_owned());
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: response.status,
            body: String::from_utf8(body.to_vec()).unwrap(),
            token,
            response,
        }
    }

    /// Signs in and returns the token.
    async fn sign_in(&mut self) -> String {
        self.get("/insert/user/ann").await.token.unwrap()
    }

    async fn user(&mut self) -> String {
        self.get("/get/user").await.body
    }
}

impl Answer {
    fn header(&self, name: HeaderName) -> Option<&str> {
        let value: Option<&HeaderValue> = self.response.headers.get(name);
        value.map(|value| value.to_str().unwrap())
    }
}

async fn a_store(db: DatabaseConnection) -> (DefaultStore, Clock) {
    let (store, clock) = store::<express_session::Model>(db).await;
    (store.with_idle_timeout(IDLE_TIMEOUT), clock)
}

fn app(store: &DefaultStore) -> Router {
    session_routes().layer(layer(store).with_bearer(TOKEN))
}

fn app_for_both(store: &DefaultStore) -> Router {
    session_routes().layer(layer(store).with_bearer_or_cookie(TOKEN))
}

async fn a_new_session_is_answered_with_a_token_and_no_cookie(db: DatabaseConnection) {
    let (store, _) = a_store(db).await;
    let mut client = Client::new(&app(&store));
    assert_eq!(client.get("/get/user").await.token, None);
    let answer = client.get("/insert/user/ann").await;
    assert_eq!(answer.header(SET_COOKIE), None);
    let id: Id = answer.token.unwrap().parse().unwrap();
    assert!(store.find(&id).await.unwrap().is_some());
    assert_eq!(client.user().await, "ann");
}

async fn a_token_is_answered_again_only_when_it_changes(db: DatabaseConnection) {
    let (store, clock) = a_store(db).await;
    let mut client = Client::new(&app(&store));
    client.sign_in().await;
    clock.advance(Duration::minutes(30));
    for path in ["/", "/get/user", "/insert/more/1", "/insert/more/2"] {
        let answer = client.get(path).await;
        assert_eq!((path, &answer.token), (path, &None));
        assert_eq!((path, answer.header(SET_COOKIE)), (path, None));
    }
}

async fn a_session_slides_while_its_token_is_used(db: DatabaseConnection) {
    let (store, clock) = a_store(db).await;
    let mut client = Client::new(&app(&store));
    client.sign_in().await;
    for _ in 0..4 {
        clock.advance(Duration::minutes(40));
        assert_eq!(client.user().await, "ann");
    }
    clock.advance(Duration::minutes(61));
    let answer = client.get("/get/user").await;
    assert_eq!(
        (answer.body.as_str(), answer.token.as_deref()),
        ("nothing", Some(""))
    );
}

async fn a_renewal_is_answered_with_the_new_token_and_the_old_one_is_refused(
    db: DatabaseConnection,
) {
    let (store, _) = a_store(db).await;
    let mut client = Client::new(&app(&store));
    let old = client.sign_in().await;
    let new = client.get("/cycle").await.token.unwrap();
    assert_ne!(new, old);
    assert_eq!(client.user().await, "ann");
    let mut thief = Client::with_token(&app(&store), old);
    assert_eq!(thief.user().await, "nothing");
    assert_eq!(row_count(&store).await, 1);
}

async fn a_session_that_has_ended_is_answered_with_an_empty_token(db: DatabaseConnection) {
    let (store, _) = a_store(db).await;
    let mut client = Client::new(&app(&store));
    client.sign_in().await;
    assert_eq!(client.get("/flush").await.token.as_deref(), Some(""));
    assert_eq!(row_count(&store).await, 0);

    client.sign_in().await;
    store.revoke(sea_orm::Condition::all()).await.unwrap();
    let answer = client.get("/get/user").await;
    assert_eq!(
        (answer.body.as_str(), answer.token.as_deref()),
        ("nothing", Some(""))
    );
}

async fn a_token_that_is_not_an_id_is_answered_with_an_empty_one(db: DatabaseConnection) {
    let (store, _) = a_store(db).await;
    for token in ["x", "a b", "AAAAAAAAAAAAAAAAAAAAAA AAAA", "\"; DROP", "é"] {
        let mut client = Client::with_token(&app(&store), token);
        let answer = client.get("/get/user").await;
        assert_eq!((token, answer.body.as_str()), (token, "nothing"));
        // Bytes beyond ASCII are no credentials at all.
        let expected = token.is_ascii().then_some("");
        assert_eq!((token, answer.token.as_deref()), (token, expected));
        let mut client = Client::with_token(&app(&store), token);
        client.sign_in().await.parse::<Id>().unwrap();
    }
}

async fn a_save_of_a_revoked_session_is_refused_and_answered_with_an_empty_token(
    db: DatabaseConnection,
) {
    let (store, _) = a_store(db).await;
    let revoking = store.clone();
    let revoke = async move |session: Session| {
        session.insert("n", 1).await.unwrap();
        session.get_value("user").await.unwrap();
        revoking.revoke(sea_orm::Condition::all()).await.unwrap();
    };
    let routes = session_routes().route("/revoke", get(revoke));
    let mut client = Client::new(&routes.layer(layer(&store).with_bearer(TOKEN)));
    client.sign_in().await;
    let answer = client.get("/revoke").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.token.as_deref(), Some(""));
}

async fn two_requests_with_one_token_keep_the_keys_of_both(db: DatabaseConnection) {
    let (store, _) = store::<versioned::Model>(db).await;
    let app = session_routes().layer(layer(&store).with_bearer(TOKEN));
    let mut client = Client::new(&app);
    client.sign_in().await;
    let requests = (0..8).map(|n| {
        let mut client = client.clone();
        tokio::spawn(async move { client.get(&format!("/insert/key{n}/{n}")).await.status })
    });
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await.unwrap(), StatusCode::OK);
    }
    for n in 0..8 {
        let answer = client.get(&format!("/get/key{n}")).await;
        assert_eq!(answer.body, n.to_string());
    }
}

async fn without_cookies_a_cookie_is_neither_read_nor_set(db: DatabaseConnection) {
    let (store, _) = a_store(db).await;
    let mut browser = Visitor::new(&session_routes().layer(layer(&store)));
    browser.ok("/insert/user/ann").await;
    let mut client = Client::new(&app(&store));
    client.cookie = Some(browser.value().to_owned());
    assert_eq!(client.user().await, "nothing");
    let answer = client.get("/insert/user/bob").await;
    assert_eq!(answer.header(SET_COOKIE), None);
    assert_ne!(answer.token.as_deref(), Some(browser.value()));
    assert_eq!(browser.ok("/get/user").await, "ann");
}

async fn the_token_counts_and_the_cookie_is_not_looked_at(db: DatabaseConnection) {
    let (store, _) = a_store(db).await;
    let app = app_for_both(&store);
    let mut browser = Visitor::new(&app);
    browser.ok("/insert/user/ann").await;
    let cookie = Some(browser.value().to_owned());

    let mut client = Client::with_token(&app, "");
    client.get("/insert/user/bob").await;
    client.cookie.clone_from(&cookie);
    assert_eq!(client.user().await, "bob");
    let answer = client.get("/flush").await;
    assert_eq!(answer.header(SET_COOKIE), None);
    assert_eq!(browser.ok("/get/user").await, "ann");

    // Not even with a token that leads nowhere.
    for token in ["", "x", &Id::default().to_string()] {
        let mut client = Client::with_token(&app, token);
        client.cookie.clone_from(&cookie);
        for path in ["/get/user", "/insert/n/1", "/cycle", "/flush"] {
            let answer = client.get(path).await;
            assert_eq!((path, answer.header(SET_COOKIE)), (path, None));
            assert_ne!(answer.body, "ann");
            assert_ne!(answer.token, cookie);
            client.token.get_or_insert_default();
        }
    }
    assert_eq!(browser.ok("/get/user").await, "ann");
}

async fn a_request_without_a_token_is_answered_with_the_cookie_alone(db: DatabaseConnection) {
    let (store, clock) = a_store(db).await;
    let mut browser = Visitor::new(&app_for_both(&store));
    for path in ["/insert/user/ann", "/get/user", "/cycle", "/flush"] {
        clock.advance(Duration::minutes(40));
        let response = browser.get(path).await;
        assert_eq!((path, response.headers.get(TOKEN)), (path, None));
        assert!(response.set_cookie.is_some(), "{path}");
    }
}

async fn an_empty_token_asks_for_one(db: DatabaseConnection) {
    let (store, _) = a_store(db).await;
    for authorization in ["Bearer", "Bearer ", "bearer   "] {
        let client = Client::new(&app_for_both(&store));
        let answer = client.get_as("/insert/user/ann", Some(authorization)).await;
        assert!(answer.token.unwrap().parse::<Id>().is_ok());
        assert!(answer.response.headers.get(SET_COOKIE).is_none());
        let answer = client.get_as("/get/user", Some(authorization)).await;
        assert_eq!((answer.body.as_str(), answer.token), ("nothing", None));
    }
}

async fn the_scheme_is_read_in_any_case_and_others_are_ignored(db: DatabaseConnection) {
    let (store, _) = a_store(db).await;
    for app in [app(&store), app_for_both(&store)] {
        let mut client = Client::with_token(&app, "");
        let token = client.sign_in().await;
        for scheme in ["bearer", "BEARER", "Bearer  "] {
            let authorization = format!("{scheme} {token}");
            let answer = client.get_as("/get/user", Some(&authorization)).await;
            assert_eq!(answer.body, "ann", "{scheme}");
        }
        for scheme in ["Basic", "Bearers", "Token", "Digest Bearer"] {
            let authorization = format!("{scheme} {token}");
            let answer = client.get_as("/get/user", Some(&authorization)).await;
            assert_eq!((scheme, answer.body.as_str()), (scheme, "nothing"));
            assert_eq!(answer.token, None);
        }
    }
}

async fn check_protection(db: DatabaseConnection, protect: fn(Layer, Key) -> Layer) {
    let (store, _) = a_store(db).await;
    let (old, new) = (Key::generate(), Key::generate());
    let app = |layer: Layer| session_routes().layer(layer.with_bearer(TOKEN));
    let mut client = Client::new(&app(protect(layer(&store), old.clone())));
    let token = client.sign_in().await;
    assert!(token.parse::<Id>().is_err(), "the token is the id itself");
    assert_eq!(client.user().await, "ann");
    assert_eq!(client.get("/insert/n/1").await.token, None);

    client.app = app(protect(layer(&store), new.clone()));
    assert_eq!(client.clone().user().await, "nothing");
    client.app = app(protect(layer(&store), new).with_previous_keys([old]));
    let answer = client.get("/get/user").await;
    assert_eq!(answer.body, "ann");
    assert_ne!(answer.token.unwrap(), token);
    let answer = client.get("/get/user").await;
    assert_eq!((answer.body.as_str(), answer.token), ("ann", None));
}

async fn a_signed_token_is_read_only_under_its_key(db: DatabaseConnection) {
    check_protection(db, Layer::with_signed).await;
}

async fn a_private_token_is_read_only_under_its_key(db: DatabaseConnection) {
    check_protection(db, Layer::with_private).await;
}

async fn a_response_with_a_token_is_marked_for_shared_caches(db: DatabaseConnection) {
    let (store, _) = a_store(db).await;
    for app in [app(&store), app_for_both(&store)] {
        let mut client = Client::with_token(&app, "");
        for path in ["/insert/user/ann", "/cycle", "/flush"] {
            let answer = client.get(path).await;
            assert_eq!(
                answer.header(CACHE_CONTROL),
                Some("no-cache=\"session-token\"")
            );
            assert_eq!(answer.header(VARY), Some("Authorization"));
        }
        let mut client = Client::with_token(&app, "");
        client.sign_in().await;
        assert_eq!(client.get("/get/user").await.header(VARY), None);
    }
    let layer = layer(&store).with_bearer(TOKEN).with_cache_headers(false);
    let mut client = Client::new(&session_routes().layer(layer));
    assert_eq!(client.get("/insert/user/ann").await.header(VARY), None);
}
