//! The store of one request. It remembers what the request has loaded, to merge its changes.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{self, SessionStore};

use super::snapshot::{Snapshot, is_merged, mark, unmark};
use crate::error::{Error, Result};
use crate::model::SessionModel;
use crate::store::{LoadedSession, SeaOrmStore};
use crate::telemetry::metrics;

/// The maximum number of times that a save is tried. It starts again whenever another request has saved
/// first.
const SAVE_ATTEMPTS: u32 = 1_000;

/// The store of one request.
pub(super) struct RequestStore<M: SessionModel> {
    store: SeaOrmStore<M>,
    state: Arc<Mutex<State>>,
}

/// What the request knows. It changes when an operation has succeeded, never before: one that fails, or
/// is dropped in the middle, changes nothing.
#[derive(Default)]
struct State {
    /// The session as this request last loaded or saved it.
    snapshot: Option<Snapshot>,
    /// The session that this request has deleted, or is moving to another id.
    deleted: Option<Deleted>,
    /// The session whose expiry a load has moved.
    slid: Option<Id>,
}

/// What `flush` and `cycle_id` have deleted. The next create shows which of them it was: after `flush`,
/// the session still has the id that was deleted last, and after `cycle_id`, another.
#[derive(Clone)]
struct Deleted {
    id: Id,
    session: DeletedSession,
}

#[derive(Clone)]
enum DeletedSession {
    /// It was there, so `cycle_id` can continue it under a new id.
    Known(Snapshot),
    /// It was gone already: another request had deleted it.
    Gone,
    /// It was never loaded. Holds `created_at` if there is an absolute timeout.
    Unknown(Option<OffsetDateTime>),
}

impl<M: SessionModel> RequestStore<M> {
    pub(super) fn new(store: SeaOrmStore<M>) -> Self {
        Self {
            store,
            state: Arc::default(),
        }
    }

    pub(super) fn idle_timeout(&self) -> Option<Duration> {
        self.store.expiry().idle_timeout()
    }

    /// Returns the session whose expiry a load of this request has moved.
    pub(super) fn slid_session(&self) -> Option<Id> {
        self.state().slid
    }

    /// Returns whether there is a session with this id, or was when this request loaded or saved it.
    pub(super) async fn has(&self, id: &Id) -> Result<bool> {
        let is_known = self.snapshot(id).is_some();
        Ok(is_known || self.store.select(id).await?.is_some())
    }

    fn snapshot(&self, id: &Id) -> Option<Snapshot> {
        let snapshot = self.state().snapshot.clone();
        snapshot.filter(|snapshot| snapshot.id == *id)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn select(&self, id: &Id) -> Result<LoadedSession> {
        self.store.select(id).await?.ok_or(Error::NotFound)
    }

    async fn save_session(&self, record: &Record) -> Result<()> {
        let (mine, is_marked) = unmark(&record.data);
        let snapshot = self.snapshot(&record.id);
        // A session that was cleared before the first read was never loaded.
        let was_cleared = !is_marked && snapshot.as_ref().is_none_or(|known| known.is_marked);
        let mut snapshot = match snapshot {
            Some(snapshot) => snapshot,
            None => Snapshot::of_loaded::<M>(record.id, &self.select(&record.id).await?),
        };
        let created_at = snapshot.created_at;
        let expires_at = self
            .store
            .expiry()
            .expires_at(record.expiry_date, created_at);
        for _ in 0..SAVE_ATTEMPTS {
            let merged = if was_cleared {
                None
            } else {
                snapshot.merge::<M>(&mine)
            };
            let data = merged.as_ref().unwrap_or(&mine);
            let version = is_merged::<M>().then_some(snapshot.version);
            let update = self.store.update(&record.id, data, expires_at, version);
            if update.await? {
                let version = snapshot.version + 1;
                self.state().snapshot = Some(Snapshot {
                    is_marked,
                    ..Snapshot::new::<M>(record.id, version, created_at, mine, merged)
                });
                return Ok(());
            }
            snapshot = snapshot.updated(self.select(&record.id).await?);
            metrics::record_merged_conflict(self.store.target());
        }
        Err(Error::Conflict {
            attempts: SAVE_ATTEMPTS,
        })
    }

    async fn create_session(&self, record: &mut Record) -> Result<()> {
        let (mine, is_marked) = unmark(&record.data);
        let deleted = self.state().deleted.clone();
        let was_flushed = deleted
            .as_ref()
            .is_some_and(|deleted| deleted.id == record.id);
        if was_flushed {
            // The id of the visitor's cookie, which the visitor may have chosen.
            record.id = Id::default();
        }
        let deleted = deleted.filter(|_| !was_flushed);
        let (merged, created_at) = match deleted.map(|deleted| deleted.session) {
            Some(DeletedSession::Known(snapshot)) => {
                let merged = is_marked.then(|| snapshot.merge::<M>(&mine)).flatten();
                (merged, snapshot.created_at)
            }
            Some(DeletedSession::Gone) => return Err(Error::NotFound),
            Some(DeletedSession::Unknown(created_at)) => (None, created_at),
            None => (None, None),
        };
        let data = merged.as_ref().unwrap_or(&mine);
        let created_at = created_at.unwrap_or_else(|| self.store.now());
        record.expiry_date = self
            .store
            .insert(&mut record.id, data, record.expiry_date, created_at)
            .await?;
        let snapshot = Snapshot::new::<M>(record.id, 0, Some(created_at), mine, merged);
        mark::<M>(&mut record.data);
        let mut state = self.state();
        state.deleted = None;
        state.snapshot = Some(snapshot);
        Ok(())
    }

    async fn delete_session(&self, id: &Id) -> Result<()> {
        let session = if let Some(snapshot) = self.snapshot(id) {
            self.delete_known(id, snapshot).await?
        } else {
            let created_at = self.created_at(id).await?;
            self.store.delete_by_id(id).await?;
            match self.state().deleted.take() {
                // A second `cycle_id` deletes an id that was never stored: what the first has found
                // stays.
                Some(deleted) if deleted.id != *id => deleted.session,
                // A session that is deleted twice was flushed and is gone: nothing continues.
                _ => DeletedSession::Unknown(created_at),
            }
        };
        let mut state = self.state();
        state.snapshot = None;
        state.deleted = Some(Deleted { id: *id, session });
        Ok(())
    }

    /// Returns `created_at` of a session that is deleted without having been loaded, if there is an
    /// absolute timeout.
    async fn created_at(&self, id: &Id) -> Result<Option<OffsetDateTime>> {
        if !self.store.expiry().has_absolute_timeout() {
            return Ok(None);
        }
        match self.store.load_created_at(id).await {
            // A damaged row can be deleted.
            Err(Error::Decode { .. }) => Ok(None),
            created_at => created_at,
        }
    }

    async fn delete_known(&self, id: &Id, mut snapshot: Snapshot) -> Result<DeletedSession> {
        for _ in 0..SAVE_ATTEMPTS {
            let version = is_merged::<M>().then_some(snapshot.version);
            if self.store.delete_active(id, version).await? {
                return Ok(DeletedSession::Known(snapshot));
            }
            // Another request has saved or deleted it meanwhile.
            match self.store.select(id).await? {
                Some(loaded) => snapshot = snapshot.updated(loaded),
                None => break,
            }
        }
        // The row has expired, or other requests keep saving it.
        self.store.delete_by_id(id).await?;
        Ok(DeletedSession::Gone)
    }
}

#[async_trait]
impl<M: SessionModel> SessionStore for RequestStore<M> {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        Ok(self.create_session(record).await?)
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        Ok(self.save_session(record).await?)
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let loaded = self.store.load_and_touch(id).await?;
        let mut state = self.state();
        state.snapshot = loaded
            .as_ref()
            .map(|loaded| Snapshot::of_loaded::<M>(*id, loaded));
        let Some(mut loaded) = loaded else {
            return Ok(None);
        };
        if loaded.has_slid {
            state.slid = Some(*id);
        }
        mark::<M>(&mut loaded.data);
        Ok(Some(Record {
            id: *id,
            data: loaded.data,
            expiry_date: loaded.expires_at,
        }))
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        Ok(self.delete_session(id).await?)
    }
}

impl<M: SessionModel> Clone for RequestStore<M> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            state: Arc::clone(&self.state),
        }
    }
}

impl<M: SessionModel> fmt::Debug for RequestStore<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the state: it contains the session's id and data.
        f.debug_struct("RequestStore")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
