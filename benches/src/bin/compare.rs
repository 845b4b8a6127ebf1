//! The ratios: each operation by each store in turn, a tenth of a second at a time, so that what slows
//! the machine down slows all of them. Prints a table in Markdown.
//!
//! ```sh
//! tests/with-servers cargo run --release --manifest-path benches/Cargo.toml --bin compare [DATABASE …]
//! ```

use std::time::Duration;

use anyhow::Result;
use benches::database::{KINDS, Kind};
use benches::operation::{Operation, create};
use benches::subject::{Data, Subject, data};
use benches::{SESSIONS, SIZE, TASKS, floor, ours, peer};
use tokio::runtime::Runtime;

const ROUNDS: usize = 21;
const A_ROUND: Duration = Duration::from_millis(100);

/// How long so many operations of one store take.
type Timed<'a> = Box<dyn Fn(u64) -> Result<Duration> + 'a>;

fn main() -> Result<()> {
    let runtime = Runtime::new()?;
    println!(
        "| database | operation | tasks | statement | by hand | ours | peer | ours, SeaORM's default pool | ours / statement | ours / by hand | ours / peer |"
    );
    println!("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    let names: Vec<String> = std::env::args().skip(1).collect();
    let is_asked = |kind: &Kind| names.is_empty() || names.iter().any(|name| name == kind.name());
    for kind in KINDS.into_iter().filter(is_asked) {
        compare_on(&runtime, kind)?;
    }
    Ok(())
}

fn compare_on(runtime: &Runtime, kind: Kind) -> Result<()> {
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
                    print(kind, operation, tasks, &rounds(&stores)?);
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

fn print(kind: Kind, operation: Operation, tasks: u64, rounds: &[Vec<f64>]) {
    let micros = rounds.iter().map(|times| cell(median(times.clone()), 0));
    let ratios = [0, 1, 3].map(|other| {
        let ratios = rounds[2].iter().zip(&rounds[other]);
        cell(
            median(ratios.map(|(ours, other)| ours / other).collect()),
            2,
        )
    });
    let cells: Vec<_> = micros.chain(ratios).collect();
    let (kind, operation) = (kind.name(), operation.name());
    println!("| {kind} | {operation} | {tasks} | {} |", cells.join(" | "));
}

fn cell(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.digits$}"))
}

fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}
