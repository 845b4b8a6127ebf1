//! The faults, one by one, and on which database each is put.

pub(crate) mod kill;
pub(crate) mod prune;
pub(crate) mod restart;
pub(crate) mod sqlite;

use std::fmt;
use std::time::Duration;

use anyhow::Result;

use crate::figures::Figures;
use crate::servers::{Kind, Server};
use crate::subject::Store;

/// What came of a scenario.
pub(crate) struct Outcome {
    pub(crate) figures: Figures,
    /// What was done to the database, for the notes under the table.
    pub(crate) fault: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Connections are killed again and again.
    Kill(Kind),
    /// The server is restarted.
    Restart(Kind),
    /// Several processes write to one file.
    Sqlite,
    /// Rows are pruned while others are created and saved.
    Prune,
}

impl Scenario {
    pub(crate) const ALL: [Self; 6] = [
        Self::Kill(Kind::Postgres),
        Self::Kill(Kind::MariaDb),
        Self::Restart(Kind::Postgres),
        Self::Restart(Kind::MariaDb),
        Self::Sqlite,
        Self::Prune,
    ];

    /// What `--only` calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kill(_) => "kill",
            Self::Restart(_) => "restart",
            Self::Sqlite => "sqlite",
            Self::Prune => "prune",
        }
    }

    /// Where it takes place; SQLite has no server.
    pub(crate) fn server(self) -> Option<Kind> {
        match self {
            Self::Kill(kind) | Self::Restart(kind) => Some(kind),
            Self::Sqlite => None,
            Self::Prune => Some(Kind::MariaDb),
        }
    }

    /// Runs it on a server of its kind.
    pub(crate) async fn run(
        self,
        store: Store,
        server: Option<&mut Server>,
        time: Duration,
    ) -> Result<Outcome> {
        match (self, server) {
            (Self::Kill(_), Some(server)) => kill::run(store, server, time).await,
            (Self::Restart(_), Some(server)) => restart::run(store, server, time).await,
            (Self::Prune, Some(server)) => prune::run(store, server, time).await,
            (Self::Sqlite, _) => sqlite::run(store, time).await,
            (_, None) => anyhow::bail!("{self} needs a server"),
        }
    }

    /// A database for this scenario and store alone.
    pub(crate) async fn database(self, store: Store, server: &Server) -> Result<String> {
        let name = format!("{}_{store:?}", self.name()).to_lowercase();
        server.create_database(&name).await
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.server() {
            Some(kind) => write!(f, "{}, {kind}", self.name()),
            None => f.write_str(self.name()),
        }
    }
}
