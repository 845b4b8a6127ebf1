//! The session as a request last saw it, to find out what the request has changed.

use std::sync::Arc;

use serde_json::Value;
use time::OffsetDateTime;
use tower_sessions::session::Id;

use super::merge::three_way;
use crate::model::{Data, SessionModel, store_keys};
use crate::store::LoadedSession;

/// The session as a request last loaded or saved it.
#[derive(Clone)]
pub(super) struct Snapshot {
    pub(super) id: Id,
    pub(super) created_at: Option<OffsetDateTime>,
    pub(super) authenticated_at: Option<OffsetDateTime>,
    pub(super) expires_at: OffsetDateTime,
    /// The session's own expiry, as the request saw it among the data.
    pub(super) expiry: Option<Value>,
    /// `None` without a version column, where the changes of concurrent requests are not merged.
    version: Option<Version>,
}

#[derive(Clone)]
struct Version {
    number: i64,
    /// The data as the request saw it. The request has changed every key that now differs from this.
    seen: Arc<Data>,
    /// The data of the row at that version, with what other requests have changed.
    stored: Arc<Data>,
}

impl Snapshot {
    pub(super) fn of_loaded<M: SessionModel>(id: Id, loaded: &LoadedSession) -> Self {
        Self {
            id,
            created_at: loaded.created_at,
            authenticated_at: store_keys::authenticated_at(&loaded.data),
            expires_at: loaded.expires_at,
            expiry: loaded.data.get(store_keys::EXPIRY).cloned(),
            version: Version::new::<M>(loaded.version, Arc::clone(&loaded.data)),
        }
    }

    pub(super) fn of_inserted<M: SessionModel>(
        id: Id,
        data: &Data,
        created_at: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Self {
        let authenticated_at = store_keys::authenticated_at(data);
        Self {
            id,
            created_at: Some(authenticated_at.unwrap_or(created_at)),
            authenticated_at,
            expires_at,
            expiry: data.get(store_keys::EXPIRY).cloned(),
            version: Version::new::<M>(0, Arc::new(data.clone())),
        }
    }

    pub(super) fn version(&self) -> Option<i64> {
        self.version.as_ref().map(|version| version.number)
    }

    /// Returns whether the row has no data. Without a version, the request cannot have seen others'.
    pub(super) fn is_empty(&self) -> bool {
        let version = self.version.as_ref();
        let is_kept = |key: &String| key == store_keys::EXPIRY;
        version.is_none_or(|version| version.stored.keys().all(is_kept))
    }

    /// Merges the request's changes with those of others. Returns `None` if others have changed nothing.
    pub(super) fn merge(&self, mine: &Data) -> Option<Data> {
        let Version { seen, stored, .. } = self.version.as_ref()?;
        (!Arc::ptr_eq(seen, stored)).then(|| three_way(seen, mine, stored))
    }

    /// Returns the snapshot after a save. `merged` is what the row has, if that differs from `mine`.
    pub(super) fn saved(
        self,
        id: Id,
        mine: &Data,
        merged: Option<Data>,
        expires_at: OffsetDateTime,
    ) -> Self {
        let expiry = mine.get(store_keys::EXPIRY).cloned();
        let written = merged.as_ref().unwrap_or(mine);
        let authenticated_at = store_keys::authenticated_at(written);
        let created_at = authenticated_at.or(self.created_at);
        let version = self.version.map(|version| {
            let seen = Arc::new(mine.clone());
            Version {
                number: version.number + 1,
                stored: merged.map_or_else(|| Arc::clone(&seen), Arc::new),
                seen,
            }
        });
        Self {
            id,
            created_at,
            authenticated_at,
            expires_at,
            expiry,
            version,
        }
    }

    /// Returns the snapshot of a row that others have saved meanwhile, or `None` if nobody has.
    pub(super) fn changed(self, loaded: LoadedSession) -> Option<Self> {
        let is_changed = self
            .version()
            .is_some_and(|number| number != loaded.version);
        let id = self.id;
        is_changed.then(|| self.moved(id, loaded))
    }

    /// Returns the snapshot of the row under this id.
    pub(super) fn moved(self, id: Id, loaded: LoadedSession) -> Self {
        let version = self.version.map(|version| Version {
            number: loaded.version,
            stored: loaded.data,
            ..version
        });
        Self {
            id,
            version,
            ..self
        }
    }
}

impl Version {
    fn new<M: SessionModel>(number: i64, seen: Arc<Data>) -> Option<Self> {
        M::columns().version?;
        Some(Self {
            number,
            stored: Arc::clone(&seen),
            seen,
        })
    }
}
