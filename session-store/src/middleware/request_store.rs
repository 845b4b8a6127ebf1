//! The store of one request. It remembers what the request has loaded, to merge its changes, to give
//! the session a new id, and to write nothing of a session that has ended.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use time::{Duration, OffsetDateTime};
use tower_sessions::Expiry;
use tower_sessions::session::Id;

use super::row::Row;
use super::session_info::SessionInfo;
use super::snapshot::Snapshot;
use super::state::{NewCookie, State};
use crate::error::{Error, Result};
use crate::model::{Columns, Data, SessionModel, SessionRef, store_keys};
use crate::store::{LoadedSession, SeaOrmStore};
use crate::telemetry::metrics;
use crate::tower_sessions::{Backend, TowerSession};

/// The maximum number of times that a save is tried. It starts again whenever another request has saved
/// first.
const SAVE_ATTEMPTS: u32 = 1_000;

/// The store of one request.
pub(super) struct RequestStore<M: SessionModel, T: TowerSession> {
    pub(super) store: SeaOrmStore<M>,
    /// Whether the cookie of a session without an expiry of its own has a `Max-Age`.
    is_persistent: bool,
    state: Arc<Mutex<State>>,
    /// The request's session, until the response is there.
    session: Arc<Mutex<Option<T>>>,
}

/// What a handler has passed to `Session::set_expiry`.
enum Chosen {
    Own(Expiry),
    OfTheStore,
}

/// The expiry of a request's `Session` until the handler sets another. It says how long the session
/// lasts. The nanosecond tells it from one that the handler has set.
fn unset_expiry(lifetime: Duration) -> Expiry {
    Expiry::OnInactivity(lifetime.saturating_add(Duration::NANOSECOND))
}

impl<M: SessionModel, T: TowerSession> RequestStore<M, T> {
    pub(super) fn new(store: SeaOrmStore<M>, is_persistent: bool) -> Self {
        Self {
            store,
            is_persistent,
            state: Arc::default(),
            session: Arc::default(),
        }
    }

    /// Creates the session of the request. Its store is this one.
    pub(super) fn session(&self, id: Option<Id>, is_cookie_old: bool) -> T {
        let expiry = unset_expiry(self.store.expiry().lifetime());
        let session = T::new(id, self.clone(), expiry);
        *lock(&self.session) = Some(session.clone());
        let mut state = self.state();
        state.row = id.map_or(Row::Absent, Row::Unread);
        state.known_expiry = Some(expiry);
        state.is_cookie_old = is_cookie_old;
        drop(state);
        session
    }

    pub(super) fn info(&self) -> SessionInfo {
        SessionInfo(Arc::clone(&self.state))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Forgets the request's session.
    pub(super) fn forget_session(&self) {
        let session = lock(&self.session).take();
        drop(session);
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

    /// Notes an error with its type: tower-sessions' own errors are text.
    fn noted<V>(&self, result: Result<V>) -> std::result::Result<V, Arc<Error>> {
        result.map_err(|error| {
            let error = Arc::new(error);
            self.state().error = Some(Arc::clone(&error));
            error
        })
    }

    /// Returns the expiry that the handler has chosen with `Session::set_expiry` since the last save.
    fn chosen_expiry(&self) -> Option<Chosen> {
        // After the response, there is no way to know.
        let expiry = lock(&self.session).as_ref()?.expiry();
        let unset = unset_expiry(self.store.expiry().lifetime());
        (expiry != self.state().known_expiry).then(|| {
            match expiry.filter(|expiry| *expiry != unset) {
                Some(expiry) => Chosen::Own(expiry),
                None => Chosen::OfTheStore,
            }
        })
    }

    /// Returns the data as the row has them: with the expiry that the request has chosen for the session, or
    /// that it had before.
    fn with_expiry<'a>(&self, data: &'a Data, before: Option<Value>) -> Result<Cow<'a, Data>> {
        let error = |source| Columns::encode_error(M::columns().sess, source);
        if data.contains_key(store_keys::EXPIRY) {
            let problem = format!("the key `{}` belongs to the store", store_keys::EXPIRY);
            return Err(error(problem.into()));
        }
        let expiry = match self.chosen_expiry() {
            Some(Chosen::Own(expiry)) => Some(store_keys::encode_expiry(expiry).map_err(error)?),
            Some(Chosen::OfTheStore) => None,
            None => before,
        };
        Ok(match expiry {
            Some(expiry) => {
                let mut data = data.clone();
                data.insert(store_keys::EXPIRY.to_owned(), expiry);
                Cow::Owned(data)
            }
            None => Cow::Borrowed(data),
        })
    }

    pub(super) fn new_cookie(
        &self,
        id: Id,
        expiry: Option<Expiry>,
        expires_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> NewCookie {
        let is_persistent = match expiry {
            Some(Expiry::OnInactivity(_) | Expiry::AtDateTime(_)) => true,
            Some(Expiry::OnSessionEnd) => false,
            None => self.is_persistent,
        };
        NewCookie {
            id,
            max_age: is_persistent.then_some(expires_at - now),
            expires_at,
        }
    }

    async fn load_session(&self, id: &Id) -> Result<Option<LoadedSession>> {
        if matches!(self.state().row, Row::Absent) {
            return Ok(None);
        }
        let loaded = self.store.load_for_request(id).await?;
        let snapshot = loaded
            .as_ref()
            .map(|loaded| Snapshot::of_loaded::<M>(*id, loaded));
        let mut state = self.state();
        state.row.found(id, snapshot);
        if matches!(state.row, Row::Absent) {
            return Ok(None);
        }
        let Some(mut loaded) = loaded else {
            return Ok(None);
        };
        let slid_at = loaded.slid_at;
        if let Some(now) = slid_at.or_else(|| state.is_cookie_old.then(|| self.store.now())) {
            let cookie = self.new_cookie(*id, loaded.expiry, loaded.expires_at, now);
            state.new_cookie = Some(cookie);
        }
        Arc::make_mut(&mut loaded.data).remove(store_keys::EXPIRY);
        Ok(Some(loaded))
    }

    async fn save_session(&self, id: &Id, data: &Data) -> Result<()> {
        let snapshot = match self.row() {
            Row::Loaded(snapshot) if snapshot.id == *id => snapshot,
            Row::Absent => return Err(Error::Ended),
            _ => self.read(id).await?.ok_or(Error::Ended)?,
        };
        self.update(snapshot, *id, data).await?;
        Ok(())
    }

    /// Creates a session, or gives the row of this one its new id. Returns the id, and when the session
    /// expires.
    pub(super) async fn create_session(&self, data: &Data) -> Result<(Id, OffsetDateTime)> {
        if let Row::Renewing(renewal) = self.row() {
            let snapshot = match renewal.snapshot {
                Some(snapshot) => Some(snapshot),
                None => self.read(&renewal.from).await?,
            };
            if let Some(snapshot) = snapshot {
                let expires_at = self.renew(snapshot, renewal.to, data).await?;
                return Ok((renewal.to, expires_at));
            }
        }
        self.insert(data).await
    }

    /// Inserts a row under a new id, because the visitor may have chosen the session's. Returns the id, and
    /// when the session expires.
    async fn insert(&self, data: &Data) -> Result<(Id, OffsetDateTime)> {
        let mut id = Id::default();
        let now = self.store.now();
        let data = self.with_expiry(data, None)?;
        let session = SessionRef::new(&id, &data, now);
        let expiry = session.expiry;
        let expires_at = self.store.expires_at(&session, Some(now), now);
        let expires_at = self.store.insert(&mut id, &data, expires_at, now).await?;
        let snapshot = Snapshot::of_inserted::<M>(id, &data, now, expires_at);
        self.saved(snapshot, expiry, expires_at, now);
        Ok((id, expires_at))
    }

    /// Updates the row after `cycle_id`. Returns when the session expires.
    async fn renew(&self, snapshot: Snapshot, to: Id, data: &Data) -> Result<OffsetDateTime> {
        self.state().row.set_uncertain(true);
        let updated = self.update(snapshot, to, data).await;
        let is_uncertain = matches!(
            updated,
            Err(Error::Database { .. } | Error::Unreachable { .. })
        );
        self.state().row.set_uncertain(is_uncertain);
        updated
    }

    /// Updates the row, and gives it this id. Returns when the session expires.
    async fn update(&self, mut snapshot: Snapshot, id: Id, data: &Data) -> Result<OffsetDateTime> {
        let mine = self.with_expiry(data, snapshot.expiry.clone())?;
        for _ in 0..SAVE_ATTEMPTS {
            let merged = snapshot.merge(&mine);
            let now = self.store.now();
            let mut session = SessionRef::new(&id, merged.as_ref().unwrap_or(&mine), now);
            session.expiry_date = self.store.expires_at(&session, snapshot.created_at, now);
            let (expiry, expires_at) = (session.expiry, session.expiry_date);
            let update = self
                .store
                .update(&snapshot.id, &session, snapshot.version());
            if update.await? {
                let snapshot = snapshot.saved(id, &mine, merged, expires_at);
                self.saved(snapshot, expiry, expires_at, now);
                return Ok(expires_at);
            }
            snapshot = self.select_again(snapshot, &id).await?;
        }
        Err(Error::Conflict {
            attempts: SAVE_ATTEMPTS,
        })
    }

    /// Notes a save.
    fn saved(
        &self,
        snapshot: Snapshot,
        expiry: Option<Expiry>,
        expires_at: OffsetDateTime,
        now: OffsetDateTime,
    ) {
        let cookie = self.new_cookie(snapshot.id, expiry, expires_at, now);
        let session = lock(&self.session).clone();
        let mut state = self.state();
        state.row = Row::Loaded(snapshot);
        state.new_cookie = Some(cookie);
        if let Some(session) = session {
            state.known_expiry = session.expiry();
        }
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
            Some(loaded) => {
                self.store.tell_renewed(&snapshot.id, new_id);
                Ok(snapshot.moved(*new_id, loaded))
            }
            None => Err(Error::NotFound),
        }
    }

    async fn delete_session(&self, id: &Id) -> Result<()> {
        let session = lock(&self.session).clone();
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

/// The store decides on the id of a new session, and on when a session expires.
impl<M: SessionModel, T: TowerSession> Backend for RequestStore<M, T> {
    async fn create(
        &self,
        _: Id,
        data: &Data,
        _: OffsetDateTime,
    ) -> std::result::Result<(Id, OffsetDateTime), Arc<Error>> {
        self.noted(self.create_session(data).await)
    }

    async fn save(
        &self,
        id: &Id,
        data: &Data,
        _: OffsetDateTime,
    ) -> std::result::Result<(), Arc<Error>> {
        self.noted(self.save_session(id, data).await)
    }

    async fn load(
        &self,
        id: &Id,
    ) -> std::result::Result<Option<(Data, OffsetDateTime)>, Arc<Error>> {
        let loaded = self.noted(self.load_session(id).await)?;
        Ok(loaded.map(|loaded| (Arc::unwrap_or_clone(loaded.data), loaded.expires_at)))
    }

    async fn delete(&self, id: &Id) -> std::result::Result<(), Arc<Error>> {
        self.noted(self.delete_session(id).await)
    }
}

fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<M: SessionModel, T: TowerSession> Clone for RequestStore<M, T> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            is_persistent: self.is_persistent,
            state: Arc::clone(&self.state),
            session: Arc::clone(&self.session),
        }
    }
}

impl<M: SessionModel, T: TowerSession> fmt::Debug for RequestStore<M, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the state: it contains the session's id and data.
        f.debug_struct("RequestStore")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
