//! Columns that are filled from the request.

use axum::Router;
use axum::body::Body;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{DatabaseConnection, EntityTrait};
use serde_json::json;
use session_store::{Error, Id, SessionInfo};
use tests::{
    COOKIE_NAME, Clock, entity, layer, new_session, on_every_database, session_routes, store,
};
use time::Duration;
use tower::ServiceExt;
use tower_sessions::{Expiry, Session, SessionManagerLayer};
use tower_sessions_core::SessionStore;

on_every_database!(
    a_new_session_has_the_columns_of_its_request,
    each_save_takes_them_from_its_own_request,
    a_renewal_takes_them_from_its_own_request,
    a_load_that_touches_the_session_takes_them_from_its_own_request,
    a_touch_without_an_expiry_to_move_takes_them_too,
    a_load_that_writes_nothing_leaves_them,
    a_header_that_is_missing_is_null,
    a_header_is_cut_after_the_characters_that_its_column_holds,
    a_header_keeps_what_clients_send,
    of_several_lines_of_a_header_the_first_counts,
    a_bare_layer_leaves_them_alone,
    the_store_itself_leaves_them_alone,
    a_value_that_the_column_cannot_hold_refuses_the_save,
    a_value_that_the_column_cannot_hold_does_not_keep_a_session_from_sliding,
    an_extras_closure_that_fails_does_not_keep_a_session_from_sliding,
    the_extras_closure_sees_them_and_has_the_last_word,
    of_two_requests_that_save_at_the_same_time_the_later_one_counts,
);

const IDLE_TIMEOUT: Duration = Duration::hours(1);
const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0)";

fn path_length(request: &Parts) -> i32 {
    i32::try_from(request.uri.path().len()).unwrap()
}

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(header = "user-agent", index)]
    pub user_agent: Option<String>,
    #[sea_orm(column_type = "String(StringLen::N(8))", nullable)]
    #[session(header = "accept-language")]
    pub language: Option<String>,
    #[sea_orm(default_value = -1)]
    #[session(request = path_length)]
    pub path_length: i32,
    #[session(last_seen)]
    pub last_seen: Option<TimeDateTimeWithTimeZone>,
    #[session(version)]
    pub version: i64,
});

/// The path, for a column that only a short one fits into.
fn short_path(request: &Parts) -> Option<String> {
    Some(request.uri.path().to_owned())
}

fn ratio(request: &Parts) -> Option<f64> {
    request.uri.path().contains("nan").then_some(f64::NAN)
}

entity!(refusing {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[sea_orm(column_type = "String(StringLen::N(16))", nullable)]
    #[session(request = short_path)]
    pub path: Option<String>,
    #[session(request = ratio)]
    pub ratio: Option<f64>,
});

/// A client that keeps its cookie, and sends these headers.
struct Client {
    app: Router,
    id: Option<Id>,
}

impl Client {
    async fn get(&mut self, path: &str, headers: &[(&str, &[u8])]) -> StatusCode {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(id) = self.id {
            request = request.header(COOKIE, format!("{COOKIE_NAME}={id}"));
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        if let Some(set) = response.headers().get(SET_COOKIE) {
            let set = set.to_str().unwrap();
            let value = set.split(['=', ';']).nth(1).unwrap();
            self.id = value.parse().ok();
        }
        response.status()
    }

    async fn ok(&mut self, path: &str, headers: &[(&str, &[u8])]) {
        assert_eq!(self.get(path, headers).await, StatusCode::OK, "{path}");
    }

    async fn ok_as(&mut self, path: &str, agent: &str) {
        self.ok(path, &[("user-agent", agent.as_bytes())]).await;
    }
}

async fn site(db: DatabaseConnection) -> (session::Store, Clock, Client) {
    let (store, clock) = store::<session::Model>(db).await;
    let store = store.with_idle_timeout(IDLE_TIMEOUT);
    let app = session_routes().layer(layer(&store));
    (store, clock, Client { app, id: None })
}

/// Returns the columns of the only row.
async fn row(store: &session::Store) -> (Option<String>, Option<String>, i32) {
    let row = session::Entity::find().one(store.db()).await.unwrap();
    let row = row.expect("there is one session");
    (row.user_agent, row.language, row.path_length)
}

async fn agent(store: &session::Store) -> Option<String> {
    row(store).await.0
}

async fn a_new_session_has_the_columns_of_its_request(db: DatabaseConnection) {
    let (store, _, mut client) = site(db).await;
    let headers: [(&str, &[u8]); 2] =
        [("User-Agent", AGENT.as_bytes()), ("accept-language", b"de")];
    client.ok("/insert/user/ann", &headers).await;
    let expected = (Some(AGENT.to_owned()), Some("de".to_owned()), 16);
    assert_eq!(row(&store).await, expected);
}

async fn each_save_takes_them_from_its_own_request(db: DatabaseConnection) {
    let (store, _, mut client) = site(db).await;
    client.ok_as("/insert/user/ann", "one").await;
    client.ok_as("/insert/user/bob", "two").await;
    assert_eq!(row(&store).await, (Some("two".to_owned()), None, 16));
    client.ok("/remove/user", &[]).await;
    assert_eq!(row(&store).await, (None, None, 12));
}

async fn a_renewal_takes_them_from_its_own_request(db: DatabaseConnection) {
    let (store, _, mut client) = site(db).await;
    client.ok_as("/insert/user/ann", "one").await;
    client.ok_as("/cycle", "two").await;
    assert_eq!(row(&store).await, (Some("two".to_owned()), None, 6));
}

async fn a_load_that_touches_the_session_takes_them_from_its_own_request(db: DatabaseConnection) {
    let (store, clock, mut client) = site(db).await;
    client.ok_as("/insert/user/ann", "one").await;
    clock.advance(Duration::minutes(30));
    client.ok_as("/get/user", "two").await;
    assert_eq!(row(&store).await, (Some("two".to_owned()), None, 9));
    let found = store.find(&client.id.unwrap()).await.unwrap().unwrap();
    assert_eq!(found.last_seen, Some(clock.now()));
    assert_eq!(found.expire, clock.now() + IDLE_TIMEOUT);
}

async fn a_touch_without_an_expiry_to_move_takes_them_too(db: DatabaseConnection) {
    let (store, clock) = store::<session::Model>(db).await;
    let store = store.with_idle_timeout(IDLE_TIMEOUT);
    let end = clock.now() + Duration::hours(20);
    let keep = async move |session: Session| {
        session.set_expiry(Some(Expiry::AtDateTime(end)));
        session.insert("user", "ann").await.unwrap();
    };
    let app = session_routes()
        .route("/keep", get(keep))
        .layer(layer(&store));
    let mut client = Client { app, id: None };
    client.ok_as("/keep", "one").await;
    clock.advance(Duration::minutes(30));
    client.ok_as("/get/user", "two").await;
    assert_eq!(agent(&store).await.as_deref(), Some("two"));
    let found = store.find(&client.id.unwrap()).await.unwrap().unwrap();
    assert_eq!((found.expire, found.last_seen), (end, Some(clock.now())));
}

async fn a_load_that_writes_nothing_leaves_them(db: DatabaseConnection) {
    let (store, clock, mut client) = site(db).await;
    client.ok_as("/insert/user/ann", "one").await;
    clock.advance(Duration::SECOND);
    client.ok_as("/get/user", "two").await;
    client.ok_as("/", "three").await;
    assert_eq!(row(&store).await, (Some("one".to_owned()), None, 16));
}

async fn a_header_that_is_missing_is_null(db: DatabaseConnection) {
    let (store, _, mut client) = site(db).await;
    client.ok("/insert/user/ann", &[]).await;
    assert_eq!(agent(&store).await, None);
    // An empty one is not missing.
    client.ok_as("/insert/user/bob", "").await;
    assert_eq!(agent(&store).await.as_deref(), Some(""));
}

async fn a_header_is_cut_after_the_characters_that_its_column_holds(db: DatabaseConnection) {
    let (store, _, mut client) = site(db).await;
    let long = "é".repeat(4000);
    let headers = [
        ("user-agent", long.as_bytes()),
        ("accept-language", long.as_bytes()),
    ];
    client.ok("/insert/user/ann", &headers).await;
    let (agent, language, _) = row(&store).await;
    assert_eq!(agent.unwrap(), "é".repeat(255));
    assert_eq!(language.unwrap(), "é".repeat(8));
}

async fn a_header_keeps_what_clients_send(db: DatabaseConnection) {
    let (store, _, mut client) = site(db).await;
    for sent in [
        "'; DROP TABLE session; --",
        "\"\\ % _ {} \t $1 ? ?1",
        "🦀 日本語",
        "<script>alert(1)</script>",
    ] {
        client.ok_as("/insert/user/ann", sent).await;
        client.ok_as("/insert/user/bob", sent).await;
        assert_eq!(agent(&store).await.as_deref(), Some(sent));
    }
    client
        .ok("/insert/user/ann", &[("user-agent", b"a\xffb\xe9")])
        .await;
    assert_eq!(agent(&store).await.as_deref(), Some("a\u{fffd}b\u{fffd}"));
}

async fn of_several_lines_of_a_header_the_first_counts(db: DatabaseConnection) {
    let (store, _, mut client) = site(db).await;
    let headers: [(&str, &[u8]); 2] = [("user-agent", b"one"), ("user-agent", b"two")];
    client.ok("/insert/user/ann", &headers).await;
    assert_eq!(agent(&store).await.as_deref(), Some("one"));
}

async fn a_bare_layer_leaves_them_alone(db: DatabaseConnection) {
    let (store, clock, mut client) = site(db).await;
    let bare = SessionManagerLayer::new(store.clone())
        .with_name(COOKIE_NAME)
        .with_expiry(Expiry::OnInactivity(IDLE_TIMEOUT));
    let app = std::mem::replace(&mut client.app, session_routes().layer(bare.clone()));
    client.ok_as("/insert/user/ann", "one").await;
    assert_eq!(
        row(&store).await,
        (None, None, -1),
        "NULL, or the column's default"
    );
    client.app = app;
    client.ok_as("/insert/user/bob", "two").await;
    client.app = session_routes().layer(bare);
    clock.advance(Duration::minutes(30));
    client.ok_as("/get/user", "three").await;
    client.ok_as("/insert/user/cat", "four").await;
    assert_eq!(row(&store).await, (Some("two".to_owned()), None, 16));
}

async fn the_store_itself_leaves_them_alone(db: DatabaseConnection) {
    let (store, clock, mut client) = site(db).await;
    client.ok_as("/insert/user/ann", "one").await;
    let id = client.id.unwrap();
    clock.advance(Duration::minutes(30));
    assert!(store.touch(&id).await.unwrap());
    let id = tower_sessions_core::session::Id(id.0);
    let record = SessionStore::load(&store, &id).await.unwrap().unwrap();
    SessionStore::save(&store, &record).await.unwrap();
    assert_eq!(row(&store).await, (Some("one".to_owned()), None, 16));
}

async fn refusing_site(db: DatabaseConnection) -> (refusing::Store, Clock, Client) {
    let (store, clock) = store::<refusing::Model>(db).await;
    let store = store.with_idle_timeout(IDLE_TIMEOUT);
    let save = async |session: Session, info: SessionInfo| {
        session.insert("n", 1).await.unwrap();
        session.save().await.unwrap_err();
        let error = info.error().unwrap();
        assert!(
            matches!(&*error, Error::Encode { column, .. } if column == "ratio"),
            "{error}"
        );
        assert!(!error.to_string().contains("NaN"), "{error}");
    };
    let app = session_routes().route("/save-nan", get(save));
    let app = app.layer(layer(&store));
    (store, clock, Client { app, id: None })
}

async fn a_value_that_the_column_cannot_hold_refuses_the_save(db: DatabaseConnection) {
    let (store, _, mut client) = refusing_site(db).await;
    let status = client.get("/insert/user/nan", &[]).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(tests::row_count(&store).await, 0);
    client.ok("/insert/user/ann", &[]).await;
    let status = client.get("/insert/user/nan", &[]).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        client.get("/save-nan", &[]).await,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    let row = store.find(&client.id.unwrap()).await.unwrap().unwrap();
    assert_eq!(row.sess, json!({"user": "ann"}));
    assert_eq!(row.path.as_deref(), Some("/insert/user/ann"));
}

async fn a_value_that_the_column_cannot_hold_does_not_keep_a_session_from_sliding(
    db: DatabaseConnection,
) {
    let (store, clock, mut client) = refusing_site(db).await;
    client.ok("/insert/user/ann", &[]).await;
    // Not a number, and a text that is too long.
    for path in ["/get/nan", "/get/12345678901234567890"] {
        clock.advance(Duration::minutes(30));
        client.ok(path, &[]).await;
        let row = store.find(&client.id.unwrap()).await.unwrap().unwrap();
        assert_eq!(row.expire, clock.now() + IDLE_TIMEOUT, "{path}");
        assert_eq!(row.ratio, None);
        assert!(row.path.unwrap().len() <= 16);
    }
}

async fn an_extras_closure_that_fails_does_not_keep_a_session_from_sliding(db: DatabaseConnection) {
    let (store, clock, mut client) = site(db).await;
    client.ok_as("/insert/user/ann", "one").await;
    let store = store.with_extras(|_, _| Err("refused".into()));
    client.app = session_routes().layer(layer(&store));
    clock.advance(Duration::minutes(30));
    client.ok_as("/get/user", "two").await;
    let found = store.find(&client.id.unwrap()).await.unwrap().unwrap();
    assert_eq!(found.expire, clock.now() + IDLE_TIMEOUT);
    assert_eq!(found.user_agent.as_deref(), Some("one"));
}

async fn the_extras_closure_sees_them_and_has_the_last_word(db: DatabaseConnection) {
    let (store, clock, mut client) = site(db).await;
    let store = store.with_extras(|_, row| {
        // Not under a bare layer.
        if let Set(agent) = &row.user_agent {
            row.user_agent = Set(agent.as_deref().map(str::to_uppercase));
        }
        Ok(())
    });
    client.app = session_routes().layer(layer(&store));
    client.ok_as("/insert/user/ann", "one").await;
    assert_eq!(agent(&store).await.as_deref(), Some("ONE"));
    clock.advance(Duration::minutes(30));
    client.ok_as("/get/user", "two").await;
    assert_eq!(agent(&store).await.as_deref(), Some("TWO"));
    client.app = session_routes().layer(layer(&store.clone().with_extras(|session, row| {
        assert_eq!(session.data["user"], "ann");
        row.user_agent = NotSet;
        Ok(())
    })));
    clock.advance(Duration::minutes(30));
    client.ok_as("/get/user", "three").await;
    assert_eq!(agent(&store).await.as_deref(), Some("TWO"));
}

async fn of_two_requests_that_save_at_the_same_time_the_later_one_counts(db: DatabaseConnection) {
    let (store, clock, mut client) = site(db).await;
    client.ok_as("/insert/user/ann", "one").await;
    let id = client.id.unwrap();
    let other_store = store.clone();
    // While this request runs, another saves.
    let slow = async move |session: Session| {
        session.insert("slow", 1).await.unwrap();
        let mut other = Client {
            app: session_routes().layer(layer(&other_store)),
            id: Some(id),
        };
        other.ok_as("/insert/other/2", "other").await;
    };
    client.app = session_routes()
        .route("/slow", get(slow))
        .layer(layer(&store));
    client.ok_as("/slow", "slow").await;
    assert_eq!(agent(&store).await.as_deref(), Some("slow"));
    let row = store.find(&id).await.unwrap().unwrap();
    assert_eq!(row.sess, json!({"user": "ann", "slow": 1, "other": "2"}));
    // Another session is not concerned.
    let other = new_session(&store, clock.now(), []).await;
    let row = store.find(&Id(other.id.0)).await.unwrap().unwrap();
    assert_eq!(row.user_agent, None);
}
