//! Creates an empty database on each kind of server.

use std::env;

use anyhow::{Context, Result};
use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;

/// The kinds of database, in the order of the tables.
pub const KINDS: [Kind; 3] = [Kind::Sqlite, Kind::Postgres, Kind::MariaDb];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
    MariaDb,
}

impl Kind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
        }
    }

    /// Creates an empty database. An SQLite file is deleted when the returned value is dropped; a
    /// database on a server stays until the server is removed.
    ///
    /// # Errors
    ///
    /// Returns an error if the server's URL is not set or the server cannot be reached.
    pub async fn create_database(self, name: &str) -> Result<TemporaryDatabase> {
        let variable = match self {
            Self::Sqlite => {
                let folder = tempfile::tempdir()?;
                let url = format!(
                    "sqlite://{}/{name}.sqlite?mode=rwc",
                    folder.path().display()
                );
                return Ok(TemporaryDatabase {
                    url,
                    _folder: Some(folder),
                });
            }
            Self::Postgres => "SESSION_STORE_POSTGRES_URL",
            Self::MariaDb => "SESSION_STORE_MARIADB_URL",
        };
        let server = env::var(variable).with_context(|| {
            format!("{variable} is not set; run this with `tests/with-servers`")
        })?;
        let (address, _) = server
            .rsplit_once('/')
            .with_context(|| format!("missing database name in {variable}"))?;
        let admin = Database::connect(&server).await?;
        for sql in ["DROP DATABASE IF EXISTS", "CREATE DATABASE"] {
            admin.execute_unprepared(&format!("{sql} {name}")).await?;
        }
        Ok(TemporaryDatabase {
            url: format!("{address}/{name}"),
            _folder: None,
        })
    }
}

/// A database for one measurement.
pub struct TemporaryDatabase {
    pub url: String,
    _folder: Option<TempDir>,
}
