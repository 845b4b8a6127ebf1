//! How a connection pool is set up for sessions.

use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait};

/// Servers, proxies and firewalls drop connections that were idle for minutes, not for less.
const TEST_IF_IDLE_FOR: Duration = Duration::from_secs(30);

/// How many statements run at once on an SQLite file. Its readers don't wait for each other; its
/// writers do, and the more of them the longer.
const SQLITE_CONNECTIONS: u32 = 4;

/// Options for a pool that sessions are read from on every request.
///
/// - A connection is tested before use only if it was idle for half a minute. SeaORM's default is a
///   ping before each statement, which is half the time of loading a session. A connection that
///   was lost sooner costs the store nothing, because it [tries again]; other statements of yours on
///   the same pool get the error.
/// - An SQLite file is put into WAL mode, where reading and writing don't wait for each other,
///   and read by up to four connections instead of one. What is committed is durable, as without.
/// - An SQLite database in memory has one connection, which is never closed, because the database
///   ends with it.
///
/// They are SeaORM's own options, to be changed further.
///
/// [tries again]: crate::guide::databases#when-the-database-fails
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
    options.test_before_acquire_if_idle_for(TEST_IF_IDLE_FOR);
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
                        // Kept in the file, so one connection says it for all, and once.
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
