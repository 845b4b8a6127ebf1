//! Where the sessions are: a fresh database on each kind of server.

use std::env;

use anyhow::{Context, Result};
use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;

/// The kinds of database, by the names that results have.
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

    /// A database of its own, which is gone when this is dropped or its server ends.
    ///
    /// # Errors
    ///
    /// There is no such server; `tests/with-servers` starts them.
    pub async fn database(self, name: &str) -> Result<Url> {
        let variable = match self {
            Self::Sqlite => {
                let folder = tempfile::tempdir()?;
                let url = format!(
                    "sqlite://{}/{name}.sqlite?mode=rwc",
                    folder.path().display()
                );
                return Ok(Url {
                    url,
                    _folder: Some(folder),
                });
            }
            Self::Postgres => "SESSION_STORE_POSTGRES_URL",
            Self::MariaDb => "SESSION_STORE_MARIADB_URL",
        };
        let server = env::var(variable)
            .with_context(|| format!("{variable} is not set: run this by tests/with-servers"))?;
        let (address, _) = server
            .rsplit_once('/')
            .context("a URL without a database")?;
        let admin = Database::connect(&server).await?;
        for sql in ["DROP DATABASE IF EXISTS", "CREATE DATABASE"] {
            admin.execute_unprepared(&format!("{sql} {name}")).await?;
        }
        Ok(Url {
            url: format!("{address}/{name}"),
            _folder: None,
        })
    }
}

/// The URL of a database.
pub struct Url {
    pub url: String,
    _folder: Option<TempDir>,
}
