//! The table that the actors share: one visitor's session, behind a store of either kind.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::Database;
use serde_json::json;
use session_store::{SeaOrmStore, SessionModel};
use tests::{Clock, entity};
use time::{Duration, OffsetDateTime};
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};

use crate::gate::{Gate, Times};
use crate::table::{self, Table};

entity!(versioned {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(version)]
    pub version: i64,
});

/// A key that only the visitor's first session has.
pub const ORIGIN: &str = "origin";

pub const LIFE: Duration = Duration::hours(2);

/// When the first session ends, if a load is to touch it.
const DUE: Duration = Duration::hours(1);

const MAX_ACTORS: usize = 3;

/// How requests come to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// By `store.layer()`.
    Layer,
    /// By tower-sessions' own layer over the store.
    Bare,
}

#[derive(Clone)]
pub struct World<M: SessionModel> {
    pub gate: Gate,
    pub door: Door,
    /// A store behind the gate for each actor.
    pub stores: Vec<SeaOrmStore<M>>,
    /// The id that the visitor's cookie holds.
    pub id: Id,
    /// The store without the gate.
    plain: SeaOrmStore<M>,
    start: OffsetDateTime,
    is_said_to_merge: bool,
}

impl<M: SessionModel> World<M> {
    pub async fn new(door: Door) -> Self {
        let start = Clock::new().now();
        let gate = Gate::new(Times {
            before: start,
            after: start + DUE,
        });
        let url = url();
        let plain = SeaOrmStore::new(Database::connect(&url).await.unwrap());
        plain.create_table().await.unwrap();
        let mut stores = Vec::new();
        for _ in 0..MAX_ACTORS {
            let clock = gate.clone();
            let store = SeaOrmStore::new(gate.connect(&url).await)
                .with_idle_timeout(LIFE)
                .with_max_bytes(1_000)
                .with_clock(move || clock.now());
            stores.push(store);
        }
        Self {
            gate,
            door,
            stores,
            id: Id::default(),
            plain,
            start,
            is_said_to_merge: false,
        }
    }

    /// A save lays its changes over what other requests have saved.
    pub fn is_merging(&self) -> bool {
        self.is_said_to_merge || self.door == Door::Layer && M::columns().version.is_some()
    }

    /// Expects of the store what it does not promise.
    pub fn pretend_to_merge(&mut self) {
        self.is_said_to_merge = true;
    }

    /// Leaves the first session alone in the table.
    pub async fn reset(&self, is_due: bool) {
        self.plain.delete_all().await.unwrap();
        let data = [(ORIGIN, json!(true)), ("old", json!(true))];
        let mut record = Record {
            id: self.id,
            data: HashMap::from(data.map(|(key, value)| (key.to_owned(), value))),
            expiry_date: self.start + if is_due { DUE } else { LIFE },
        };
        self.plain.create(&mut record).await.unwrap();
        assert_eq!(record.id, self.id);
    }

    pub async fn table(&self) -> Table {
        table::read(self.plain.db()).await
    }
}

/// A database in memory that several connections share.
fn url() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("sqlite:file:model-{next}?mode=memory&cache=shared")
}
