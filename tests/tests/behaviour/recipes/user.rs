use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use tower_sessions::Session;

/// The id of the signed-in user. Other visitors get the status 401.
pub struct UserId(pub i32);

impl<S: Send + Sync> FromRequestParts<S> for UserId {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, StatusCode> {
        let session = Session::from_request_parts(parts, state).await;
        let session = session.map_err(|(status, _)| status)?;
        match session.get("user_id").await {
            Ok(Some(user_id)) => Ok(Self(user_id)),
            Ok(None) => Err(StatusCode::UNAUTHORIZED),
            Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}
