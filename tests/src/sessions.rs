//! A store over a new table, sessions for it, and the rows as they are.

use std::collections::HashMap;

use sea_orm::{DatabaseConnection, EntityTrait};
use serde_json::Value;
use session_store::{SeaOrmStore, SessionModel};
use time::{Duration, OffsetDateTime};
use tower_sessions_core::SessionStore;
use tower_sessions_core::session::{Id, Record};

use crate::Clock;

/// Creates a store over a new table, with a clock that only the test moves.
///
/// # Panics
///
/// Panics if the table cannot be created.
pub async fn store<M: SessionModel>(db: DatabaseConnection) -> (SeaOrmStore<M>, Clock) {
    let clock = Clock::new();
    let store = SeaOrmStore::new(db).with_clock(clock.reader());
    store.create_table().await.expect("creates the table");
    (store, clock)
}

/// Returns another store over the same table, with the same clock and without timeouts.
pub fn without_timeouts<M: SessionModel>(store: &SeaOrmStore<M>, clock: &Clock) -> SeaOrmStore<M> {
    SeaOrmStore::new(store.db().clone()).with_clock(clock.reader())
}

/// Returns a record with this data that expires an hour after `now`.
pub fn record<const N: usize>(now: OffsetDateTime, data: [(&str, Value); N]) -> Record {
    Record {
        id: Id::default(),
        data: HashMap::from(data.map(|(key, value)| (key.to_owned(), value))),
        expiry_date: now + Duration::hours(1),
    }
}

/// Creates a session with this data that expires an hour after `now`.
///
/// # Panics
///
/// Panics if the session cannot be created.
pub async fn new_session<const N: usize>(
    store: &impl SessionStore,
    now: OffsetDateTime,
    data: [(&str, Value); N],
) -> Record {
    let mut session = record(now, data);
    store.create(&mut session).await.expect("creates a session");
    session
}

/// Creates a session for each expiry and returns them in the same order.
///
/// # Panics
///
/// Panics if a session cannot be created.
pub async fn create_expiring<M: SessionModel>(
    store: &SeaOrmStore<M>,
    expiries: &[OffsetDateTime],
) -> Vec<Record> {
    let mut sessions = Vec::new();
    for expiry in expiries {
        let mut session = record(*expiry, []);
        session.expiry_date = *expiry;
        store.create(&mut session).await.expect("creates a session");
        sessions.push(session);
    }
    sessions
}

/// Returns timestamps after `second` whose texts sort in another order when trailing zeros are cut.
pub fn neighbouring_timestamps(second: OffsetDateTime) -> Vec<OffsetDateTime> {
    [
        0, 1, 5, 10, 500_000, 550_000, 599_999, 600_000, 999_999, 1_000_000, 1_500_000,
    ]
    .map(|micros| second + Duration::microseconds(micros))
    .to_vec()
}

/// Counts the rows of the table, also those of expired sessions.
///
/// # Panics
///
/// Panics if the rows cannot be read.
pub async fn row_count<M: SessionModel>(store: &SeaOrmStore<M>) -> usize {
    let rows = M::Entity::find().all(store.db()).await;
    rows.expect("reads the rows").len()
}

/// Returns the expiry in the row of a session, whatever the store's timeouts and clock.
///
/// # Panics
///
/// Panics if the session has no readable row.
pub async fn row_expiry<M: SessionModel>(
    store: &SeaOrmStore<M>,
    session: &Record,
) -> OffsetDateTime {
    let reader = SeaOrmStore::<M>::new(store.db().clone());
    let reader = reader.with_clock(|| OffsetDateTime::UNIX_EPOCH);
    let loaded = reader.load(&session.id).await.expect("reads the row");
    loaded.expect("the session has a row").expiry_date
}
