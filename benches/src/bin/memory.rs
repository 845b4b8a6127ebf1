//! What an operation allocates, and how many instructions it takes in this process, by the size of the
//! session.
//!
//! With arguments it runs one operation many times, for a profiler to look at; with `heap` it tells the
//! bytes and blocks that are allocated for each:
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
use benches::{floor, ours, peer};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.is_empty() {
        return report_all();
    }
    let [kind, store, operation, size, count, heap @ ..] = arguments.as_slice() else {
        bail!("usage: memory DATABASE floor|ours|peer OPERATION BYTES COUNT [heap]");
    };
    let heap = !heap.is_empty();
    let kind = KINDS
        .into_iter()
        .find(|known| known.name() == kind)
        .context("no such database")?;
    let (data, count) = (data(size.parse()?), count.parse()?);
    let database = kind.database("profiled").await?;
    let url = &database.url;
    macro_rules! run {
        ($floor:ident, $peer:ident) => {
            match store.as_str() {
                "floor" => {
                    let floor = floor::$floor::on(&ours::open(url).await?, &data)?;
                    run(&floor, operation, &data, count, heap).await
                }
                "ours" => run(&ours::open(url).await?, operation, &data, count, heap).await,
                "peer" => run(&peer::$peer(url).await?, operation, &data, count, heap).await,
                _ => bail!("no such store"),
            }
        };
    }
    match kind {
        Kind::Sqlite => run!(Sqlite, sqlite),
        Kind::Postgres => run!(Postgres, postgres),
        Kind::MariaDb => run!(MySql, mysql),
    }
}

const SIZES: [usize; 3] = [1, 16, 256];
const STORES: [&str; 3] = ["floor", "ours", "peer"];

fn report_all() -> Result<()> {
    let header = [
        "operation",
        "KiB",
        "ours / peer: instructions",
        "bytes",
        "thousand instructions: statement",
        "ours",
        "peer",
        "KiB allocated: statement",
        "ours",
        "peer",
        "blocks: statement",
        "ours",
        "peer",
    ];
    let mut rows = Vec::new();
    for operation in ["load", "save"] {
        for size in SIZES {
            let mut of = [[0.0; 3]; 3];
            for (place, store) in STORES.into_iter().enumerate() {
                let [instructions, bytes, blocks] = one(store, operation, size * 1024)?;
                of[0][place] = instructions / 1e3;
                of[1][place] = bytes / 1024.0;
                of[2][place] = blocks;
            }
            let mut row = vec![operation.to_owned(), size.to_string()];
            row.extend([0, 1].map(|what| format!("{:.2}", of[what][1] / of[what][2])));
            row.extend(of.iter().flatten().map(|figure| format!("{figure:.0}")));
            rows.push(row);
        }
    }
    report::write("memory", &report::table(1, &header, &rows))
}

/// Instructions, bytes and blocks of an operation.
fn one(store: &str, operation: &str, size: usize) -> Result<[f64; 3]> {
    const FEW: u32 = 20;
    const MANY: u32 = 120;
    let size = size.to_string();
    let arguments = |count: u32| {
        let arguments = ["PostgreSQL", store, operation, &size].map(str::to_owned);
        arguments.into_iter().chain([count.to_string()])
    };
    // What is done once is in both.
    let instructions = |count| -> Result<f64> {
        let folder = tempfile::tempdir()?;
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=callgrind.out"])
            .arg(env::current_exe()?)
            .args(arguments(count))
            .current_dir(&folder)
            .output()
            .context("valgrind does not run (Debian: apt-get install valgrind)")?;
        let told = String::from_utf8(output.stderr)?;
        ensure!(output.status.success(), "{told}");
        let collected = told
            .split_once("Collected :")
            .and_then(|(_, rest)| rest.split_whitespace().next())
            .with_context(|| format!("valgrind told: {told}"))?;
        Ok(collected.parse()?)
    };
    let instructions = (instructions(MANY)? - instructions(FEW)?) / f64::from(MANY - FEW);
    let output = Command::new(env::current_exe()?)
        .args(arguments(MANY))
        .arg("heap")
        .output()?;
    let told = String::from_utf8(output.stdout)?;
    let mut words = told.split(' ');
    let mut figure = |at| -> Result<f64> {
        let word = words.nth(at).with_context(|| format!("told: {told}"))?;
        Ok(word.parse()?)
    };
    // "N bytes and M blocks …"
    Ok([instructions, figure(0)?, figure(2)?])
}

async fn run<S: Subject>(
    subject: &S,
    operation: &str,
    data: &Data,
    count: u64,
    heap: bool,
) -> Result<()> {
    let key = subject.create(data).await?;
    // What is made once, statements above all, is not counted.
    let mut before = None;
    for turn in 0..count + 10 {
        if heap && turn == 10 {
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
            _ => bail!("no such operation"),
        }
    }
    let Some((_profiler, before)) = before else {
        return Ok(());
    };
    let after = dhat::HeapStats::get();
    println!(
        "{} bytes and {} blocks allocated each time",
        (after.total_bytes - before.total_bytes) / count,
        (after.total_blocks - before.total_blocks) / count,
    );
    Ok(())
}
