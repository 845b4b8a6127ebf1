#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

// The derive names its paths from here, for this crate's own entity too.
extern crate self as session_store;

mod column;
mod connect;
mod cookie;
mod directory;
mod error;
mod execute;
#[cfg(feature = "derive")]
pub mod express_session;
mod extras;
mod health;
mod json;
mod layer;
mod life;
mod load;
mod merge;
mod metrics;
mod model;
mod moments;
mod prepared;
mod prune;
mod record;
mod retry;
mod row;
mod session;
mod sid;
mod store;
mod table;
mod telemetry;
mod tower;
#[cfg(feature = "tower-sessions-0_14")]
mod tower_0_14;
mod view;

pub use column::{SessColumn, SidColumn, TimestampColumn, VersionColumn};
pub use connect::connect_options;
pub use error::Error;
pub use extras::ExtrasOutcome;
pub use layer::{SessionLayer, SessionService};
pub use model::{ActiveModel, Column, CreatedAt, SessionModel};
pub use prune::{PruneBatches, PruneTask, Pruner};
pub use record::{Data, Record};
#[cfg(feature = "derive")]
pub use session_store_derive::SessionModel;
pub use store::SeaOrmStore;
pub use tower_sessions::session::Id;

/// A store over the [default entity](express_session).
#[cfg(feature = "derive")]
pub type DefaultStore = SeaOrmStore<express_session::Model>;

#[doc = include_str!("../docs/guarantees.md")]
pub mod guarantees {}

#[doc = include_str!("../docs/recipes.md")]
pub mod recipes {}

#[doc = include_str!("../docs/scaling.md")]
pub mod scaling {}

#[cfg(feature = "tower-sessions-0_14")]
#[doc = include_str!("../docs/axum_login.md")]
pub mod axum_login {}

#[doc = include_str!("../docs/caching.md")]
pub mod caching {}

#[doc = include_str!("../docs/telemetry.md")]
pub mod telemetry_guide {}

/// What the derived code is made of; no part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use sea_orm::ActiveValue::Set;

    pub use crate::extras::Extra;
    pub use crate::model::{Columns, Timestamp, Version};
}
