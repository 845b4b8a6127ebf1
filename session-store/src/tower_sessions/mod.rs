//! The traits of tower-sessions over the store, a file for each version.

#[cfg(feature = "tower-sessions-0_14")]
mod v0_14;
mod v0_15;
