//! The middleware: tower-sessions' own, with a small store for each request.

mod cookie;
mod layer;
mod merge;
mod renew_cookie;
mod request_store;
mod snapshot;

pub use layer::{SessionLayer, SessionService};
