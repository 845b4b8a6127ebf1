//! What a session is, to every other file: an id, its data and the moment it ends.

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;
use time::OffsetDateTime;
use tower_sessions::session::Id;

/// The data of a session: what `Session::insert` and `Session::get` work on.
pub type Data = HashMap<String, Value>;

/// A session on its way into the table.
///
/// This is what an [extras closure](crate::SeaOrmStore::with_extras) and a
/// [`SessColumn`](crate::SessColumn) of your own are given. Its `Debug` output shows the keys of
/// the data and neither the id nor a value.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Record<'a> {
    /// The session's id, the value of the visitor's cookie: a secret, not for logs.
    pub id: &'a Id,
    /// The session's data, by key.
    pub data: &'a Data,
    /// When the session ends unless it is saved or touched before.
    pub expiry_date: OffsetDateTime,
}

impl<'a> Record<'a> {
    /// A session of this id and data that ends at `expiry_date`: for a test of a
    /// [`SessColumn`](crate::SessColumn) or an extras closure of your own.
    #[must_use]
    pub fn new(id: &'a Id, data: &'a Data, expiry_date: OffsetDateTime) -> Self {
        Self {
            id,
            data,
            expiry_date,
        }
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut keys: Vec<_> = self.data.keys().collect();
        keys.sort_unstable();
        f.debug_struct("Record")
            .field("keys", &keys)
            .field("expiry_date", &self.expiry_date)
            .finish_non_exhaustive()
    }
}
