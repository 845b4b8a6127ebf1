//! Each operation on each database: our store, the peer, and the floor; one task, and thirty-two at
//! once.
//!
//! ```sh
//! tests/with-servers cargo bench --manifest-path benches/Cargo.toml
//! ```

use std::time::Duration;

use anyhow::Result;
use benches::database::{KINDS, Kind};
use benches::operation::{Operation, create};
use benches::subject::{Data, Subject, data};
use benches::{SESSIONS, SIZE, TASKS, floor, ours, peer};
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
    let own = runtime.block_on(kind.database("ours"))?;
    let default = runtime.block_on(kind.database("ours_by_default"))?;
    let peers = runtime.block_on(kind.database("peers"))?;
    let ours = runtime.block_on(ours::open(&own.url))?;
    let by_default = runtime.block_on(ours::open_by_default(&default.url))?;
    macro_rules! measure {
        ($floor:ident, $peer:ident) => {{
            let floor = floor::$floor::on(&ours, &data)?;
            let peer = runtime.block_on(peer::$peer(&peers.url))?;
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
                    group.measure("floor", &floor)?;
                    group.measure("by hand", &floor.by_hand())?;
                    group.measure("ours", &ours)?;
                    group.measure("ours, SeaORM's default pool", &by_default)?;
                    if !matches!(operation, Operation::Touch) {
                        group.measure("tower-sessions-sqlx-store", &peer)?;
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
        let mut failed = Ok(());
        self.criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let timed = operation.time(subject, &sessions, data, tasks, count);
                runtime.block_on(timed).unwrap_or_else(|error| {
                    failed = Err(error);
                    Duration::MAX
                })
            });
        });
        runtime.block_on(subject.clear())?;
        failed
    }
}
