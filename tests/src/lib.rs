//! What every test stands on: a fresh database for each, a clock it can move, and entities of every
//! kind.

mod clock;
pub mod database;
mod killer;
pub mod kinds;
mod visitor;

pub use clock::Clock;
pub use killer::Killer;
pub use visitor::Visitor;

use std::collections::HashMap;

use time::{Duration, OffsetDateTime};
use tower_sessions::session::{Id, Record};

/// A record of this data that ends an hour after `now`.
pub fn record<const N: usize>(now: OffsetDateTime, data: [(&str, serde_json::Value); N]) -> Record {
    Record {
        id: Id::default(),
        data: HashMap::from(data.map(|(key, value)| (key.to_owned(), value))),
        expiry_date: now + Duration::hours(1),
    }
}
