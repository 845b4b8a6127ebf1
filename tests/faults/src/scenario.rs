//! The scenarios: a fault, and the database that it is injected into.

pub(crate) mod cluster;
pub(crate) mod down;
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

/// The result of a scenario.
pub(crate) struct Outcome {
    pub(crate) figures: Figures,
    /// What was done to the database, for the note under the table.
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
    /// The database is down. [`down::run`] measures something else than the others.
    Down(Kind),
    /// A node of a cluster fails, or none does.
    Cluster(cluster::Fault),
}

impl Scenario {
    pub(crate) const ALL: [Self; 14] = [
        Self::Kill(Kind::Postgres),
        Self::Kill(Kind::MariaDb),
        Self::Restart(Kind::Postgres),
        Self::Restart(Kind::MariaDb),
        Self::Sqlite,
        Self::Prune,
        Self::Down(Kind::Postgres),
        Self::Down(Kind::MariaDb),
        Self::Cluster(cluster::Fault::NodeToNode),
        Self::Cluster(cluster::Fault::GaleraKill),
        Self::Cluster(cluster::Fault::GaleraFreeze),
        Self::Cluster(cluster::Fault::GaleraIsolate),
        Self::Cluster(cluster::Fault::GaleraRollingRestart),
        Self::Cluster(cluster::Fault::StandbyTakesOver),
    ];

    /// Returns its name in `--only`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kill(_) => "kill",
            Self::Restart(_) => "restart",
            Self::Sqlite => "sqlite",
            Self::Prune => "prune",
            Self::Down(_) => "down",
            Self::Cluster(_) => "cluster",
        }
    }

    /// Returns the server that it needs. SQLite has none, and clusters are there or not.
    pub(crate) fn server(self) -> Option<Kind> {
        match self {
            Self::Kill(kind) | Self::Restart(kind) | Self::Down(kind) => Some(kind),
            Self::Sqlite | Self::Cluster(_) => None,
            Self::Prune => Some(Kind::MariaDb),
        }
    }

    /// Runs it with one store, unless it is `Down`. `server` is of the kind that [`server`](Self::server) returns.
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
            (Self::Cluster(fault), _) => cluster::run(fault, store, time).await,
            (Self::Down(_), _) => anyhow::bail!("{self} is run with both stores"),
            (_, None) => anyhow::bail!("missing server for {self}"),
        }
    }

    /// Creates a database for this scenario and store, and returns its URL.
    pub(crate) async fn create_database(self, store: Store, server: &Server) -> Result<String> {
        let name = format!("{}_{store:?}", self.name()).to_lowercase();
        server.create_database(&name).await
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.server()) {
            (Self::Cluster(fault), _) => f.write_str(fault.name()),
            (_, Some(kind)) => write!(f, "{}, {kind}", self.name()),
            (_, None) => f.write_str(self.name()),
        }
    }
}
