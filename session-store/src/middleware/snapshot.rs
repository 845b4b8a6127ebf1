//! The session as a request last saw it, to find out what the request has changed.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;
use time::OffsetDateTime;
use tower_sessions::session::Id;

use super::merge::three_way;
use crate::model::{Data, SessionModel};
use crate::store::LoadedSession;

/// A key among the data of a loaded session, only in memory, where changes are merged. Nothing but
/// `Session::clear` removes it, which distinguishes a cleared session from one whose keys were removed
/// one by one.
const MARK: &str = "\0session-store";

/// The session as a request last loaded or saved it.
#[derive(Clone)]
pub(super) struct Snapshot {
    pub(super) id: Id,
    pub(super) version: i64,
    pub(super) created_at: Option<OffsetDateTime>,
    /// The data as the request saw it. The request has changed every key that now differs from this.
    pub(super) seen: Arc<Data>,
    /// The data of the row at that version, with what other requests have changed.
    pub(super) stored: Arc<Data>,
    /// Whether the data in memory still has its mark. A `clear` that was saved has removed it for good.
    /// A second `clear` then removes only the keys that the request has seen.
    pub(super) is_marked: bool,
}

impl Snapshot {
    pub(super) fn of_loaded<M: SessionModel>(id: Id, loaded: &LoadedSession) -> Self {
        let data = Cow::Borrowed(&loaded.data);
        Self::new::<M>(id, loaded.version, loaded.created_at, data, None)
    }

    /// `mine` is the data of the request. `merged` is the data of the row, if that differs.
    pub(super) fn new<M: SessionModel>(
        id: Id,
        version: i64,
        created_at: Option<OffsetDateTime>,
        mine: Cow<'_, Data>,
        merged: Option<Data>,
    ) -> Self {
        let seen = Arc::new(if is_merged::<M>() {
            mine.into_owned()
        } else {
            Data::default()
        });
        Self {
            id,
            version,
            created_at,
            stored: merged.map_or_else(|| Arc::clone(&seen), Arc::new),
            seen,
            is_marked: true,
        }
    }

    /// Merges the request's changes with those of others. Returns `None` if others have changed nothing.
    pub(super) fn merge<M: SessionModel>(&self, mine: &Data) -> Option<Data> {
        let is_changed = is_merged::<M>() && !Arc::ptr_eq(&self.seen, &self.stored);
        is_changed.then(|| three_way(&self.seen, mine, &self.stored))
    }

    /// Returns the same snapshot of a row that others have saved meanwhile.
    pub(super) fn updated(self, loaded: LoadedSession) -> Self {
        Self {
            version: loaded.version,
            stored: Arc::new(loaded.data),
            ..self
        }
    }
}

/// Returns whether the changes of concurrent requests are merged. Without a version column they are not,
/// and there is nothing to remember.
pub(super) fn is_merged<M: SessionModel>() -> bool {
    M::columns().version.is_some()
}

pub(super) fn mark<M: SessionModel>(data: &mut Data) {
    if is_merged::<M>() {
        data.insert(MARK.to_owned(), Value::Null);
    }
}

/// Returns the data without the mark, and whether there was one.
pub(super) fn unmark(data: &Data) -> (Cow<'_, Data>, bool) {
    if !data.contains_key(MARK) {
        return (Cow::Borrowed(data), false);
    }
    let mut data = data.clone();
    data.remove(MARK);
    (Cow::Owned(data), true)
}
