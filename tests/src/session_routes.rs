//! Routes for the operations of a session.

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use serde_json::Value;
use tower_sessions::Session;

/// Returns an application without a session layer, which the test adds.
///
/// `/get/{key}` answers with the value, or `nothing` without one. `/` does not use the session.
pub fn session_routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    async fn read(Path(key): Path<String>, session: Session) -> String {
        match session.get_value(&key).await.unwrap() {
            Some(Value::String(text)) => text,
            Some(value) => value.to_string(),
            None => "nothing".to_owned(),
        }
    }
    async fn insert(Path((key, value)): Path<(String, String)>, session: Session) {
        session.insert(&key, value).await.unwrap();
    }
    async fn remove(Path(key): Path<String>, session: Session) {
        session.remove_value(&key).await.unwrap();
    }
    async fn clear(session: Session) {
        session.clear().await;
    }
    async fn flush(session: Session) {
        session.flush().await.unwrap();
    }
    async fn cycle(session: Session) {
        session.cycle_id().await.unwrap();
    }
    async fn clear_then_insert(session: Session) {
        session.clear().await;
        session.insert("user", "root").await.unwrap();
    }
    async fn flush_then_insert(session: Session) {
        session.flush().await.unwrap();
        session.insert("user", "root").await.unwrap();
    }
    Router::new()
        .route("/", get(async || "no session"))
        .route("/get/{key}", get(read))
        .route("/insert/{key}/{value}", get(insert))
        .route("/remove/{key}", get(remove))
        .route("/clear", get(clear))
        .route("/flush", get(flush))
        .route("/cycle", get(cycle))
        .route("/clear-then-insert", get(clear_then_insert))
        .route("/flush-then-insert", get(flush_then_insert))
}
