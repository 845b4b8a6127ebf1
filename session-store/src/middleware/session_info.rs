//! What the layer knows of a request's session, for its handlers.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::state::State;
use crate::error::Error;

/// What [`store.layer()`](crate::SeaOrmStore::layer) knows of a request's session. It is among the
/// request's extensions.
///
/// # Examples
///
/// ```
/// use axum::Extension;
/// use axum::http::StatusCode;
/// use session_store::SessionInfo;
/// use tower_sessions::Session;
///
/// async fn home(
///     session: Session,
///     Extension(info): Extension<SessionInfo>,
/// ) -> Result<String, StatusCode> {
///     let visits = session.get::<u32>("visits").await;
///     // 503 if the database cannot be reached, 500 if the row is damaged.
///     let visits = visits.map_err(|_| info.error().map_or(StatusCode::BAD_REQUEST, |e| e.status()))?;
///     Ok(format!("{visits:?}"))
/// }
/// ```
#[derive(Clone)]
pub struct SessionInfo(pub(super) Arc<Mutex<State>>);

impl SessionInfo {
    /// Returns why the session could last not be loaded, saved or deleted in this request.
    ///
    /// The errors of tower-sessions' `Session` have only the text of it.
    #[must_use]
    pub fn error(&self) -> Option<Arc<Error>> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.error.clone()
    }
}

impl fmt::Debug for SessionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the state: it contains the session's id and data.
        f.debug_struct("SessionInfo")
            .field("error", &self.error())
            .finish_non_exhaustive()
    }
}
