//! Options of a connection pool for sessions.

use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait};

/// Servers, proxies and firewalls drop connections that were idle for minutes, not for less.
const TEST_IF_IDLE_FOR: Duration = Duration::from_secs(30);

/// How long a request waits for a connection. A server that restarts is usually back by then. SeaORM's
/// default is half a minute, for which every visitor would wait while the database is down.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// The connections to an SQLite file. Its readers do not wait for each other. Its writers do, and longer
/// with more connections.
const SQLITE_CONNECTIONS: u32 = 4;

/// Returns options for a pool from which sessions are read on every request.
///
/// - A connection is tested before use only if it was idle for half a minute. SeaORM's default is a
///   ping before each statement, which doubles the round trips of a load. If a connection was lost more
///   recently, the store [retries](crate::guide::databases#when-the-database-fails). Your own
///   statements on the same pool get the error.
/// - If the database is down, or all connections are in use, a statement fails after five seconds instead
///   of thirty (`acquire_timeout`).
/// - An SQLite file is put into WAL mode, where readers and writers do not wait for each other, and gets
///   up to four connections instead of one. Commits stay durable.
/// - An SQLite database in memory gets one connection, which is never closed, because the database ends
///   with it.
///
/// The result is SeaORM's `ConnectOptions`, which you can change further.
///
/// # Examples
///
/// ```
/// use sea_orm::Database;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), sea_orm::DbErr> {
/// let mut options = session_store::connect_options("sqlite::memory:");
/// options.sqlx_logging(false);
/// let db = Database::connect(options).await?;
/// # Ok(()) }
/// ```
#[must_use]
pub fn connect_options(url: impl Into<String>) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire_if_idle_for(TEST_IF_IDLE_FOR);
    match Sqlite::of(options.get_url()) {
        Some(Sqlite::InMemory) => {
            options
                .max_connections(1)
                .min_connections(1)
                .idle_timeout(None)
                .max_lifetime(None);
        }
        Some(Sqlite::File) => {
            options
                .max_connections(SQLITE_CONNECTIONS)
                .after_connect(|db| {
                    Box::pin(async move {
                        // The file keeps the mode, so one connection sets it for all.
                        let wal = db.execute_unprepared("PRAGMA journal_mode = WAL").await;
                        if let Err(error) = wal {
                            tracing::warn!(%error, "the SQLite file is not in WAL mode");
                        }
                        Ok(())
                    })
                });
        }
        None => {}
    }
    options
}

enum Sqlite {
    InMemory,
    File,
}

impl Sqlite {
    fn of(url: &str) -> Option<Self> {
        let path = url.strip_prefix("sqlite:")?;
        let in_memory = path.contains(":memory:") || path.contains("mode=memory");
        Some(if in_memory {
            Self::InMemory
        } else {
            Self::File
        })
    }
}
