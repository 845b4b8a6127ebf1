//! Giving up connections to a PostgreSQL server that does not write.
//!
//! After a failover, a connection may lead to the old primary, which now follows the new one: by an address that
//! has not changed everywhere yet, or through a proxy that has not noticed. It would stay in the pool for its
//! whole life, refuse to write, and serve sessions that have ended.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use tokio::sync::Mutex;

use super::database_error::is_shutdown;

/// Ends its own connection if it leads to a standby, because SeaORM has no way to close a connection of a pool.
/// Otherwise returns whether the primary is read-only.
const CLOSE_STANDBY: &str = "SELECT CASE WHEN pg_is_in_recovery() \
    THEN NOT pg_terminate_backend(pg_backend_pid()) \
    ELSE current_setting('transaction_read_only') = 'on' END";

/// How many connections are looked at. A pool hands out those that are idle in turn, and has ten by default.
const CONNECTIONS: u32 = 16;

const GIVEN_BACK_AFTER: Duration = Duration::from_millis(10);

/// Looks at the connections of a pool, for one statement at a time. All clones of the store share it.
#[derive(Clone, Debug, Default)]
pub(super) struct StandbyCloser(Arc<Mutex<()>>);

impl StandbyCloser {
    /// Closes idle connections to standbys: up to [`CONNECTIONS`], or some if this was done before for the same
    /// statement, because a new connection may lead to a standby again. Returns true if one leads to a primary that
    /// is read-only: then no other will write.
    pub(super) async fn close(&self, db: &DatabaseConnection, was_done: bool) -> bool {
        let Ok(_turn) = self.0.try_lock() else {
            return false;
        };
        // The pool's own task gives the connection back that has refused.
        tokio::time::sleep(GIVEN_BACK_AFTER).await;
        // Not always the same number, or the statement and this could meet the same connections for ever.
        let connections = if was_done {
            fastrand::u32(1..=3)
        } else {
            CONNECTIONS
        };
        for _ in 0..connections {
            let close = Statement::from_string(DbBackend::Postgres, CLOSE_STANDBY);
            match db.query_one_raw(close).await {
                Ok(row) => {
                    let is_read_only = row.and_then(|row| row.try_get_by_index(0).ok());
                    if is_read_only == Some(true) {
                        return true;
                    }
                }
                Err(error) if is_shutdown(&error) => {}
                Err(_) => return false,
            }
        }
        false
    }
}
