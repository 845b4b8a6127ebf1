//! Who is asking, and may they? Extractors that let a handler be written for those who may.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use sea_orm::EntityTrait;
use tower_sessions::Session;

use crate::error::AppError;
use crate::{session, user};

/// Anyone who is signed in; others are sent to do so.
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
        let user = user_of(&session, store).await?.ok_or(AppError::SignedOut)?;
        Ok(Self { session, user })
    }
}

/// The administrator; others are refused.
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

/// The user who is signed in with a session, if any.
pub async fn user_of(
    session: &Session,
    store: &session::Store,
) -> Result<Option<user::Model>, AppError> {
    let Some(id) = session.get::<i32>("user_id").await? else {
        return Ok(None);
    };
    Ok(user::Entity::find_by_id(id).one(store.db()).await?)
}
