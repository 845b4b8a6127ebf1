//! What every test stands on: a fresh database for each, a clock it can move, and entities of every
//! kind.

mod clock;
pub mod database;
mod entity;
mod killer;
pub mod kinds;
mod visitor;

pub use clock::Clock;
pub use killer::Killer;
pub use visitor::Visitor;

use std::collections::HashMap;

use sea_orm::DatabaseConnection;
use session_store::{SeaOrmStore, SessionModel};
use time::{Duration, OffsetDateTime};
use tower_sessions::session::{Id, Record};

/// Creates a store on a new table, with a clock that the test moves.
///
/// # Panics
///
/// Panics if the table cannot be created.
pub async fn store<M: SessionModel>(db: DatabaseConnection) -> (SeaOrmStore<M>, Clock) {
    let clock = Clock::new();
    let store = SeaOrmStore::new(db).with_clock(clock.reader());
    store.create_table().await.expect("the table is created");
    (store, clock)
}

/// Timestamps whose texts do not sort as the timestamps do where trailing zeros are cut.
pub fn neighbouring_timestamps(second: OffsetDateTime) -> Vec<OffsetDateTime> {
    [
        0, 1, 5, 10, 500_000, 550_000, 599_999, 600_000, 999_999, 1_000_000, 1_500_000,
    ]
    .map(|micros| second + Duration::microseconds(micros))
    .to_vec()
}

/// Creates a record with this data that expires an hour after `now`.
pub fn record<const N: usize>(now: OffsetDateTime, data: [(&str, serde_json::Value); N]) -> Record {
    Record {
        id: Id::default(),
        data: HashMap::from(data.map(|(key, value)| (key.to_owned(), value))),
        expiry_date: now + Duration::hours(1),
    }
}
