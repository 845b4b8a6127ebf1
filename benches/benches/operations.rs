//! Measures each operation of each store on each database with criterion, by one task and by 32 tasks.
//!
//! ```sh
//! tests/with-servers cargo bench --manifest-path benches/Cargo.toml
//! ```

use std::time::Duration;

use anyhow::Result;
use benches::database::{KINDS, Kind};
use benches::operation::{Operation, create};
use benches::subject::{Data, Subject, data};
use benches::{SESSIONS, SIZE, TASKS, ours, sqlx_store, statement};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use tokio::runtime::Runtime;

fn main() -> Result<()> {
    let runtime = Runtime::new()?;
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for kind in KINDS {
        measure_kind(&runtime, &mut criterion, kind)?;
    }
    criterion.final_summary();
    Ok(())
}

fn measure_kind(runtime: &Runtime, criterion: &mut Criterion, kind: Kind) -> Result<()> {
    let data = data(SIZE);
    let database = |name| runtime.block_on(kind.create_database(name));
    let ours_database = database("ours")?;
    let default_pool_database = database("ours_default_pool")?;
    let sqlx_store_database = database("sqlx_store")?;
    let ours = runtime.block_on(ours::open(&ours_database.url))?;
    let default_pool =
        runtime.block_on(ours::open_with_default_pool(&default_pool_database.url))?;
    macro_rules! measure {
        ($statement:ident, $sqlx_store:ident) => {{
            let statement = statement::$statement::new(&ours, &data)?;
            let sqlx_store = runtime.block_on(sqlx_store::$sqlx_store(&sqlx_store_database.url))?;
            for operation in Operation::ALL {
                for tasks in TASKS {
                    let name = format!("{}/{} by {tasks}", kind.name(), operation.name());
                    let mut group = Group {
                        runtime,
                        operation,
                        tasks,
                        data: &data,
                        criterion: criterion.benchmark_group(name),
                    };
                    group.measure("statement", &statement)?;
                    group.measure("by hand", &statement.by_hand())?;
                    group.measure("ours", &ours)?;
                    group.measure("ours, SeaORM's default pool", &default_pool)?;
                    if operation.is_in_sqlx_store() {
                        group.measure("sqlx-store", &sqlx_store)?;
                    }
                    group.criterion.finish();
                }
            }
        }};
    }
    match kind {
        Kind::Sqlite => measure!(Sqlite, sqlite),
        Kind::Postgres => measure!(Postgres, postgres),
        Kind::MariaDb => measure!(MySql, mysql),
    }
    Ok(())
}

/// One operation by a number of tasks, for which stores are compared.
struct Group<'a> {
    runtime: &'a Runtime,
    operation: Operation,
    tasks: u64,
    data: &'a Data,
    criterion: BenchmarkGroup<'a, WallTime>,
}

impl Group<'_> {
    fn measure<S: Subject>(&mut self, name: &str, subject: &S) -> Result<()> {
        let Self {
            runtime,
            operation,
            tasks,
            data,
            ..
        } = *self;
        let sessions = runtime.block_on(create(subject, data, SESSIONS))?;
        let mut outcome = Ok(());
        self.criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let time = operation.time(subject, &sessions, data, tasks, count);
                runtime.block_on(time).unwrap_or_else(|error| {
                    outcome = Err(error);
                    Duration::MAX
                })
            });
        });
        runtime.block_on(subject.clear())?;
        outcome
    }
}
