//! What the tests share: a new database for each test, a store with a clock, entities, and an
//! application with a visitor.

mod clock;
mod connection_killer;
pub mod database;
mod entity;
pub mod kinds;
mod layer;
mod on_every_database;
mod proxy;
mod send;
mod session_routes;
mod sessions;
mod statements;
mod visitor;

/// The name of the session cookie, unless a layer has another.
pub const COOKIE_NAME: &str = "__Host-id";

pub use clock::Clock;
pub use connection_killer::ConnectionKiller;
pub use layer::layer;
pub use proxy::Proxy;
pub use send::{Answer, Application, send};
pub use session_routes::session_routes;
pub use sessions::{
    create_expiring, neighbouring_timestamps, new_session, record, row_count, row_expiry, store,
    without_timeouts,
};
pub use statements::count_statements;
pub use visitor::{Response, Visitor};
