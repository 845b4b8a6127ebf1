//! tower-sessions, in each of its versions: its traits over the store, and its `Session`.

mod authentication;
mod backend;
mod session;
#[macro_use]
mod version;

pub(crate) use backend::Backend;
pub use session::TowerSession;

version!(v0_15, tower_sessions);

#[cfg(feature = "tower-sessions-0_14")]
version!(v0_14, tower_sessions_core_0_14);
