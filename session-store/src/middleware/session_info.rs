//! What the layer knows of a request's session, for its handlers.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;
use tower_sessions::session::Id;

use super::row::Row;
use super::snapshot::Snapshot;
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
    /// Returns the session's id, if the session has a row. It is a secret: do not log it.
    ///
    /// This and the following are what the request has last read or written: nothing before the session is
    /// loaded, and nothing of a change before it is saved.
    #[must_use]
    pub fn id(&self) -> Option<Id> {
        self.snapshot().map(|snapshot| snapshot.id)
    }

    /// Returns when the session expires unless it is used before.
    #[must_use]
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        self.snapshot().map(|snapshot| snapshot.expires_at)
    }

    /// Returns when the session's visitor was last authenticated, with
    /// [`set_authenticated`](crate::SeaOrmStore::set_authenticated).
    #[must_use]
    pub fn authenticated_at(&self) -> Option<OffsetDateTime> {
        self.snapshot()?.authenticated_at
    }

    /// Returns why the session could last not be loaded, saved or deleted in this request.
    ///
    /// The errors of tower-sessions' `Session` have only the text of it.
    #[must_use]
    pub fn error(&self) -> Option<Arc<Error>> {
        self.state().error.clone()
    }

    fn snapshot(&self) -> Option<Snapshot> {
        match &self.state().row {
            Row::Loaded(snapshot) => Some(snapshot.clone()),
            Row::Renewing(renewal) => renewal.snapshot.clone(),
            Row::Unread(_) | Row::Absent => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
