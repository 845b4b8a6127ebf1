//! Breaks the clusters of `tests/with-cluster`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sea_orm::ConnectionTrait;
use tokio::process::Command;
use tokio::time::sleep;

use super::Outcome;
use crate::load::Load;
use crate::servers::connect_once;
use crate::subject::{NodeToNode, Store, Subject, Touch};

/// Set by `tests/with-cluster`.
const VARIABLE: &str = "SESSION_STORE_CLUSTER";

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../cluster");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// None: each operation reaches another node of Galera.
    NodeToNode,
    GaleraKill,
    GaleraFreeze,
    GaleraIsolate,
    GaleraRollingRestart,
    StandbyTakesOver,
}

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NodeToNode => "Galera, from node to node",
            Self::GaleraKill => "Galera, a node killed",
            Self::GaleraFreeze => "Galera, a node stands still for 10 s",
            Self::GaleraIsolate => "Galera, a node cut off for 10 s",
            Self::GaleraRollingRestart => "Galera, a rolling restart",
            Self::StandbyTakesOver => "PostgreSQL, a standby takes over",
        }
    }

    fn server(self) -> &'static str {
        match self {
            Self::StandbyTakesOver => "postgres-proxy",
            _ => "galera-proxy",
        }
    }

    /// The commands of `tests/cluster`, each with the seconds before it.
    fn commands(self) -> &'static [(u64, &'static str)] {
        match self {
            Self::NodeToNode => &[],
            Self::GaleraKill => &[(0, "galera 2 kill"), (8, "galera 2 start")],
            Self::GaleraFreeze => &[
                (0, "galera 2 freeze"),
                (10, "galera 2 thaw"),
                (1, "galera 2 wait"),
            ],
            Self::GaleraIsolate => &[
                (0, "galera 2 isolate"),
                (10, "galera 2 join"),
                (1, "galera 2 wait"),
            ],
            Self::GaleraRollingRestart => &[
                (0, "galera 1 stop"),
                (0, "galera 1 start"),
                (2, "galera 2 stop"),
                (0, "galera 2 start"),
                (2, "galera 3 stop"),
                (0, "galera 3 start"),
            ],
            Self::StandbyTakesOver => &[(0, "postgres 1 kill"), (0, "postgres 2 promote")],
        }
    }

    /// The commands that make the cluster again what it was.
    fn repair(self) -> &'static [&'static str] {
        match self {
            Self::StandbyTakesOver => &[
                "postgres 1 follow",
                "postgres 2 kill",
                "postgres 1 promote",
                "postgres 2 follow",
            ],
            _ => &[],
        }
    }
}

/// Returns whether there are clusters.
pub(crate) fn is_running() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

pub(crate) async fn run(fault: Fault, store: Store, time: Duration) -> Result<Outcome> {
    let database = format!("faults_{fault:?}_{store:?}").to_lowercase();
    let url = cluster(&format!("url {}", fault.server())).await?;
    let admin = connect_once(&url).await?;
    admin
        .execute_unprepared(&format!("CREATE DATABASE {database}"))
        .await?;
    admin.close().await?;
    let subject = open(fault, store, &database).await?;
    let load = Load::VISITORS.run(&subject, async {
        sleep(time / 2).await;
        for (pause, command) in fault.commands() {
            sleep(Duration::from_secs(*pause)).await;
            cluster(command).await?;
        }
        sleep(time / 2).await;
        Ok(())
    });
    let (figures, ()) = load.await?;
    for command in fault.repair() {
        cluster(command).await?;
    }
    let commands = fault.commands().iter().map(|(_, command)| *command);
    Ok(Outcome {
        figures,
        fault: commands.collect::<Vec<_>>().join(", "),
    })
}

async fn open(fault: Fault, store: Store, database: &str) -> Result<Arc<dyn Subject>> {
    let servers = match fault {
        Fault::NodeToNode => vec!["galera 1", "galera 2", "galera 3"],
        _ => vec![fault.server()],
    };
    let mut nodes = Vec::new();
    for server in servers {
        let url = cluster(&format!("url {server}")).await?;
        let (server, _) = url
            .rsplit_once('/')
            .context("missing database of the URL")?;
        let url = format!("{server}/{database}");
        nodes.push(store.open(&url, Touch::Rarely).await?);
    }
    Ok(Arc::new(NodeToNode::new(nodes)))
}

/// Runs `tests/cluster` with these arguments and returns its output.
async fn cluster(arguments: &str) -> Result<String> {
    let mut command = Command::new(PROGRAM);
    let output = command.args(arguments.split(' ')).output().await?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments}: {error}");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
