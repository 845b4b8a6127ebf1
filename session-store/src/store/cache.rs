//! Loads from memory of sessions that this process has lately seen.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration as StdDuration, Instant};

use moka::sync::Cache;
use serde_json::Value;
use time::Duration;
use tokio::sync::OnceCell;
use tower_sessions::session::Id;

use super::SeaOrmStore;
use super::changes::Notice;
use super::load::LoadedSession;
use super::task::in_task;
use crate::error::Result;
use crate::model::{Data, SessionModel, Versioned};

/// The memory of the sessions unless [`SeaOrmStore::with_cache_max_bytes`] sets another: 64 MiB.
const DEFAULT_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What a session takes beside its data, about.
const ENTRY_BYTES: usize = 512;

/// What a node of a JSON object's tree takes, and the entries that it has at least.
const NODE_BYTES: usize = 640;
const NODE_ENTRIES: usize = 6;

/// The counts of changes. Sessions that share one are loaded again when another of them has changed.
const COUNTS: usize = 4096;

/// The sessions of a store and of those clones that have the same timeouts and clock.
pub(super) struct SessionCache {
    entries: Cache<Notice, Arc<Entry>>,
    bound: StdDuration,
    max_bytes: u64,
}

/// A session that is being loaded or was loaded.
///
/// It is created before the query is sent, so whatever is in it was in the table at that time or later. If a call
/// of this process has changed the session, the entry is from an older edition when the call returns, and is
/// served to no load that begins then, wherever it is.
struct Entry {
    created: Instant,
    edition: Edition,
    /// `None` if there is no such session.
    session: OnceCell<Option<Mutex<LoadedSession>>>,
}

/// How often sessions have changed, as far as this process knows. All clones of a store share it.
#[derive(Default)]
pub(super) struct Editions {
    /// By a part of the notice. Empty until a clone has a cache.
    of_some: OnceLock<Box<[AtomicU64]>>,
    of_all: AtomicU64,
}

#[derive(Clone, Copy, PartialEq)]
struct Edition {
    of_some: u64,
    of_all: u64,
}

impl Editions {
    fn get(&self, notice: &Notice) -> Edition {
        let of_some = self.of_some.get().map(|counts| count(counts, notice));
        Edition {
            of_some: of_some.map_or(0, |count| count.load(Ordering::SeqCst)),
            of_all: self.of_all.load(Ordering::SeqCst),
        }
    }

    pub(super) fn are_used(&self) -> bool {
        self.of_some.get().is_some()
    }

    pub(super) fn advance(&self, notice: &Notice) {
        if let Some(counts) = self.of_some.get() {
            count(counts, notice).fetch_add(1, Ordering::SeqCst);
        }
    }

    pub(super) fn advance_all(&self) {
        self.of_all.fetch_add(1, Ordering::SeqCst);
    }
}

fn count<'a>(counts: &'a [AtomicU64], notice: &Notice) -> &'a AtomicU64 {
    &counts[notice.number() % counts.len()]
}

impl<M: SessionModel> SeaOrmStore<M> {
    /// Keeps sessions in memory, so that a load of one that this process has recently loaded costs no round trip.
    /// Holds for requests under [`layer`](Self::layer).
    ///
    /// `bound` is how long a session that was ended or changed *elsewhere*, by another process or by hand, may
    /// still be served as it was: the longest delay of "sign out everywhere". On PostgreSQL, a store that
    /// [listens](Self::listen) learns of it within milliseconds, and the bound is what holds when it does not
    /// hear. What this process ends, saves, renews or revokes, through any clone of the store, is in effect at
    /// once. A revoke by a condition forgets all sessions, because it does not say which it ends.
    ///
    /// No change is lost: a save is still refused or merged by the version in the table, so this needs a column
    /// with `#[session(version)]`, and does not compile without one. Timeouts hold as without it, and a load from
    /// memory still moves the expiry when that is due. [Caching](crate::guide::caching) says exactly what may
    /// differ.
    ///
    /// # Panics
    ///
    /// Panics if `bound` is zero or negative.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod session { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/session.rs")); }
    /// # let db = sea_orm::DatabaseConnection::default();
    /// use time::Duration;
    ///
    /// let store = session::Store::new(db).with_cache(Duration::seconds(5));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn with_cache(self, bound: Duration) -> Self
    where
        M: Versioned,
    {
        assert!(
            bound.is_positive(),
            "the bound of the cache must be longer than zero"
        );
        self.with_session_cache(bound.unsigned_abs(), DEFAULT_MAX_BYTES)
    }

    /// Sets how much memory the sessions of the [cache](Self::with_cache) may take, in bytes: 64 MiB by
    /// default. The sessions that are used least leave first. Has no effect without a cache.
    #[must_use]
    pub fn with_cache_max_bytes(self, max_bytes: u64) -> Self {
        match &self.cache {
            Some(cache) => {
                let bound = cache.bound;
                self.with_session_cache(bound, max_bytes)
            }
            None => self,
        }
    }

    fn with_session_cache(mut self, bound: StdDuration, max_bytes: u64) -> Self {
        let counts = || (0..COUNTS).map(|_| AtomicU64::new(0)).collect();
        self.editions.of_some.get_or_init(counts);
        self.cache = Some(Arc::new(SessionCache::new(bound, max_bytes)));
        self
    }

    /// Gives this clone entries of its own, because it has other timeouts or another clock.
    pub(super) fn with_own_entries(self) -> Self {
        match &self.cache {
            Some(cache) => {
                let (bound, max_bytes) = (cache.bound, cache.max_bytes);
                self.with_session_cache(bound, max_bytes)
            }
            None => self,
        }
    }

    /// Loads a session through the cache, and touches it if that is due.
    pub(super) async fn load_cached(
        &self,
        cache: &SessionCache,
        id: &Id,
    ) -> Result<Option<LoadedSession>> {
        let notice = Notice::of(&self.sid(id));
        if let Some(entry) = cache.entries.get(&notice)
            && self.is_current(cache, &notice, &entry)
            && entry.session().is_some()
        {
            if let Some(loaded) = self.kept(&entry, id).await {
                return Ok(Some(loaded));
            }
            self.editions.advance(&notice);
        }
        let create = || {
            Arc::new(Entry {
                created: Instant::now(),
                edition: self.editions.get(&notice),
                session: OnceCell::new(),
            })
        };
        let is_old = |entry: &Arc<Entry>| !self.is_current(cache, &notice, entry);
        // Another request may be loading it.
        let entry = cache.entries.entry(notice);
        let entry = entry.or_insert_with_if(create, is_old).into_value();
        let load = {
            let (store, id, entry) = (self.clone(), *id, Arc::clone(&entry));
            async move { entry.load(&store, &id).await }
        };
        // In a task: the others that wait for this load must not depend on one request.
        let loaded = in_task(load).await;
        let Some(mut session) = entry.session().filter(|_| loaded.is_ok()) else {
            cache.remove(&notice, &entry);
            return loaded.map(|()| None);
        };
        if self.is_current(cache, &notice, &entry) {
            cache.weigh(notice, &entry);
        }
        if self.touch_or_warn(id, &mut session).await == Some(true) {
            entry.touched(&session);
        }
        Ok(Some(session))
    }

    fn is_current(&self, cache: &SessionCache, notice: &Notice, entry: &Entry) -> bool {
        entry.edition == self.editions.get(notice) && entry.created.elapsed() < cache.bound
    }

    /// Returns a session that was loaded before, if it has not expired since.
    fn now_active(&self, mut loaded: LoadedSession) -> Option<LoadedSession> {
        // A touch may have moved its expiry.
        loaded.expires_at = loaded.timeouts.limit(loaded.expire);
        (loaded.expires_at > self.now()).then_some(loaded)
    }

    /// Returns the session of an entry, and touches it if that is due. Returns `None` if it has to be read again:
    /// it has expired, but may have been touched elsewhere, or the touch found no such row.
    async fn kept(&self, entry: &Entry, id: &Id) -> Option<LoadedSession> {
        let before = self.now_active(entry.session()?)?;
        let mut loaded = before.clone();
        match self.touch_or_warn(id, &mut loaded).await {
            None => Some(loaded),
            Some(true) => {
                entry.touched(&loaded);
                Some(loaded)
            }
            Some(false) => {
                // Perhaps another request was faster.
                let now = self.now_active(entry.session()?)?;
                let is_touched = (now.expire, now.last_seen) != (before.expire, before.last_seen);
                is_touched.then_some(now)
            }
        }
    }
}

impl SessionCache {
    fn new(bound: StdDuration, max_bytes: u64) -> Self {
        let entries = Cache::builder()
            .weigher(|_, entry: &Arc<Entry>| entry.bytes().try_into().unwrap_or(u32::MAX))
            .max_capacity(max_bytes)
            .time_to_live(bound);
        Self {
            entries: entries.build(),
            bound,
            max_bytes,
        }
    }

    /// Weighs an entry again, which was inserted before its session was loaded.
    fn weigh(&self, notice: Notice, entry: &Arc<Entry>) {
        self.entries.insert(notice, Arc::clone(entry));
        // Otherwise up to 64 entries wait to be weighed against the limit.
        self.entries.run_pending_tasks();
    }

    /// Removes an entry without a session.
    fn remove(&self, notice: &Notice, entry: &Arc<Entry>) {
        let is_this = |other: Arc<Entry>| Arc::ptr_eq(&other, entry);
        if self.entries.get(notice).is_some_and(is_this) {
            self.entries.invalidate(notice);
            self.entries.run_pending_tasks();
        }
    }
}

impl Entry {
    async fn load<M: SessionModel>(&self, store: &SeaOrmStore<M>, id: &Id) -> Result<()> {
        let select = async || Ok(store.select(id).await?.map(Mutex::new));
        self.session.get_or_try_init(select).await?;
        Ok(())
    }

    fn session(&self) -> Option<LoadedSession> {
        let session = self.session.get()?.as_ref()?;
        Some(lock(session).clone())
    }

    /// Notes a touch.
    fn touched(&self, loaded: &LoadedSession) {
        if let Some(Some(session)) = self.session.get() {
            let mut session = lock(session);
            session.expire = loaded.expire;
            session.last_seen = loaded.last_seen;
        }
    }

    fn bytes(&self) -> usize {
        let session = self.session.get().and_then(Option::as_ref);
        ENTRY_BYTES + session.map_or(0, |session| data_bytes(&lock(session).data))
    }
}

/// Returns how much memory the data take, about.
fn data_bytes(data: &Data) -> usize {
    data.iter().map(entry_bytes).sum()
}

fn entry_bytes((key, value): (&String, &Value)) -> usize {
    size_of::<String>() + key.len() + bytes(value)
}

fn bytes(value: &Value) -> usize {
    let inside = match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(bytes).sum(),
        Value::Object(values) => {
            let nodes = values.len().div_ceil(NODE_ENTRIES);
            nodes * NODE_BYTES + values.iter().map(entry_bytes).sum::<usize>()
        }
        _ => 0,
    };
    size_of::<Value>() + inside
}

fn lock(session: &Mutex<LoadedSession>) -> MutexGuard<'_, LoadedSession> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}
