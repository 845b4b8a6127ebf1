//! Who sent the request, and may they? Extractors for signed-in users and for the administrator.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use sea_orm::EntityTrait;
use tower_sessions::Session;

use crate::error::AppError;
use crate::{session, user};

/// Extracts the signed-in user. Redirects a visitor to the sign-in page.
pub struct SignedIn {
    pub session: Session,
    pub user: user::Model,
}

impl FromRequestParts<session::Store> for SignedIn {
    type Rejection = AppError;

    async fn from_request_parts(
        parts: &mut Parts,
        store: &session::Store,
    ) -> Result<Self, AppError> {
        let session = Session::from_request_parts(parts, store)
            .await
            .map_err(|(_, message)| AppError::Internal(message.into()))?;
        let user = current_user(&session, store)
            .await?
            .ok_or(AppError::NotSignedIn)?;
        Ok(Self { session, user })
    }
}

/// Extracts the administrator. Rejects other users.
pub struct Admin {
    pub session: Session,
    pub user: user::Model,
}

impl FromRequestParts<session::Store> for Admin {
    type Rejection = AppError;

    async fn from_request_parts(
        parts: &mut Parts,
        store: &session::Store,
    ) -> Result<Self, AppError> {
        let SignedIn { session, user } = SignedIn::from_request_parts(parts, store).await?;
        if user.is_admin {
            Ok(Self { session, user })
        } else {
            Err(AppError::Forbidden)
        }
    }
}

/// Returns the user who is signed in with the session.
pub async fn current_user(
    session: &Session,
    store: &session::Store,
) -> Result<Option<user::Model>, AppError> {
    let Some(id) = session.get::<i32>("user_id").await? else {
        return Ok(None);
    };
    Ok(user::Entity::find_by_id(id).one(store.db()).await?)
}
