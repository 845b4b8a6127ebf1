use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use time::Duration;
use tower_sessions::Session;

/// Lets a request pass if the password was given in the last ten minutes, and otherwise asks for it.
pub async fn require_recent_password(
    State(store): State<session::Store>,
    session: Session,
    request: Request,
    next: Next,
) -> Response {
    let limit = Duration::minutes(10);
    match store.authenticated_within(&session, limit).await {
        Ok(true) => next.run(request).await,
        Ok(false) => Redirect::to("/confirm-password").into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
