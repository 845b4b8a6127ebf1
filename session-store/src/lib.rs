#![cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#![doc = include_str!("../docs/crate.md")]
#![doc = include_str!("../docs/guide.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

// The derive's paths start with this name, also for this crate's own entity.
extern crate self as session_store;

mod connect;
mod database_message;
mod error;
#[cfg(feature = "derive")]
pub mod express_session;
pub mod guide;
mod middleware;
mod model;
mod sql;
mod store;
mod telemetry;
mod tower_sessions;

pub use self::tower_sessions::TowerSession;
pub use ::tower_sessions::session::Id;
pub use connect::connect_options;
pub use error::Error;
pub use middleware::{
    DefaultOnError, OnError, SessionInfo, SessionLayer, SessionService, client_address,
};
#[cfg(feature = "axum")]
pub use middleware::{SessionKey, SessionRejection, Typed};
pub use model::{
    ActiveModel, Column, CreatedAt, Data, SessColumn, SessionModel, SessionRef, SidColumn,
    TimestampColumn, VersionColumn, Versioned,
};
#[cfg(feature = "derive")]
pub use session_store_derive::SessionModel;
#[cfg(feature = "listen")]
pub use store::ListenTask;
pub use store::{EndReason, Event, PruneBatches, PruneTask, Pruner, SeaOrmStore};

/// A store over the [default entity](express_session).
#[cfg(feature = "derive")]
pub type DefaultStore = SeaOrmStore<express_session::Model>;

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// What derived code refers to. Not part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use http::request::Parts;
    pub use sea_orm::ActiveValue::Set;

    pub use crate::model::{
        Columns, Extra, PrimaryKey, Source, Timestamp, Version, authenticated_at, header,
        idle_timeout, require_entity, require_sid_key,
    };
}
