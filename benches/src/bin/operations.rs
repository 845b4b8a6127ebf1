//! Measures each operation of each store, and the ratios between stores.
//!
//! The stores take turns of a tenth of a second, so that other load on the machine slows all of them.

use anyhow::Result;
use benches::database::{KINDS, Kind};
use benches::operation::Operation;
use benches::report::{self, Plot, cell, median};
use benches::rounds::{rounds, timed};
use benches::subject::{Subject, data};
use benches::{SIZE, TASKS, ours, sqlx_store, statement};
use tokio::runtime::Runtime;

// The stores, as indexes into a measurement's rounds.
const STATEMENT: usize = 0;
const BY_HAND: usize = 1;
const OURS: usize = 2;
const SQLX_STORE: usize = 3;
const DEFAULT_POOL: usize = 4;

fn main() -> Result<()> {
    let runtime = Runtime::new()?;
    let mut measured = Vec::new();
    for kind in KINDS {
        compare_on(&runtime, kind, &mut measured)?;
    }
    let header = [
        "database",
        "operation",
        "tasks",
        "ours / sqlx-store",
        "ours / statement",
        "ours / by hand",
        "statement µs",
        "by hand µs",
        "ours µs",
        "sqlx-store µs",
        "ours, SeaORM's default pool µs",
    ];
    let rows: Vec<_> = measured.iter().map(Measured::cells).collect();
    let mut text = report::table(2, &header, &rows);
    for (tasks, label) in [(1, "one task"), (32, "32 tasks")] {
        let plot = Plot {
            name: &format!("operations-{tasks}"),
            title: &format!("Relative time of an operation, {label}"),
            axis: "ours / other (below 1: ours is faster)",
            series: &[
                "compared with tower-sessions-sqlx-store",
                "compared with the bare statement",
            ],
        };
        let groups: Vec<_> = measured
            .iter()
            .filter(|measured| measured.tasks == tasks)
            .map(|measured| {
                let label = format!("{} {}", measured.kind.name(), measured.operation.name());
                let ratios =
                    [SQLX_STORE, STATEMENT].map(|other| measured.ratio(other).unwrap_or(0.0));
                (label, ratios.to_vec())
            })
            .collect();
        text += "\n";
        text += &plot.bars(&groups, Some(1.0))?;
    }
    report::write("operations", &text)
}

/// The figures of one operation.
struct Measured {
    kind: Kind,
    operation: Operation,
    tasks: u64,
    /// For each store, the microseconds per operation of each round.
    rounds: Vec<Vec<f64>>,
}

impl Measured {
    /// Returns the median of the rounds' ratios of our store to another.
    fn ratio(&self, other: usize) -> Option<f64> {
        let ratios = self.rounds[OURS].iter().zip(&self.rounds[other]);
        median(ratios.map(|(ours, other)| ours / other).collect())
    }

    fn cells(&self) -> Vec<String> {
        let names = [self.kind.name(), self.operation.name()].map(str::to_owned);
        let ratios = [SQLX_STORE, STATEMENT, BY_HAND].map(|other| cell(self.ratio(other), 2));
        let micros = self
            .rounds
            .iter()
            .map(|times| cell(median(times.clone()), 0));
        let names = names.into_iter().chain([self.tasks.to_string()]);
        names.chain(ratios).chain(micros).collect()
    }
}

fn compare_on(runtime: &Runtime, kind: Kind, measured: &mut Vec<Measured>) -> Result<()> {
    let data = data(SIZE);
    let database = |name| runtime.block_on(kind.create_database(name));
    // Each store has a table and a pool to itself.
    let databases = [
        database("statement")?,
        database("by_hand")?,
        database("ours")?,
        database("sqlx_store")?,
        database("ours_default_pool")?,
    ];
    let url = |store: usize| databases[store].url.as_str();
    let open = |store| runtime.block_on(ours::open(url(store)));
    macro_rules! compare {
        ($statement:ident, $sqlx_store:ident) => {{
            let statement = statement::$statement::new(&open(STATEMENT)?, &data)?;
            let by_hand = statement::$statement::new(&open(BY_HAND)?, &data)?.by_hand();
            let ours = open(OURS)?;
            let sqlx_store = runtime.block_on(sqlx_store::$sqlx_store(url(SQLX_STORE)))?;
            let default_pool = runtime.block_on(ours::open_with_default_pool(url(DEFAULT_POOL)))?;
            for operation in Operation::ALL {
                for tasks in TASKS {
                    let mut stores = vec![
                        Some(timed(runtime, operation, tasks, &statement, &data)?),
                        Some(timed(runtime, operation, tasks, &by_hand, &data)?),
                        Some(timed(runtime, operation, tasks, &ours, &data)?),
                        None,
                        Some(timed(runtime, operation, tasks, &default_pool, &data)?),
                    ];
                    if operation.is_in_sqlx_store() {
                        let timed = timed(runtime, operation, tasks, &sqlx_store, &data)?;
                        stores[SQLX_STORE] = Some(timed);
                    }
                    measured.push(Measured {
                        kind,
                        operation,
                        tasks,
                        rounds: rounds(&stores)?,
                    });
                    runtime.block_on(async {
                        statement.clear().await?;
                        by_hand.clear().await?;
                        ours.clear().await?;
                        default_pool.clear().await?;
                        sqlx_store.clear().await
                    })?;
                }
            }
        }};
    }
    match kind {
        Kind::Sqlite => compare!(Sqlite, sqlite),
        Kind::Postgres => compare!(Postgres, postgres),
        Kind::MariaDb => compare!(MySql, mysql),
    }
    Ok(())
}
