//! What a request knows of its session.

use std::sync::Arc;

use time::{Duration, OffsetDateTime};
use tower_sessions::Expiry;
use tower_sessions::session::Id;

use super::row::Row;
use crate::error::Error;

/// What the request knows. It changes when an operation has succeeded, never before: one that fails, or
/// is dropped in the middle, changes only whether the row perhaps has its new id already.
#[derive(Default)]
pub(super) struct State {
    pub(super) row: Row,
    /// Whether the cookie was read with a previous key. It is set again once the session is loaded: until
    /// then, its `Max-Age` is unknown.
    pub(super) is_cookie_old: bool,
    /// The cookie that has to be set, because the session was saved, its expiry has moved or the cookie is
    /// old.
    pub(super) new_cookie: Option<NewCookie>,
    /// The expiry of the session when it was last saved, or when the request began.
    pub(super) known_expiry: Option<Expiry>,
    /// Why the session could last not be loaded, saved or deleted.
    pub(super) error: Option<Arc<Error>>,
}

#[derive(Clone, Copy)]
pub(super) struct NewCookie {
    pub(super) id: Id,
    /// `None` until the browser closes.
    pub(super) max_age: Option<Duration>,
    /// When the session expires.
    pub(super) expires_at: OffsetDateTime,
}
