//! A session on its way into the table: its id, its data, and when it expires.

use std::fmt;

use time::OffsetDateTime;
use tower_sessions::Expiry;
use tower_sessions::session::Id;

use super::data::Data;
use super::store_keys;

/// A session that is about to be written.
///
/// This is what an [extras closure](crate::SeaOrmStore::with_extras) and a custom
/// [`SessColumn`](crate::SessColumn) receive. Its `Debug` output shows the keys of the data, and neither
/// the id nor a value.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct SessionRef<'a> {
    /// The session id, which is the value of the visitor's cookie. It is a secret: do not log it.
    pub id: &'a Id,
    /// The session's data by key.
    pub data: &'a Data,
    /// When the session expires unless it is saved or touched before.
    pub expiry_date: OffsetDateTime,
    /// The session's own expiry: what the handler has passed to `Session::set_expiry`, under
    /// [`store.layer()`](crate::SeaOrmStore::layer). `None` if it has the store's.
    pub expiry: Option<Expiry>,
}

impl<'a> SessionRef<'a> {
    /// Creates a session for a test of a custom [`SessColumn`](crate::SessColumn) or of an extras
    /// closure.
    #[must_use]
    pub fn new(id: &'a Id, data: &'a Data, expiry_date: OffsetDateTime) -> Self {
        Self {
            id,
            data,
            expiry_date,
            expiry: store_keys::expiry(data).ok().flatten(),
        }
    }

    /// Returns when the session's visitor was last authenticated, with
    /// [`set_authenticated`](crate::SeaOrmStore::set_authenticated).
    #[must_use]
    pub fn authenticated_at(&self) -> Option<OffsetDateTime> {
        store_keys::authenticated_at(self.data)
    }
}

impl fmt::Debug for SessionRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut keys: Vec<_> = self.data.keys().collect();
        keys.sort_unstable();
        f.debug_struct("SessionRef")
            .field("keys", &keys)
            .field("expiry_date", &self.expiry_date)
            .finish_non_exhaustive()
    }
}
