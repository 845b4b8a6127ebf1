//! The store of one request. It remembers what the request has loaded, to merge its changes, to give
//! the session a new id, and to write nothing of a session that has ended.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use time::OffsetDateTime;
use tower_sessions::Session;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{self, SessionStore};

use super::row::Row;
use super::snapshot::Snapshot;
use crate::error::{Error, Result};
use crate::model::{SessionModel, SessionRef};
use crate::store::{LoadedSession, SeaOrmStore};
use crate::telemetry::metrics;

/// The maximum number of times that a save is tried. It starts again whenever another request has saved
/// first.
const SAVE_ATTEMPTS: u32 = 1_000;

/// The store of one request.
pub(super) struct RequestStore<M: SessionModel> {
    pub(super) store: SeaOrmStore<M>,
    state: Arc<Mutex<State>>,
}

/// What the request knows. It changes when an operation has succeeded, never before: one that fails, or
/// is dropped in the middle, changes only whether the row perhaps has its new id already.
#[derive(Default)]
pub(super) struct State {
    pub(super) row: Row,
    /// The request's session, until the response is there.
    pub(super) session: Option<Session>,
    /// The session whose cookie has to be set, because its id is new or its expiry has moved.
    pub(super) new_to_visitor: Option<Id>,
}

impl<M: SessionModel> RequestStore<M> {
    pub(super) fn new(store: SeaOrmStore<M>) -> Self {
        Self {
            store,
            state: Arc::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn row(&self) -> Row {
        self.state().row.clone()
    }

    /// Reads the row of a session that was cleared before it was read.
    pub(super) async fn read(&self, id: &Id) -> Result<Option<Snapshot>> {
        let loaded = self.store.select(id).await?;
        let snapshot = loaded.map(|loaded| Snapshot::of_loaded::<M>(*id, &loaded));
        self.state().row.found(id, snapshot.clone());
        Ok(snapshot)
    }

    async fn load_session(&self, id: &Id) -> Result<Option<LoadedSession>> {
        if matches!(self.state().row, Row::Absent) {
            return Ok(None);
        }
        let loaded = self.store.load_and_touch(id).await?;
        let snapshot = loaded
            .as_ref()
            .map(|loaded| Snapshot::of_loaded::<M>(*id, loaded));
        let mut state = self.state();
        state.row.found(id, snapshot);
        if matches!(state.row, Row::Absent) {
            return Ok(None);
        }
        if loaded.as_ref().is_some_and(|loaded| loaded.has_slid) {
            state.new_to_visitor = Some(*id);
        }
        Ok(loaded)
    }

    async fn save_session(&self, record: &Record) -> Result<()> {
        let snapshot = match self.row() {
            Row::Loaded(snapshot) if snapshot.id == record.id => snapshot,
            Row::Absent => return Err(Error::Ended),
            _ => self.read(&record.id).await?.ok_or(Error::Ended)?,
        };
        self.update(snapshot, record).await?;
        Ok(())
    }

    pub(super) async fn create_session(&self, record: &mut Record) -> Result<()> {
        let renewed = match self.row() {
            Row::Renewing(renewal) => {
                record.id = renewal.to;
                match renewal.snapshot {
                    Some(snapshot) => Some(snapshot),
                    None => self.read(&renewal.from).await?,
                }
            }
            _ => None,
        };
        record.expiry_date = match renewed {
            Some(snapshot) => self.renew(snapshot, record).await?,
            None => self.insert(record).await?,
        };
        self.state().new_to_visitor = Some(record.id);
        Ok(())
    }

    /// Inserts a row under a new id, because the visitor may have chosen the record's. Returns when the
    /// session expires.
    async fn insert(&self, record: &mut Record) -> Result<OffsetDateTime> {
        record.id = Id::default();
        let created_at = self.store.now();
        let expires_at = self
            .store
            .insert(&mut record.id, &record.data, record.expiry_date, created_at)
            .await?;
        let snapshot = Snapshot::of_inserted::<M>(record.id, &record.data, created_at);
        self.state().row = Row::Loaded(snapshot);
        Ok(expires_at)
    }

    /// Updates the row after `cycle_id`. Returns when the session expires.
    async fn renew(&self, snapshot: Snapshot, record: &Record) -> Result<OffsetDateTime> {
        self.state().row.set_uncertain(true);
        let updated = self.update(snapshot, record).await;
        let is_uncertain = matches!(updated, Err(Error::Database { .. }));
        self.state().row.set_uncertain(is_uncertain);
        updated
    }

    /// Updates the row, and gives it the record's id. Returns when the session expires.
    async fn update(&self, mut snapshot: Snapshot, record: &Record) -> Result<OffsetDateTime> {
        let policy = self.store.expiry();
        let expires_at = policy.expires_at(record.expiry_date, snapshot.created_at);
        for _ in 0..SAVE_ATTEMPTS {
            let merged = snapshot.merge(&record.data);
            let data = merged.as_ref().unwrap_or(&record.data);
            let session = SessionRef::new(&record.id, data, expires_at);
            let update = self
                .store
                .update(&snapshot.id, &session, snapshot.version());
            if update.await? {
                let saved = snapshot.saved(record.id, &record.data, merged);
                self.state().row = Row::Loaded(saved);
                return Ok(expires_at);
            }
            snapshot = self.select_again(snapshot, &record.id).await?;
        }
        Err(Error::Conflict {
            attempts: SAVE_ATTEMPTS,
        })
    }

    /// Reads a row that could not be updated as it was in the snapshot.
    async fn select_again(&self, snapshot: Snapshot, new_id: &Id) -> Result<Snapshot> {
        match self.store.select(&snapshot.id).await? {
            Some(loaded) => {
                let changed = snapshot.changed(loaded).ok_or(Error::RowKept)?;
                metrics::record_merged_conflict(self.store.target());
                return Ok(changed);
            }
            None if snapshot.id == *new_id => return Err(Error::NotFound),
            None => {}
        }
        // An earlier attempt, whose response did not arrive, may have given it the new id.
        match self.store.select(new_id).await? {
            Some(loaded) => Ok(snapshot.moved(*new_id, loaded)),
            None => Err(Error::NotFound),
        }
    }

    async fn delete_session(&self, id: &Id) -> Result<()> {
        let session = self.state().session.clone();
        // `cycle_id` takes the id from the session before it deletes. `flush` and `delete` do not.
        let is_renewed = session
            .as_ref()
            .is_some_and(|session| session.id().is_none());
        if is_renewed && self.state().row.renew(id) {
            return Ok(());
        }
        self.store.delete_by_id(id).await?;
        match session {
            Some(session) if !is_renewed => {
                // This waits for a save that is running, which may have given the row a new id.
                session.clear().await;
                if let Row::Loaded(snapshot) = self.row()
                    && snapshot.id != *id
                {
                    self.store.delete_by_id(&snapshot.id).await?;
                }
                self.state().row = Row::Absent;
            }
            // After the response, `cycle_id` and `flush` look the same. Both end the session: the next
            // save finds no row that it could give a new id.
            _ => {
                self.state().row.renew(id);
            }
        }
        Ok(())
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
        let loaded = self.load_session(id).await?;
        Ok(loaded.map(|loaded| Record {
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
