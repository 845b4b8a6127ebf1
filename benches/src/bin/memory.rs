//! Measures the instructions and the allocations of an operation, by the size of the session.
//!
//! With arguments, it runs one operation many times, so that a profiler can be attached. With `heap`, it
//! then prints the bytes and blocks that each run of the operation allocates:
//!
//! ```sh
//! tests/with-servers cargo run --release --manifest-path benches/Cargo.toml --bin memory -- \
//!     PostgreSQL ours load 1024 1000 heap
//! ```

use std::env;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use benches::database::{KINDS, Kind};
use benches::report;
use benches::subject::{Data, Subject, data};
use benches::{ours, sqlx_store, statement};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.is_empty() {
        return report_all();
    }
    let [kind, store, operation, size, count, heap @ ..] = arguments.as_slice() else {
        bail!("usage: memory DATABASE statement|ours|sqlx-store OPERATION BYTES COUNT [heap]");
    };
    let heap = !heap.is_empty();
    let kind = KINDS
        .into_iter()
        .find(|candidate| candidate.name() == kind)
        .with_context(|| format!("expected SQLite, PostgreSQL or MariaDB, found {kind}"))?;
    let (data, count) = (data(size.parse()?), count.parse()?);
    let database = kind.create_database("profiled").await?;
    let url = &database.url;
    macro_rules! run {
        ($statement:ident, $sqlx_store:ident) => {
            match store.as_str() {
                "statement" => {
                    let statement = statement::$statement::new(&ours::open(url).await?, &data)?;
                    run(&statement, operation, &data, count, heap).await
                }
                "ours" => run(&ours::open(url).await?, operation, &data, count, heap).await,
                "sqlx-store" => {
                    let subject = sqlx_store::$sqlx_store(url).await?;
                    run(&subject, operation, &data, count, heap).await
                }
                _ => bail!("expected statement, ours or sqlx-store, found {store}"),
            }
        };
    }
    match kind {
        Kind::Sqlite => run!(Sqlite, sqlite),
        Kind::Postgres => run!(Postgres, postgres),
        Kind::MariaDb => run!(MySql, mysql),
    }
}

/// The sizes of the session's data, in KiB.
const SIZES: [usize; 3] = [1, 16, 256];
const STORES: [&str; 3] = ["statement", "ours", "sqlx-store"];

fn report_all() -> Result<()> {
    let mut header = [
        "operation",
        "session KiB",
        "instructions: ours / sqlx-store",
        "bytes: ours / sqlx-store",
    ]
    .map(str::to_owned)
    .to_vec();
    for unit in ["thousand instructions", "KiB allocated", "blocks"] {
        header.extend(STORES.map(|store| format!("{unit}: {store}")));
    }
    let header: Vec<_> = header.iter().map(String::as_str).collect();
    let mut rows = Vec::new();
    for operation in ["load", "save"] {
        for size in SIZES {
            // For each unit, a figure of each store.
            let mut figures = [[0.0; 3]; 3];
            for (place, store) in STORES.into_iter().enumerate() {
                let [instructions, bytes, blocks] = measure(store, operation, size * 1024)?;
                figures[0][place] = instructions / 1e3;
                figures[1][place] = bytes / 1024.0;
                figures[2][place] = blocks;
            }
            let mut row = vec![operation.to_owned(), size.to_string()];
            let [[_, ours, other], [_, our_bytes, other_bytes], _] = figures;
            row.extend([ours / other, our_bytes / other_bytes].map(|ratio| format!("{ratio:.2}")));
            row.extend(
                figures
                    .iter()
                    .flatten()
                    .map(|figure| format!("{figure:.0}")),
            );
            rows.push(row);
        }
    }
    report::write("memory", &report::table(1, &header, &rows))
}

/// Returns the instructions, bytes and blocks of one operation.
fn measure(store: &str, operation: &str, size: usize) -> Result<[f64; 3]> {
    const FEW: u32 = 20;
    const MANY: u32 = 120;
    let size = size.to_string();
    let arguments = |count: u32| {
        let arguments = ["PostgreSQL", store, operation, &size].map(str::to_owned);
        arguments.into_iter().chain([count.to_string()])
    };
    // The difference of two runs leaves out what each does once.
    let instructions = |count| -> Result<f64> {
        let folder = tempfile::tempdir()?;
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=callgrind.out"])
            .arg(env::current_exe()?)
            .args(arguments(count))
            .current_dir(&folder)
            .output()
            .context("cannot run valgrind (Debian: apt-get install valgrind)")?;
        let report = String::from_utf8(output.stderr)?;
        ensure!(output.status.success(), "{report}");
        let collected = report
            .split_once("Collected :")
            .and_then(|(_, rest)| rest.split_whitespace().next())
            .with_context(|| format!("expected `Collected :` from valgrind, found: {report}"))?;
        Ok(collected.parse()?)
    };
    let instructions = (instructions(MANY)? - instructions(FEW)?) / f64::from(MANY - FEW);
    let output = Command::new(env::current_exe()?)
        .args(arguments(MANY))
        .arg("heap")
        .output()?;
    let report = String::from_utf8(output.stdout)?;
    let mut words = report.split(' ');
    let mut figure = |skipped| -> Result<f64> {
        let word = words
            .nth(skipped)
            .with_context(|| format!("expected bytes and blocks, found: {report}"))?;
        Ok(word.parse()?)
    };
    // "N bytes and M blocks …"
    Ok([instructions, figure(0)?, figure(2)?])
}

/// Runs that are not counted, because the first ones allocate what is allocated once, such as the
/// prepared statements.
const WARM_UP: u64 = 10;

/// Runs an operation `count` times, and with `heap` prints what each run allocates.
async fn run<S: Subject>(
    subject: &S,
    operation: &str,
    data: &Data,
    count: u64,
    heap: bool,
) -> Result<()> {
    let key = subject.create(data).await?;
    let mut before = None;
    for turn in 0..WARM_UP + count {
        if heap && turn == WARM_UP {
            before = Some((
                dhat::Profiler::builder().testing().build(),
                dhat::HeapStats::get(),
            ));
        }
        match operation {
            "load" => subject.load(&key).await?,
            "save" => subject.save(&key, data).await?,
            "create" => drop(subject.create(data).await?),
            "touch" => subject.touch(&key).await?,
            _ => bail!("expected load, save, create or touch, found {operation}"),
        }
    }
    let Some((_profiler, before)) = before else {
        return Ok(());
    };
    let after = dhat::HeapStats::get();
    println!(
        "{} bytes and {} blocks per operation",
        (after.total_bytes - before.total_bytes) / count,
        (after.total_blocks - before.total_blocks) / count,
    );
    Ok(())
}
