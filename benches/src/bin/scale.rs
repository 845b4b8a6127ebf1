//! Measures operations on tables of ten thousand to ten million rows, and how pruning a million rows
//! slows down loads and saves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use benches::database::{KINDS, Kind};
use benches::operation::Operation;
use benches::ours::session;
use benches::report::{self, Plot, cell, median};
use benches::subject::{Data, Subject, data};
use benches::table::{Expiry, Table};
use benches::{SIZE, ours, sqlx_store};
use sea_orm::{ConnectionTrait, Database};
use tokio::runtime::Runtime;

const MILLION: u64 = 1_000_000;

/// Rows that are inserted at a time while a table grows. The store itself creates some of them, because
/// only sessions whose keys are known can be loaded and saved.
const CHUNK: u64 = 10_000;
const KEYS_PER_CHUNK: u64 = 200;

/// Rows that one statement inserts where no keys are needed.
const LARGE_CHUNK: u64 = 100_000;

/// Expired rows are numbered from here, so that their ids differ from those of active ones.
const FIRST_EXPIRED: u64 = 100 * MILLION;

const ROUNDS: usize = 21;
const OPERATIONS: u64 = 200;
const TASKS: usize = 32;

/// How long loads and saves are measured before the prune.
const BASELINE: Duration = Duration::from_secs(10);

fn main() -> Result<()> {
    let runtime = Runtime::new()?;
    let mut sizes = Vec::new();
    let mut prunes = Vec::new();
    let mut text = String::new();
    for kind in KINDS {
        let grown = runtime.block_on(grow(kind, &mut prunes))?;
        let series = ["load", "save", "touch", "prune, nothing expired"];
        let plot = Plot {
            name: &format!("scale-{}", kind.name().to_lowercase()),
            title: &format!("{}: time of an operation by table size", kind.name()),
            axis: "multiples of a SELECT 1",
            series: &series,
        };
        let lines: Vec<Vec<_>> = (0..series.len())
            .map(|line| {
                grown
                    .iter()
                    .map(|size| (size.rows, size.micros[line] / size.ping))
                    .collect()
            })
            .collect();
        text += &plot.lines("active sessions", &lines)?;
        let smallest = grown.first().context("no size")?;
        for size in &grown {
            let mut row = vec![kind.name().to_owned(), size.rows.to_string()];
            for (micros, first) in size.micros.iter().zip(smallest.micros) {
                let growth = (micros / size.ping) / (first / smallest.ping);
                row.push(format!("{micros:.0} ({growth:.2})"));
            }
            row.push(format!("{:.0}", size.ping));
            sizes.push(row);
        }
    }
    let header = [
        "database",
        "active sessions",
        "load µs",
        "save µs",
        "touch µs",
        "prune, nothing expired µs",
        "SELECT 1 µs",
    ];
    let sizes = report::table(1, &header, &sizes);
    let header = [
        "database",
        "store",
        "prune",
        "p99 during / before",
        "p50 ms before",
        "p50 ms during",
        "p99 ms before",
        "p99 ms during",
        "longest ms during",
        "prune s",
        "failed",
    ];
    let prunes = report::table(3, &header, &prunes);
    report::write("scale", &format!("{sizes}\n{text}\n{prunes}"))
}

/// The figures of one table size.
struct Size {
    rows: f64,
    /// Microseconds of a load, a save, a touch and a prune.
    micros: [f64; 4],
    /// Microseconds of a `SELECT 1`.
    ping: f64,
}

/// Grows a table and measures it at each size. At a million rows, also measures the prunes of both
/// stores.
async fn grow(kind: Kind, prunes: &mut Vec<Vec<String>>) -> Result<Vec<Size>> {
    let data = data(SIZE);
    let json = serde_json::to_string(&data)?;
    let sizes: &[u64] = match kind {
        Kind::Sqlite => &[10_000, MILLION],
        _ => &[10_000, MILLION, 10 * MILLION],
    };
    let database = kind.create_database("scale").await?;
    let store = ours::open(&database.url).await?;
    if kind == Kind::MariaDb {
        // The default of 128 MB holds a fraction of ten million rows.
        let sql = "SET GLOBAL innodb_buffer_pool_size = 8 * 1024 * 1024 * 1024";
        store.db().execute_unprepared(sql).await?;
    }
    let table = Table::Ours;
    let mut keys = Vec::new();
    let mut rows = 0;
    let mut grown = Vec::new();
    for &size in sizes {
        while rows < size {
            let sql = table.insert(kind, rows, CHUNK - KEYS_PER_CHUNK, Expiry::Future, &json);
            store.db().execute_unprepared(&sql).await?;
            for _ in 0..KEYS_PER_CHUNK {
                keys.push(Subject::create(&store, &data).await?);
            }
            rows += CHUNK;
        }
        table.maintain(kind, store.db()).await?;
        grown.push(measure_size(&store, &keys, &data, size).await?);
        eprintln!("{}: {rows} rows", kind.name());
        if size == MILLION {
            for from in (0..MILLION).step_by(usize::try_from(LARGE_CHUNK)?) {
                let first = FIRST_EXPIRED + from;
                let sql = table.insert(kind, first, LARGE_CHUNK, Expiry::Past, &json);
                store.db().execute_unprepared(&sql).await?;
            }
            table.maintain(kind, store.db()).await?;
            prunes.push(measure_prune(kind, table, &store, &keys, &data).await?);
            prunes.push(prune_sqlx_store(kind, &json, &data).await?);
        }
    }
    Ok(grown)
}

async fn measure_size(
    store: &session::Store,
    keys: &[tower_sessions::session::Id],
    data: &Data,
    rows: u64,
) -> Result<Size> {
    // Sessions from all over the table, so that they are not the rows that were read last.
    let sample: Arc<[_]> = (0..OPERATIONS)
        .map(|_| keys[fastrand::usize(..keys.len())])
        .collect();
    let mut micros: [Vec<f64>; 5] = Default::default();
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    for _ in 0..ROUNDS {
        for (place, operation) in [Operation::Load, Operation::Save, Operation::Touch]
            .into_iter()
            .enumerate()
        {
            let time = operation.time(store, &sample, data, 1, OPERATIONS).await?;
            micros[place].push(time.as_secs_f64() * 1e6 / OPERATIONS as f64);
        }
        let start = Instant::now();
        store.prune().await?;
        micros[3].push(start.elapsed().as_secs_f64() * 1e6);
        let start = Instant::now();
        for _ in 0..OPERATIONS {
            store.db().execute_unprepared("SELECT 1").await?;
        }
        micros[4].push(start.elapsed().as_secs_f64() * 1e6 / OPERATIONS as f64);
    }
    let [load, save, touch, prune, ping] = micros.map(|micros| median(micros).unwrap_or_default());
    #[expect(clippy::cast_precision_loss, reason = "millions")]
    Ok(Size {
        rows: rows as f64,
        micros: [load, save, touch, prune],
        ping,
    })
}

/// Fills a table of tower-sessions-sqlx-store with as many rows, and measures its prune.
async fn prune_sqlx_store(kind: Kind, json: &str, data: &Data) -> Result<Vec<String>> {
    let database = kind.create_database("sqlx_store").await?;
    let db = Database::connect(&database.url).await?;
    let table = Table::SqlxStore;
    macro_rules! measure {
        ($open:ident) => {{
            let subject = sqlx_store::$open(&database.url).await?;
            let mut keys = Vec::new();
            for from in (0..MILLION).step_by(usize::try_from(LARGE_CHUNK)?) {
                for (first, expiry) in
                    [(from, Expiry::Future), (FIRST_EXPIRED + from, Expiry::Past)]
                {
                    let sql = table.insert(kind, first, LARGE_CHUNK, expiry, json);
                    db.execute_unprepared(&sql).await?;
                }
                for _ in 0..KEYS_PER_CHUNK * LARGE_CHUNK / CHUNK {
                    keys.push(subject.create(data).await?);
                }
            }
            table.maintain(kind, &db).await?;
            measure_prune(kind, table, &subject, &keys, data).await
        }};
    }
    match kind {
        Kind::Sqlite => measure!(sqlite),
        Kind::Postgres => measure!(postgres),
        Kind::MariaDb => measure!(mysql),
    }
}

/// Measures loads and saves by many tasks before and during a prune. Returns a row of the report.
async fn measure_prune<S: Subject>(
    kind: Kind,
    table: Table,
    subject: &S,
    keys: &[S::Key],
    data: &Data,
) -> Result<Vec<String>> {
    let keys: Arc<[S::Key]> = keys.into();
    let baseline = async {
        tokio::time::sleep(BASELINE).await;
        Ok(())
    };
    let before = load_and_save_during(subject, &keys, data, baseline).await?;
    let during = load_and_save_during(subject, &keys, data, subject.prune()).await?;
    let [store, method] = match table {
        Table::Ours => ["ours", "batches of 100"],
        Table::SqlxStore => ["sqlx-store", "one DELETE"],
    };
    eprintln!("{}: {store} pruned in {:?}", kind.name(), during.duration);
    let [p50, p99] = [0.5, 0.99]
        .map(|quantile| [&before, &during].map(|latencies| latencies.quantile(quantile)));
    Ok(vec![
        kind.name().to_owned(),
        store.to_owned(),
        method.to_owned(),
        cell(Some(p99[1] / p99[0]), 2),
        cell(Some(p50[0]), 2),
        cell(Some(p50[1]), 2),
        cell(Some(p99[0]), 2),
        cell(Some(p99[1]), 2),
        cell(Some(during.quantile(1.0)), 0),
        cell(Some(during.duration.as_secs_f64()), 1),
        match during.error {
            None => during.failed.to_string(),
            Some(error) => format!("{}, and the prune ({error})", during.failed),
        },
    ])
}

/// The loads and saves of all tasks.
struct Latencies {
    /// The milliseconds of each operation, sorted.
    millis: Vec<f64>,
    failed: usize,
    /// How long the tasks ran.
    duration: Duration,
    /// The error of the prune.
    error: Option<String>,
}

impl Latencies {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "an index into a vector"
    )]
    fn quantile(&self, quantile: f64) -> f64 {
        let last = self.millis.len().saturating_sub(1);
        let index = (last as f64 * quantile) as usize;
        self.millis.get(index).copied().unwrap_or(f64::NAN)
    }
}

/// Loads and saves random sessions by many tasks until `work` is done.
async fn load_and_save_during<S: Subject>(
    subject: &S,
    keys: &Arc<[S::Key]>,
    data: &Data,
    work: impl Future<Output = Result<()>>,
) -> Result<Latencies> {
    let done = Arc::new(AtomicBool::new(false));
    let running: Vec<_> = (0..TASKS)
        .map(|_| {
            let (subject, keys) = (subject.clone(), Arc::clone(keys));
            let (data, done) = (data.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let (mut millis, mut failed) = (Vec::new(), 0);
                while !done.load(Ordering::Relaxed) {
                    let key = &keys[fastrand::usize(..keys.len())];
                    let start = Instant::now();
                    let outcome = if fastrand::bool() {
                        subject.load(key).await
                    } else {
                        subject.save(key, &data).await
                    };
                    millis.push(start.elapsed().as_secs_f64() * 1e3);
                    failed += usize::from(outcome.is_err());
                }
                (millis, failed)
            })
        })
        .collect();
    let start = Instant::now();
    let outcome = work.await;
    let duration = start.elapsed();
    done.store(true, Ordering::Relaxed);
    let (mut millis, mut failed) = (Vec::new(), 0);
    for task in running {
        let (task_millis, task_failed) = task.await?;
        millis.extend(task_millis);
        failed += task_failed;
    }
    millis.sort_by(f64::total_cmp);
    Ok(Latencies {
        millis,
        failed,
        duration,
        error: outcome.err().map(|error| error.to_string()),
    })
}
