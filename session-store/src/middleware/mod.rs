//! The middleware, with a small store for each request.

mod cookie;
mod layer;
mod merge;
mod request_store;
mod row;
mod running_request;
mod service;
mod snapshot;

pub use layer::SessionLayer;
pub use service::SessionService;
