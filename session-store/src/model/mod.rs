//! The session model: what it describes to the store, and what its columns hold.

mod columns;
mod data;
mod entity;
mod extras;
mod numbers;
mod request_columns;
mod session_model;
mod session_ref;
mod sid;
pub(crate) mod store_keys;
mod types;

pub use columns::{Columns, Timestamp, Version};
pub use data::Data;
pub(crate) use data::{check_depth, has_nul};
pub use entity::{PrimaryKey, require_entity, require_sid_key};
pub use extras::{Extra, Source, authenticated_at, idle_timeout};
pub use request_columns::header;
pub(crate) use request_columns::max_chars;
pub use session_model::{ActiveModel, Column, CreatedAt, SessionModel, Versioned};
pub use session_ref::SessionRef;
pub(crate) use sid::SidForm;
pub use types::{SessColumn, SidColumn, TimestampColumn, VersionColumn};
