#![cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#![doc = include_str!("../docs/crate.md")]
#![doc = include_str!("../docs/guide.md")]
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

// Links are by reference. `links.md` comes first, so in these docs its definitions win over those at the
// foot of a chapter, which lead from file to file. A doctest is named after the first file: the chapter.
#[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
#[doc = include_str!("../docs/guide.md")]
pub mod guide {
    #[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
    #[doc = include_str!("../docs/quick_start.md")]
    pub mod quick_start {}

    #[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
    #[doc = include_str!("../docs/entity.md")]
    pub mod entity {}

    #[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
    #[doc = include_str!("../docs/extra_columns.md")]
    pub mod extra_columns {}

    #[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
    #[doc = include_str!("../docs/lifetimes.md")]
    pub mod lifetimes {}

    #[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
    #[doc = include_str!("../docs/listing_and_revoking.md")]
    pub mod listing_and_revoking {}

    #[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
    #[doc = include_str!("../docs/recipes.md")]
    pub mod recipes {}

    #[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
    #[doc = include_str!("../docs/migrations.md")]
    pub mod migrations {}

    #[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
    #[doc = include_str!("../docs/pruning.md")]
    pub mod pruning {}

    #[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
    #[doc = include_str!("../docs/databases.md")]
    pub mod databases {}

    #[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
    #[cfg_attr(feature = "tower-sessions-0_14", doc = include_str!("../docs/axum_login.md"))]
    #[cfg_attr(
        not(feature = "tower-sessions-0_14"),
        doc = "With the feature `tower-sessions-0_14`."
    )]
    pub mod axum_login {}

    #[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
    #[doc = include_str!("../docs/operators.md")]
    pub mod operators {}

    #[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
    #[doc = include_str!("../docs/telemetry.md")]
    pub mod telemetry {}

    #[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
    #[doc = include_str!("../docs/caching.md")]
    pub mod caching {}

    #[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
    #[doc = include_str!("../docs/security.md")]
    pub mod security {}

    #[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
    #[doc = include_str!("../docs/testing.md")]
    pub mod testing {}

    #[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
    #[doc = include_str!("../docs/guarantees.md")]
    pub mod guarantees {}

    #[cfg_attr(not(doctest), doc = include_str!("../docs/links.md"))]
    #[doc = include_str!("../docs/scaling.md")]
    pub mod scaling {}
}

// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// What the derived code is made of; no part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use sea_orm::ActiveValue::Set;

    pub use crate::extras::Extra;
    pub use crate::model::{Columns, Timestamp, Version};
}
