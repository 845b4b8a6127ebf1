//! Giving up connections to a PostgreSQL server that does not write.
//!
//! After a failover, a connection may lead to the old primary, which now follows the new one: by an address that
//! has not changed everywhere yet, or through a proxy that has not noticed. It would stay in the pool for its
//! whole life, refuse to write, and serve sessions that have ended.

use sea_orm::{ConnectionTrait, DatabaseConnection};

use super::database_error::is_shutdown;

/// Ends its own connection if it leads to a standby. SeaORM has no way to close a connection of a pool.
const CLOSE_IF_STANDBY: &str =
    "SELECT pg_terminate_backend(pg_backend_pid()) WHERE pg_is_in_recovery()";

/// A pool hands out its idle connections in turn. More than a pool has by default.
const CONNECTIONS: u32 = 16;

/// Closes idle connections to standbys: all of them, or only the next one if this was done before, because a new
/// connection may lead to a standby again. Returns whether it has closed one.
pub(super) async fn close_standbys(db: &DatabaseConnection, was_done: bool) -> bool {
    let mut has_closed = false;
    for _ in 0..if was_done { 1 } else { CONNECTIONS } {
        match db.execute_unprepared(CLOSE_IF_STANDBY).await {
            Ok(_) => {}
            Err(error) if is_shutdown(&error) => has_closed = true,
            Err(_) => return has_closed,
        }
    }
    has_closed
}
