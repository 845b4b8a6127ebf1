//! The layer under test.

use session_store::{SeaOrmStore, SessionLayer, SessionModel};
use tower_sessions::Session;

/// Returns the store's layer for the `Session` of the version of tower-sessions that the tests are
/// compiled with.
#[must_use]
#[track_caller]
pub fn layer<M: SessionModel>(store: &SeaOrmStore<M>) -> SessionLayer<M, Session> {
    store.layer_for()
}
