//! Measures what each operation costs on a Galera cluster of three nodes and of one, with causality and without.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use benches::operation::Operation;
use benches::report::{self, cell, median};
use benches::rounds::{rounds, timed};
use benches::subject::data;
use benches::{SIZE, TASKS, ours, sqlx_store, statement};
use sea_orm::{ConnectionTrait, Database};
use tokio::runtime::Runtime;

const CLUSTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/cluster");

fn main() -> Result<()> {
    let runtime = Runtime::new()?;
    let mut rows = Vec::new();
    measure(&runtime, 3, &mut rows)?;
    cluster("galera 3 stop")?;
    cluster("galera 2 stop")?;
    measure(&runtime, 1, &mut rows)?;
    let header = [
        "nodes",
        "operation",
        "tasks",
        "causal statement / statement",
        "ours / causal statement",
        "statement µs",
        "causal statement µs",
        "ours µs",
        "sqlx-store µs",
    ];
    report::write("cluster", &report::table(2, &header, &rows))
}

fn measure(runtime: &Runtime, nodes: u32, rows: &mut Vec<Vec<String>>) -> Result<()> {
    let data = data(SIZE);
    let open = |name: &str| {
        let url = create_database(runtime, &format!("{name}_{nodes}"))?;
        runtime.block_on(ours::open(&url))
    };
    let statement = statement::MySql::new(&open("statement")?, &data)?;
    let causal = statement::CausalMySql::new(&open("causal")?, &data)?;
    let ours = open("ours")?;
    let url = create_database(runtime, &format!("sqlx_store_{nodes}"))?;
    let sqlx_store = runtime.block_on(sqlx_store::mysql(&url))?;
    for operation in Operation::ALL {
        for tasks in TASKS {
            let mut stores = vec![
                Some(timed(runtime, operation, tasks, &statement, &data)?),
                Some(timed(runtime, operation, tasks, &causal, &data)?),
                Some(timed(runtime, operation, tasks, &ours, &data)?),
                None,
            ];
            if operation.is_in_sqlx_store() {
                stores[3] = Some(timed(runtime, operation, tasks, &sqlx_store, &data)?);
            }
            let rounds = rounds(&stores)?;
            let ratio = |store: usize, other: usize| {
                let ratios = rounds[store].iter().zip(&rounds[other]);
                cell(
                    median(ratios.map(|(store, other)| store / other).collect()),
                    2,
                )
            };
            let mut row = vec![
                nodes.to_string(),
                operation.name().to_owned(),
                tasks.to_string(),
                ratio(1, 0),
                ratio(2, 1),
            ];
            row.extend(rounds.iter().map(|times| cell(median(times.clone()), 0)));
            rows.push(row);
        }
    }
    Ok(())
}

/// Creates a database on the first node and returns its URL.
fn create_database(runtime: &Runtime, name: &str) -> Result<String> {
    let server = cluster("url galera 1")?;
    runtime.block_on(async {
        let admin = Database::connect(&server).await?;
        admin
            .execute_unprepared(&format!("CREATE DATABASE {name}"))
            .await?;
        anyhow::Ok(())
    })?;
    let (address, _) = server
        .rsplit_once('/')
        .context("missing database of the URL")?;
    Ok(format!("{address}/{name}"))
}

/// Runs `tests/cluster` with these arguments and returns its output.
fn cluster(arguments: &str) -> Result<String> {
    let output = Command::new(CLUSTER).args(arguments.split(' ')).output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments}: {error}");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
