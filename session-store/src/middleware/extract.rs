//! Extractors for axum.

use std::any::type_name;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower_sessions::Session;

use super::on_error::{DefaultOnError, OnError};
use super::session_info::SessionInfo;
use crate::error::Error;
use crate::tower_sessions::TowerSession;

/// The session key that a type is kept under, for [`Typed`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no session key",
    note = "add `impl session_store::SessionKey for {Self} {{ const KEY: &'static str = \"…\"; }}`"
)]
pub trait SessionKey {
    /// The key. Another type with the same key is an error when it is read.
    const KEY: &'static str;
}

/// An extractor for a value that is kept in the session, under a key of its own.
///
/// Extracting it loads the session, if the request has not loaded it before. If the session has no such
/// value, it is the type's default. Read it like a `&T`, and change it with [`update`](Self::update).
///
/// If two requests change one session at the same time, and the entity has a `#[session(version)]` column,
/// the values under different keys are merged. Of one key, the later save wins. So keep what changes
/// independently under different keys.
///
/// # Errors
///
/// The rejection is a [`SessionRejection`]. To answer it yourself, extract a
/// `Result<Typed<T>, SessionRejection>`.
///
/// # Examples
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use session_store::{SessionKey, SessionRejection, Typed};
///
/// #[derive(Default, Deserialize, Serialize)]
/// struct Cart {
///     items: Vec<u32>,
/// }
///
/// impl SessionKey for Cart {
///     const KEY: &'static str = "cart";
/// }
///
/// async fn show(cart: Typed<Cart>) -> String {
///     format!("{} items", cart.items.len())
/// }
///
/// async fn add(mut cart: Typed<Cart>) -> Result<(), SessionRejection> {
///     cart.update(|cart| cart.items.push(7)).await
/// }
/// # let _: axum::Router = axum::Router::new()
/// #     .route("/", axum::routing::get(show).post(add));
/// ```
///
/// Under axum-login, whose `Session` is that of tower-sessions 0.14, it is a
/// `Typed<Cart, axum_login::tower_sessions::Session>`.
pub struct Typed<T, S = Session> {
    value: T,
    session: S,
    info: Option<SessionInfo>,
}

impl<T, S> Typed<T, S>
where
    T: SessionKey + Default + DeserializeOwned + Serialize,
    S: TowerSession,
{
    /// Changes the value. The session is saved at the end of the request, and only if the value is another
    /// than before.
    ///
    /// # Errors
    ///
    /// As for the extraction. Then nothing has changed.
    pub async fn update(&mut self, change: impl FnOnce(&mut T)) -> Result<(), SessionRejection> {
        // Another extractor of this request may have changed it.
        let mut value = read::<T, S>(&self.session, self.info.as_ref()).await?;
        let before = encode(&value)?;
        change(&mut value);
        let after = encode(&value)?;
        if after != before {
            let set = self.session.set_value(T::KEY, after).await;
            set.map_err(|error| session_error::<S>(self.info.as_ref(), &error))?;
        }
        self.value = value;
        Ok(())
    }

    /// Removes the value from the session.
    ///
    /// # Errors
    ///
    /// As for the extraction. Then nothing has changed.
    pub async fn remove(self) -> Result<(), SessionRejection> {
        let removed = self.session.remove_value(T::KEY).await;
        removed.map_err(|error| session_error::<S>(self.info.as_ref(), &error))
    }
}

impl<T, S> Deref for Typed<T, S> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T, S, A> FromRequestParts<A> for Typed<T, S>
where
    T: SessionKey + Default + DeserializeOwned,
    S: TowerSession,
    A: Sync,
{
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &A) -> Result<Self, SessionRejection> {
        let session = parts.extensions.get::<S>().cloned();
        let session = session.ok_or(Error::MissingLayer)?;
        // Not under a plain `SessionManagerLayer`.
        let info = parts.extensions.get::<SessionInfo>().cloned();
        let value = read::<T, S>(&session, info.as_ref()).await?;
        Ok(Self {
            value,
            session,
            info,
        })
    }
}

impl<A: Sync> FromRequestParts<A> for SessionInfo {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &A) -> Result<Self, SessionRejection> {
        let info = parts.extensions.get::<Self>().cloned();
        Ok(info.ok_or(Error::MissingLayer)?)
    }
}

async fn read<T, S>(session: &S, info: Option<&SessionInfo>) -> Result<T, SessionRejection>
where
    T: SessionKey + Default + DeserializeOwned,
    S: TowerSession,
{
    let stored = session.value(T::KEY).await;
    match stored.map_err(|error| session_error::<S>(info, &error))? {
        Some(value) => Ok(T::deserialize(value).map_err(invalid::<T>)?),
        None => Ok(T::default()),
    }
}

fn encode<T: SessionKey + Serialize>(value: &T) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(invalid::<T>)
}

fn invalid<T: SessionKey>(source: serde_json::Error) -> Error {
    Error::InvalidValue {
        key: T::KEY,
        expected: type_name::<T>(),
        source,
    }
}

/// Returns the store's error, of which tower-sessions has only the text.
fn session_error<S: TowerSession>(
    info: Option<&SessionInfo>,
    error: &S::Error,
) -> SessionRejection {
    let noted = info.and_then(SessionInfo::error);
    SessionRejection(noted.unwrap_or_else(|| Error::of_text("load a session", error)))
}

/// Why an extractor has failed. As a response, it is empty and has the error's
/// [status](Error::status): 503 with `Retry-After` if the database cannot be reached, and otherwise 500.
#[derive(Clone)]
pub struct SessionRejection(Arc<Error>);

impl SessionRejection {
    /// Returns the error.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.0
    }
}

impl From<Error> for SessionRejection {
    fn from(error: Error) -> Self {
        Self(Arc::new(error))
    }
}

impl IntoResponse for SessionRejection {
    fn into_response(self) -> Response {
        tracing::error!(error = %self.0, "failed to read session");
        DefaultOnError.respond(&self.0, Response::default())
    }
}

impl fmt::Display for SessionRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SessionRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for SessionRejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl<T, S> fmt::Debug for Typed<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the value: it is data of the session.
        f.debug_struct("Typed").finish_non_exhaustive()
    }
}
