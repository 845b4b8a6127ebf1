//! The ratios: each operation by each store in turn, a tenth of a second at a time, so that what slows
//! the machine down slows all of them.

use std::time::Duration;

use anyhow::Result;
use benches::database::{KINDS, Kind};
use benches::operation::{Operation, create};
use benches::report::{self, Plot, cell, median};
use benches::subject::{Data, Subject, data};
use benches::{SESSIONS, SIZE, TASKS, floor, ours, peer};
use tokio::runtime::Runtime;

const ROUNDS: usize = 21;
const A_ROUND: Duration = Duration::from_millis(100);

/// How long so many operations of one store take.
type Timed<'a> = Box<dyn Fn(u64) -> Result<Duration> + 'a>;

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
        "ours / peer",
        "ours / statement",
        "ours / by hand",
        "statement",
        "by hand",
        "ours",
        "peer",
        "ours, SeaORM's default pool",
    ];
    let rows: Vec<_> = measured.iter().map(Measured::cells).collect();
    let mut text = report::table(2, &header, &rows);
    for (tasks, name) in [(1, "operations-1"), (32, "operations-32")] {
        let plot = Plot {
            name,
            title: &format!(
                "Time of an operation beside the peer's and the bare statement's, {tasks} at once"
            ),
            axis: "ours / other (below 1: ours is faster)",
            series: &[
                "beside tower-sessions-sqlx-store",
                "beside the bare statement",
            ],
        };
        let groups: Vec<_> = measured
            .iter()
            .filter(|it| it.tasks == tasks)
            .map(|it| {
                let label = format!("{} {}", it.kind.name(), it.operation.name());
                let ratios = [3, 0].map(|other| it.ratio(other).unwrap_or(0.0));
                (label, ratios.to_vec())
            })
            .collect();
        text += "\n";
        text += &plot.bars(&groups, Some(1.0))?;
    }
    report::write("operations", &text)
}

/// One operation: for each store, microseconds of each round.
struct Measured {
    kind: Kind,
    operation: Operation,
    tasks: u64,
    rounds: Vec<Vec<f64>>,
}

impl Measured {
    /// The median of the rounds' ratios of our store to another.
    fn ratio(&self, other: usize) -> Option<f64> {
        let ratios = self.rounds[2].iter().zip(&self.rounds[other]);
        median(ratios.map(|(ours, other)| ours / other).collect())
    }

    fn cells(&self) -> Vec<String> {
        let names = [self.kind.name(), self.operation.name()].map(str::to_owned);
        let ratios = [3, 0, 1].map(|other| cell(self.ratio(other), 2));
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
    let database = |name| runtime.block_on(kind.database(name));
    let urls = [
        database("statements")?,
        database("by_hand")?,
        database("ours")?,
        database("peers")?,
        database("ours_by_default")?,
    ];
    macro_rules! compare {
        ($floor:ident, $peer:ident) => {{
            // Each on a table and a pool of its own.
            let open = |url: usize| runtime.block_on(ours::open(&urls[url].url));
            let statement = floor::$floor::on(&open(0)?, &data)?;
            let by_hand = floor::$floor::on(&open(1)?, &data)?.by_hand();
            let ours = open(2)?;
            let peer = runtime.block_on(peer::$peer(&urls[3].url))?;
            let by_default = runtime.block_on(ours::open_by_default(&urls[4].url))?;
            for operation in Operation::ALL {
                for tasks in TASKS {
                    let mut stores = vec![
                        Some(timed(runtime, operation, tasks, &statement, &data)?),
                        Some(timed(runtime, operation, tasks, &by_hand, &data)?),
                        Some(timed(runtime, operation, tasks, &ours, &data)?),
                        None,
                        Some(timed(runtime, operation, tasks, &by_default, &data)?),
                    ];
                    if !matches!(operation, Operation::Touch) {
                        stores[3] = Some(timed(runtime, operation, tasks, &peer, &data)?);
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
                        by_default.clear().await?;
                        peer.clear().await
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

fn timed<'a, S: Subject>(
    runtime: &'a Runtime,
    operation: Operation,
    tasks: u64,
    subject: &'a S,
    data: &'a Data,
) -> Result<Timed<'a>> {
    let sessions = runtime.block_on(create(subject, data, SESSIONS))?;
    Ok(Box::new(move |count| {
        runtime.block_on(operation.time(subject, &sessions, data, tasks, count))
    }))
}

/// Microseconds for each operation: for each store, one number a round; none where it has no such
/// operation.
fn rounds(timed: &[Option<Timed<'_>>]) -> Result<Vec<Vec<f64>>> {
    let mut counts = Vec::new();
    for timed in timed {
        counts.push(match timed {
            Some(timed) => calibrated(timed)?,
            None => 0,
        });
    }
    let mut rounds = vec![Vec::new(); timed.len()];
    for round in 0..ROUNDS {
        // Who is first takes turns.
        for turn in 0..timed.len() {
            let store = (round + turn) % timed.len();
            if let Some(timed) = &timed[store] {
                let time = timed(counts[store])?;
                let count = u32::try_from(counts[store])?;
                rounds[store].push(time.as_secs_f64() * 1e6 / f64::from(count));
            }
        }
    }
    Ok(rounds)
}

/// How many operations take a round's time.
fn calibrated(timed: &Timed<'_>) -> Result<u64> {
    let mut count = 32;
    loop {
        let time = timed(count)?;
        if time * 2 >= A_ROUND {
            let fits = u128::from(count) * A_ROUND.as_nanos() / time.as_nanos().max(1);
            return Ok(u64::try_from(fits)?.max(32));
        }
        count *= 2;
    }
}
