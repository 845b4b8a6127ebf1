//! The middleware, with a small store for each request.

mod cache_headers;
mod carrier;
mod client_address;
mod cookie;
mod cookie_name;
#[cfg(feature = "axum")]
mod extract;
mod layer;
mod merge;
mod on_error;
mod request_store;
mod row;
mod running_request;
mod service;
mod session_info;
mod snapshot;
mod state;

pub use client_address::client_address;
#[cfg(feature = "axum")]
pub use extract::{SessionKey, SessionRejection, Typed};
pub use layer::SessionLayer;
pub use on_error::{DefaultOnError, OnError};
pub use service::SessionService;
pub use session_info::SessionInfo;
