//! One operation many times, by one store on one database, for a profiler to look at; with `heap` it
//! tells the bytes and blocks that are allocated for each.
//!
//! ```sh
//! tests/with-servers cargo run --release --manifest-path benches/Cargo.toml --bin profile -- \
//!     PostgreSQL ours load 1024 1000 heap
//! ```

use anyhow::{Context, Result, bail};
use benches::database::KINDS;
use benches::database::Kind;
use benches::subject::{Data, Subject, data};
use benches::{floor, ours, peer};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, store, operation, size, count, heap @ ..] = arguments.as_slice() else {
        bail!("usage: profile DATABASE floor|ours|peer OPERATION BYTES COUNT [heap]");
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
