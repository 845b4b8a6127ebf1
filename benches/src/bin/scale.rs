//! What an operation costs on tables of ten thousand to ten million rows, and what pruning a million
//! rows does to those who load and save meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use benches::database::{KINDS, Kind};
use benches::operation::Operation;
use benches::ours::session;
use benches::report::{self, Plot, cell, median};
use benches::subject::{Data, Subject, data};
use benches::{SIZE, ours, peer};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use tokio::runtime::Runtime;

const MILLION: u64 = 1_000_000;

/// Rows that one statement inserts, and the sessions among them that are asked for afterwards.
const CHUNK: u64 = 10_000;
const ASKED: u64 = 200;

const ROUNDS: usize = 21;
const OPERATIONS: u64 = 200;
const TASKS: usize = 32;
const BASELINE: Duration = Duration::from_secs(10);

fn main() -> Result<()> {
    let runtime = Runtime::new()?;
    let mut sizes = Vec::new();
    let mut prunes = Vec::new();
    let mut text = String::new();
    for kind in KINDS {
        let grown = runtime.block_on(grow(kind, &mut prunes))?;
        let series = ["load", "save", "touch", "prune with nothing to do"];
        let plot = Plot {
            name: &format!("scale-{}", kind.name().to_lowercase()),
            title: &format!("{}: an operation, by the rows in the table", kind.name()),
            axis: "round trips of SELECT 1",
            series: &series,
        };
        let lines: Vec<Vec<_>> = (0..series.len())
            .map(|line| {
                let points = grown.iter();
                points
                    .map(|size| (size.live, size.micros[line] / size.ping))
                    .collect()
            })
            .collect();
        text += &plot.lines("live rows", &lines)?;
        let smallest = grown.first().context("no size")?;
        for size in &grown {
            let mut row = vec![kind.name().to_owned(), size.live.to_string()];
            for (micros, first) in size.micros.iter().zip(smallest.micros) {
                let flat = (micros / size.ping) / (first / smallest.ping);
                row.push(format!("{micros:.0} ({flat:.2})"));
            }
            row.push(format!("{:.0}", size.ping));
            sizes.push(row);
        }
    }
    let header = [
        "database",
        "live rows",
        "load µs",
        "save µs",
        "touch µs",
        "prune of nothing µs",
        "SELECT 1 µs",
    ];
    let sizes = report::table(1, &header, &sizes);
    let header = [
        "database",
        "store",
        "prune",
        "p99 beside / without",
        "p50 ms without",
        "p50 ms beside",
        "p99 ms without",
        "p99 ms beside",
        "longest ms beside",
        "prune s",
        "failed",
    ];
    let prunes = report::table(3, &header, &prunes);
    report::write("scale", &format!("{sizes}\n{text}\n{prunes}"))
}

/// A table with so many live rows: microseconds of a load, a save, a touch, a prune, and of the
/// round trip.
struct Size {
    live: f64,
    micros: [f64; 4],
    ping: f64,
}

async fn grow(kind: Kind, prunes: &mut Vec<Vec<String>>) -> Result<Vec<Size>> {
    let data = data(SIZE);
    let json = serde_json::to_string(&data)?;
    let sizes: &[u64] = match kind {
        Kind::Sqlite => &[10_000, MILLION],
        _ => &[10_000, MILLION, 10 * MILLION],
    };
    let url = kind.database("scale").await?;
    let store = ours::open(&url.url).await?;
    if kind == Kind::MariaDb {
        // Sized to the data, as whoever runs it would; 128 MB unless set.
        let sql = "SET GLOBAL innodb_buffer_pool_size = 8 * 1024 * 1024 * 1024";
        store.db().execute_unprepared(sql).await?;
    }
    let mut asked = Vec::new();
    let mut rows = 0;
    let mut grown = Vec::new();
    for &size in sizes {
        while rows < size {
            let sql = ours_filled(kind, rows, CHUNK - ASKED, "+", &json);
            store.db().execute_unprepared(&sql).await?;
            for _ in 0..ASKED {
                asked.push(Subject::create(&store, &data).await?);
            }
            rows += CHUNK;
        }
        settle(kind, store.db(), "session").await?;
        grown.push(size_of(&store, &asked, &data, size).await?);
        eprintln!("{}: {rows} rows", kind.name());
        if size == MILLION {
            for from in (0..MILLION).step_by(100_000) {
                let sql = ours_filled(kind, 100 * MILLION + from, 100_000, "-", &json);
                store.db().execute_unprepared(&sql).await?;
            }
            settle(kind, store.db(), "session").await?;
            prunes.push(pruned(kind, ["ours", "batches of 100"], &store, &asked, &data).await?);
            prunes.push(peers(kind, &json, &data).await?);
        }
    }
    Ok(grown)
}

async fn size_of(
    store: &session::Store,
    asked: &[tower_sessions::session::Id],
    data: &Data,
    live: u64,
) -> Result<Size> {
    // Any of them, so that what is asked for is not what was asked for last.
    let sample: Arc<[_]> = (0..OPERATIONS)
        .map(|_| asked[fastrand::usize(..asked.len())])
        .collect();
    let mut micros: [Vec<f64>; 5] = Default::default();
    #[expect(clippy::cast_precision_loss, reason = "few")]
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
        live: live as f64,
        micros: [load, save, touch, prune],
        ping,
    })
}

/// The peer's table, as large, and its one DELETE.
async fn peers(kind: Kind, json: &str, data: &Data) -> Result<Vec<String>> {
    let url = kind.database("peers").await?;
    let db = Database::connect(&url.url).await?;
    let names = ["peer", "one DELETE"];
    macro_rules! measured {
        ($open:ident, $table:literal) => {{
            let peer = peer::$open(&url.url).await?;
            let mut asked = Vec::new();
            for from in (0..MILLION).step_by(100_000) {
                for (past, sign) in [(0, "+"), (100 * MILLION, "-")] {
                    let sql = peers_filled(kind, $table, past + from, 100_000, sign, json);
                    db.execute_unprepared(&sql).await?;
                }
                for _ in 0..10 * ASKED {
                    asked.push(peer.create(data).await?);
                }
            }
            settle(kind, &db, $table).await?;
            pruned(kind, names, &peer, &asked, data).await
        }};
    }
    match kind {
        Kind::Sqlite => measured!(sqlite, "tower_sessions"),
        Kind::Postgres => measured!(postgres, "tower_sessions.session"),
        Kind::MariaDb => measured!(mysql, "tower_sessions.session"),
    }
}

/// Sessions are loaded and saved by many tasks, first alone and then while expired rows are pruned.
async fn pruned<S: Subject>(
    kind: Kind,
    [store, how]: [&str; 2],
    subject: &S,
    asked: &[S::Key],
    data: &Data,
) -> Result<Vec<String>> {
    let asked: Arc<[S::Key]> = asked.into();
    let without = {
        let wait = async {
            tokio::time::sleep(BASELINE).await;
            Ok(())
        };
        load_and_save(subject, &asked, data, wait).await?
    };
    let beside = load_and_save(subject, &asked, data, subject.prune()).await?;
    eprintln!("{}: {store} pruned in {:?}", kind.name(), beside.lasted);
    let [p50, p99] = [0.5, 0.99].map(|rank| [without.rank(rank), beside.rank(rank)]);
    Ok(vec![
        kind.name().to_owned(),
        store.to_owned(),
        how.to_owned(),
        cell(Some(p99[1] / p99[0]), 2),
        cell(Some(p50[0]), 2),
        cell(Some(p50[1]), 2),
        cell(Some(p99[0]), 2),
        cell(Some(p99[1]), 2),
        cell(Some(beside.rank(1.0)), 0),
        cell(Some(beside.lasted.as_secs_f64()), 1),
        match beside.error {
            None => beside.failed.to_string(),
            Some(error) => format!("{}: the prune ({error})", beside.failed),
        },
    ])
}

/// How long each operation took in milliseconds, sorted, and how many failed.
struct Latencies {
    millis: Vec<f64>,
    failed: usize,
    lasted: Duration,
    error: Option<String>,
}

impl Latencies {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a rank among some"
    )]
    fn rank(&self, rank: f64) -> f64 {
        let last = self.millis.len().saturating_sub(1);
        let place = (last as f64 * rank) as usize;
        self.millis.get(place).copied().unwrap_or(f64::NAN)
    }
}

async fn load_and_save<S: Subject>(
    subject: &S,
    asked: &Arc<[S::Key]>,
    data: &Data,
    meanwhile: impl Future<Output = Result<()>>,
) -> Result<Latencies> {
    let done = Arc::new(AtomicBool::new(false));
    let running: Vec<_> = (0..TASKS)
        .map(|_| {
            let (subject, asked) = (subject.clone(), Arc::clone(asked));
            let (data, done) = (data.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let (mut millis, mut failed) = (Vec::new(), 0);
                while !done.load(Ordering::Relaxed) {
                    let key = &asked[fastrand::usize(..asked.len())];
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
    let outcome = meanwhile.await;
    let lasted = start.elapsed();
    done.store(true, Ordering::Relaxed);
    let (mut millis, mut failed) = (Vec::new(), 0);
    for task in running {
        let (some, some_failed) = task.await?;
        millis.extend(some);
        failed += some_failed;
    }
    millis.sort_by(f64::total_cmp);
    Ok(Latencies {
        millis,
        failed,
        lasted,
        error: outcome.err().map(|error| error.to_string()),
    })
}

/// What a server does by itself in the hours that a table takes to grow.
async fn settle(kind: Kind, db: &DatabaseConnection, table: &str) -> Result<()> {
    let statements: &[String] = &match kind {
        Kind::Sqlite => vec!["ANALYZE".to_owned()],
        Kind::Postgres => vec![format!("VACUUM ANALYZE {table}"), "CHECKPOINT".to_owned()],
        Kind::MariaDb => vec![format!("ANALYZE TABLE {table}")],
    };
    for sql in statements {
        db.execute_unprepared(sql).await?;
    }
    Ok(())
}

/// Inserts sessions that end, or have ended, one to fourteen days from now.
fn ours_filled(kind: Kind, from: u64, count: u64, sign: &str, json: &str) -> String {
    let to = from + count - 1;
    match kind {
        Kind::Sqlite => format!(
            "INSERT INTO session (sid, sess, expire)
             WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to})
             SELECT lower(hex(randomblob(32))), '{json}', strftime('%Y-%m-%dT%H:%M:%SZ', 'now',
                    '{sign}' || (86400 + abs(random() % 1123200)) || ' seconds')
             FROM n"
        ),
        Kind::Postgres => format!(
            "INSERT INTO session (sid, sess, expire)
             SELECT encode(sha256(i::text::bytea), 'hex'), '{json}',
                    now() {sign} interval '1 day' {sign} random() * interval '13 days'
             FROM generate_series({from}, {to}) AS i"
        ),
        Kind::MariaDb => format!(
            "INSERT INTO session (sid, sess, expire)
             SELECT sha2(seq, 256), '{json}',
                    utc_timestamp(6) {sign} INTERVAL floor(86400 + rand() * 1123200) SECOND
             FROM seq_{from}_to_{to}"
        ),
    }
}

/// The same in the peer's table; nobody asks for these rows.
fn peers_filled(kind: Kind, table: &str, from: u64, count: u64, sign: &str, json: &str) -> String {
    let to = from + count - 1;
    match kind {
        Kind::Sqlite => format!(
            "INSERT INTO {table} (id, data, expiry_date)
             WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to})
             SELECT substr(lower(hex(randomblob(32))), 1, 22), '{json}',
                    unixepoch() {sign} (86400 + abs(random() % 1123200))
             FROM n"
        ),
        Kind::Postgres => format!(
            "INSERT INTO {table} (id, data, expiry_date)
             SELECT left(encode(sha256(i::text::bytea), 'base64'), 22), '{json}',
                    now() {sign} interval '1 day' {sign} random() * interval '13 days'
             FROM generate_series({from}, {to}) AS i"
        ),
        Kind::MariaDb => format!(
            "INSERT INTO {table} (id, data, expiry_date)
             SELECT left(sha2(seq, 256), 22), '{json}',
                    utc_timestamp(6) {sign} INTERVAL floor(86400 + rand() * 1123200) SECOND
             FROM seq_{from}_to_{to}"
        ),
    }
}
