//! The table with one visitor's session, and the stores through which the actors use it.

use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::StatusCode;
use sea_orm::Database;
use serde_json::json;
use session_store::Id;
use session_store::{SeaOrmStore, SessionModel, Versioned};
use tests::{entity, layer, record, send, store};
use time::{Duration, OffsetDateTime};
use tower_sessions::Session;
use tower_sessions_core::SessionStore;

use super::scheduler::{ClockTimes, Scheduler};
use super::table::{self, Table};

entity!(versioned {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(version)]
    pub version: i64,
});

/// A key that only the visitor's first session has.
pub const ORIGIN: &str = "origin";

pub const IDLE_TIMEOUT: Duration = Duration::hours(2);

/// The idle time left to the first session if a load has to touch it.
const EXPIRES_IN_IF_DUE: Duration = Duration::hours(1);

const MAX_ACTORS: usize = 3;

/// The layer of the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Middleware {
    /// `store.layer()`.
    StoreLayer,
    /// `SessionManagerLayer::new(store)`.
    PlainLayer,
}

#[derive(Clone)]
pub struct Fixture<M: SessionModel> {
    pub scheduler: Scheduler,
    pub middleware: Middleware,
    /// The id in the visitor's cookie.
    pub id: Id,
    /// For each actor, a store whose statements wait for the scheduler.
    stores: Vec<SeaOrmStore<M>>,
    /// Gives a store a cache.
    with_cache: Option<fn(SeaOrmStore<M>) -> SeaOrmStore<M>>,
    /// A store whose statements do not wait.
    pub unscheduled: SeaOrmStore<M>,
    start: OffsetDateTime,
    must_merge: bool,
}

impl<M: SessionModel> Fixture<M> {
    pub async fn new(middleware: Middleware) -> Self {
        let url = url();
        let (unscheduled, clock) = store(Database::connect(&url).await.unwrap()).await;
        let start = clock.now();
        let scheduler = Scheduler::new(ClockTimes {
            before: start,
            after: start + EXPIRES_IN_IF_DUE,
        });
        let mut stores = Vec::new();
        for actor in 0..MAX_ACTORS {
            let clock = scheduler.clone();
            let store = SeaOrmStore::new(scheduler.connect(actor, &url).await)
                .with_idle_timeout(IDLE_TIMEOUT)
                .with_max_bytes(1_000)
                .with_clock(move || clock.now());
            stores.push(store);
        }
        Self {
            scheduler,
            middleware,
            id: Id::default(),
            stores,
            with_cache: None,
            unscheduled,
            start,
            must_merge: false,
        }
    }

    /// Returns whether a save merges its changes with those of other requests.
    pub fn is_merging(&self) -> bool {
        self.must_merge
            || self.middleware == Middleware::StoreLayer && M::columns().version.is_some()
    }

    /// Requires merging of a store that does not merge.
    pub fn require_merging(&mut self) {
        self.must_merge = true;
    }

    /// Each actor is a process of its own, which has the session in its cache from before the run.
    pub fn with_cache(mut self) -> Self
    where
        M: Versioned,
    {
        self.with_cache = Some(|store| store.with_cache(Duration::DAY));
        self
    }

    pub fn is_cached(&self) -> bool {
        self.with_cache.is_some()
    }

    /// Returns the stores of the actors.
    pub async fn stores(&self, is_due: bool) -> Vec<SeaOrmStore<M>> {
        let Some(with_cache) = self.with_cache else {
            return self.stores.clone();
        };
        // When the session was last used, no load had to touch it.
        self.scheduler.prepare(self.expiry(is_due) - IDLE_TIMEOUT);
        let stores: Vec<_> = self.stores.iter().cloned().map(with_cache).collect();
        for store in &stores {
            let read = |session: Session| async move {
                !matches!(session.get_value(ORIGIN).await, Ok(Some(_)))
            };
            let answer = send(layer(store), Some(self.id), read).await;
            assert_eq!(answer.status, StatusCode::OK);
        }
        stores
    }

    /// Leaves only the first session in the table.
    pub async fn reset(&self, is_due: bool) {
        self.unscheduled.delete_all().await.unwrap();
        let data = [(ORIGIN, json!(true)), ("old", json!(true))];
        let mut record = record(self.start, data);
        record.id = self.id;
        record.expiry_date = self.expiry(is_due);
        self.unscheduled.create(&mut record).await.unwrap();
        assert_eq!(record.id, self.id);
    }

    fn expiry(&self, is_due: bool) -> OffsetDateTime {
        let expires_in = if is_due {
            EXPIRES_IN_IF_DUE
        } else {
            IDLE_TIMEOUT
        };
        self.start + expires_in
    }

    pub async fn table(&self) -> Table {
        table::read(self.unscheduled.db()).await
    }
}

/// Returns the URL of a new database in memory that several connections share.
fn url() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("sqlite:file:model-{next}?mode=memory&cache=shared")
}
