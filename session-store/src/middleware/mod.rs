//! The middleware: tower-sessions' own, with a small store for each request.

mod cookie;
mod finish_request;
mod layer;
mod merge;
mod request_store;
mod row;
mod snapshot;

pub use layer::{SessionLayer, SessionService};
