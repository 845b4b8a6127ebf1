//! The answer to a request whose session could not be saved.

use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::header::{COOKIE, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use sea_orm::DatabaseConnection;
use serde_json::json;
use session_store::Id;
use session_store::{Error, SessionInfo, SessionModel};
use tests::{COOKIE_NAME, entity, layer, new_session, on_every_database, store};
use time::Duration;
use tower::ServiceExt;
use tower_sessions::Session;

on_every_database!(
    a_session_that_ended_meanwhile_is_answered_with_401_and_the_cookie_is_removed,
    a_session_that_expired_meanwhile_is_answered_with_401,
    data_that_are_too_large_are_answered_with_500,
    a_value_that_a_column_refuses_is_answered_with_500,
    a_database_that_cannot_be_reached_is_answered_with_503_and_retry_after,
    on_error_gets_the_error_and_the_response,
    on_error_is_not_asked_about_a_handler_that_fails,
    a_handler_learns_why_a_load_failed,
);

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(key = "age")]
    pub age: Option<i32>,
});

type Store = session::Store;

/// The site of one test, with a session that has ended, or a database that is closed, when a handler is
/// half done.
fn routes(store: &Store) -> Router {
    Router::new()
        .route(
            "/revoked",
            get(async |State(store): State<Store>, session: Session| {
                session.insert("n", 1).await.unwrap();
                store.delete_all().await.unwrap();
                "done"
            }),
        )
        .route(
            "/revoked-then-fail",
            get(async |State(store): State<Store>, session: Session| {
                session.insert("n", 1).await.unwrap();
                store.delete_all().await.unwrap();
                (StatusCode::BAD_GATEWAY, "the handler's own")
            }),
        )
        .route(
            "/large",
            get(async |session: Session| session.insert("n", "x".repeat(2000)).await.unwrap()),
        )
        .route(
            "/refused",
            get(async |session: Session| session.insert("age", "old").await.unwrap()),
        )
        .route(
            "/closed",
            get(async |State(store): State<Store>, session: Session| {
                session.insert("n", 1).await.unwrap();
                store.db().close_by_ref().await.unwrap();
            }),
        )
        .route(
            "/load",
            get(
                async |session: Session, Extension(info): Extension<SessionInfo>| match session
                    .get_value("n")
                    .await
                {
                    Ok(value) => format!("{value:?}").into_response(),
                    Err(_) => info.error().unwrap().status().into_response(),
                },
            ),
        )
        .with_state(store.clone())
}

async fn store_and_id(db: DatabaseConnection) -> (Store, Id) {
    let (store, clock) = store::<session::Model>(db).await;
    let store = store
        .with_idle_timeout(Duration::hours(1))
        .with_max_bytes(1000);
    let id = new_session(&store, clock.now(), [("user", json!("ann"))])
        .await
        .id;
    (store, id)
}

async fn get_with(app: Router, id: Id, path: &str) -> (StatusCode, HeaderMap, String) {
    let request = Request::get(path).header(COOKIE, format!("{COOKIE_NAME}={id}"));
    let request = request.body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    (parts.status, parts.headers, body)
}

async fn a_session_that_ended_meanwhile_is_answered_with_401_and_the_cookie_is_removed(
    db: DatabaseConnection,
) {
    let (store, id) = store_and_id(db).await;
    let app = routes(&store).layer(layer(&store));
    let (status, headers, body) = get_with(app, id, "/revoked").await;
    assert_eq!((status, body.as_str()), (StatusCode::UNAUTHORIZED, ""));
    let set = headers[SET_COOKIE].to_str().unwrap();
    assert!(
        set.starts_with(&format!("{COOKIE_NAME}=;")) && set.contains("Max-Age=0"),
        "{set}"
    );
    assert_eq!(store.count().await.unwrap(), 0);
}

async fn a_session_that_expired_meanwhile_is_answered_with_401(db: DatabaseConnection) {
    let (store, clock) = store::<session::Model>(db).await;
    let id = new_session(&store, clock.now(), []).await.id;
    let expires = Router::new().route(
        "/",
        get(async move |session: Session| {
            session.insert("n", 1).await.unwrap();
            clock.advance(Duration::days(365));
        }),
    );
    let (status, headers, _) = get_with(expires.layer(layer(&store)), id, "/").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(headers[SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
}

async fn data_that_are_too_large_are_answered_with_500(db: DatabaseConnection) {
    is_answered_with_500(db, "/large").await;
}

async fn a_value_that_a_column_refuses_is_answered_with_500(db: DatabaseConnection) {
    is_answered_with_500(db, "/refused").await;
}

async fn is_answered_with_500(db: DatabaseConnection, path: &str) {
    let (store, id) = store_and_id(db).await;
    let before = store.find(&id).await.unwrap();
    let app = routes(&store).layer(layer(&store));
    let (status, headers, body) = get_with(app, id, path).await;
    assert_eq!(
        (status, body.as_str()),
        (StatusCode::INTERNAL_SERVER_ERROR, "")
    );
    assert_eq!(
        (headers.get(SET_COOKIE), headers.get(RETRY_AFTER)),
        (None, None)
    );
    assert_eq!(store.find(&id).await.unwrap(), before);
}

async fn a_database_that_cannot_be_reached_is_answered_with_503_and_retry_after(
    db: DatabaseConnection,
) {
    let (store, id) = store_and_id(db).await;
    let app = routes(&store).layer(layer(&store));
    let (status, headers, body) = get_with(app, id, "/closed").await;
    assert_eq!(
        (status, body.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "")
    );
    assert_eq!(headers[RETRY_AFTER], "5");
    assert_eq!(headers.get(SET_COOKIE), None);
}

/// What `on_error` was asked.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<String>>>);

fn with_on_error<M: SessionModel>(
    store: &session_store::SeaOrmStore<M>,
    app: Router,
) -> (Router, Asked) {
    let asked = Asked::default();
    let log = asked.clone();
    let layer = layer(store).on_error(move |error: &Error, response: Response| {
        let kind = match error {
            Error::NotFound => "ended",
            Error::TooLarge { .. } => "too large",
            Error::InvalidColumnValue { .. } => "column",
            Error::Unreachable { .. } => "unreachable",
            _ => "other",
        };
        let line = format!("{kind} after {}", response.status());
        log.0.lock().unwrap().push(line);
        (error.status(), "our own page").into_response()
    });
    (app.layer(layer), asked)
}

async fn on_error_gets_the_error_and_the_response(db: DatabaseConnection) {
    for (path, kind, expected, is_removed) in [
        (
            "/large",
            "too large",
            StatusCode::INTERNAL_SERVER_ERROR,
            false,
        ),
        (
            "/refused",
            "column",
            StatusCode::INTERNAL_SERVER_ERROR,
            false,
        ),
        ("/revoked", "ended", StatusCode::UNAUTHORIZED, true),
        (
            "/closed",
            "unreachable",
            StatusCode::SERVICE_UNAVAILABLE,
            false,
        ),
    ] {
        let (store, id) = store_and_id(db.clone()).await;
        let (app, asked) = with_on_error(&store, routes(&store));
        let (status, headers, body) = get_with(app, id, path).await;
        assert_eq!(
            (status, body.as_str()),
            (expected, "our own page"),
            "{path}"
        );
        assert_eq!(*asked.0.lock().unwrap(), [format!("{kind} after 200 OK")]);
        assert_eq!(headers.get(SET_COOKIE).is_some(), is_removed, "{path}");
    }
}

async fn on_error_is_not_asked_about_a_handler_that_fails(db: DatabaseConnection) {
    let (store, id) = store_and_id(db).await;
    let (app, asked) = with_on_error(&store, routes(&store));
    let (status, _, body) = get_with(app, id, "/revoked-then-fail").await;
    assert_eq!(
        (status, body.as_str()),
        (StatusCode::BAD_GATEWAY, "the handler's own")
    );
    assert!(asked.0.lock().unwrap().is_empty());
}

async fn a_handler_learns_why_a_load_failed(db: DatabaseConnection) {
    let (store, id) = store_and_id(db).await;
    let app = routes(&store).layer(layer(&store));
    let (status, _, _) = get_with(app.clone(), id, "/load").await;
    assert_eq!(status, StatusCode::OK);
    store.db().close_by_ref().await.unwrap();
    let (status, _, _) = get_with(app, id, "/load").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}
