//! Injects faults into the databases of session-store and tower-sessions-sqlx-store, and compares how much
//! fails and how much is lost.

mod arguments;
mod figures;
mod load;
mod proxy;
mod scenario;
mod servers;
mod subject;
mod table;
mod versions;

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::{Arguments, USAGE};
use crate::scenario::{Scenario, cluster, down, sqlite};
use crate::servers::{Kind, Server};
use crate::subject::Store;
use crate::table::Row;

#[tokio::main]
async fn main() -> Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let work = work(Arguments::parse(std::env::args().skip(1))?);
    // The servers and processes of this program end when they are dropped, so signals are handled here.
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        _ = terminated.recv() => bail!("terminated"),
    }
}

async fn work(arguments: Arguments) -> Result<()> {
    match arguments {
        Arguments::Help => print!("{USAGE}"),
        Arguments::SqliteWorker(arguments) => sqlite::work(&arguments).await?,
        Arguments::Run { time, scenarios } => run(time, scenarios).await?,
    }
    Ok(())
}

async fn run(time: Duration, mut scenarios: Vec<Scenario>) -> Result<()> {
    let is_cluster = |scenario: &Scenario| matches!(scenario, Scenario::Cluster(_));
    if scenarios.iter().any(is_cluster) && !cluster::is_running() {
        eprintln!("NOT RUN: cluster, which needs tests/with-cluster");
        scenarios.retain(|scenario| !is_cluster(scenario));
    }
    let mut servers = Vec::new();
    for kind in [Kind::Postgres, Kind::MariaDb] {
        if scenarios
            .iter()
            .any(|scenario| scenario.server() == Some(kind))
        {
            eprintln!("starting {kind}");
            servers.push(Server::start(kind).await?);
        }
    }
    println!("{}", versions::line(&servers).await?);
    println!("{} seconds each\n", time.as_secs());

    let (mut rows, mut outages) = (Vec::new(), Vec::new());
    for (turn, scenario) in scenarios.into_iter().enumerate() {
        let server = servers
            .iter()
            .find(|server| Some(server.kind()) == scenario.server());
        if let (Scenario::Down(_), Some(server)) = (scenario, server) {
            eprintln!("{scenario}");
            outages.append(&mut down::run(server).await?);
            continue;
        }
        let mut scenario_rows = Vec::new();
        for store in order(turn) {
            eprintln!("{scenario}: {store}");
            let server = servers
                .iter_mut()
                .find(|server| Some(server.kind()) == scenario.server());
            scenario_rows.push(Row {
                scenario,
                store,
                outcome: scenario.run(store, server, time).await?,
            });
        }
        scenario_rows.sort_by_key(|row| row.store != Store::Ours);
        rows.append(&mut scenario_rows);
    }
    table::print(&rows);
    table::print_outages(&outages);
    for server in &mut servers {
        server.stop().await?;
    }
    Ok(())
}

/// Returns the stores, with a different one first each turn, because a machine or a server may be faster
/// when it is cold, or when it is warm.
fn order(turn: usize) -> [Store; 2] {
    if turn.is_multiple_of(2) {
        [Store::Ours, Store::SqlxStore]
    } else {
        [Store::SqlxStore, Store::Ours]
    }
}
