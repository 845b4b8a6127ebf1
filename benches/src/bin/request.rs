//! Measures whole requests: an axum application under wrk, without sessions, with tower-sessions' memory
//! store, with our store, with its cache, and with tower-sessions-sqlx-store.

use std::fmt::{Display, Write as _};
use std::process::Command;
use std::{fs, io};

use anyhow::{Context, Result};
use axum::Router;
use axum::routing::get;
use benches::database::{KINDS, Kind, TemporaryDatabase};
use benches::report::{self, Plot, cell, median};
use benches::subject::{Data, IDLE_TIMEOUT, Subject, data};
use benches::{SIZE, ours, sqlx_store};
use time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tower_sessions::session::Id;
use tower_sessions::{Expiry, MemoryStore, SessionManagerLayer, SessionStore};

const CONNECTIONS: u64 = 64;
const VISITORS: u64 = 1_000;
const ROUNDS: usize = 3;
const SECONDS: u64 = 3;

/// The application whose rate the others are compared with, as an index into those of [`apps`].
const SQLX_STORE: usize = 4;

/// The requests of a measurement: all read the session, all write it, or all read and one in a hundred
/// also moves the expiry.
#[derive(Clone, Copy)]
enum Page {
    Read,
    Write,
    Touch,
}

impl Page {
    const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Touch];

    fn name(self) -> &'static str {
        match self {
            Self::Read => "reads",
            Self::Write => "writes",
            Self::Touch => "reads, 1 % touch",
        }
    }

    /// Returns the path of each hundredth request, and that of the others.
    fn paths(self) -> [&'static str; 2] {
        match self {
            Self::Read => ["/read"; 2],
            Self::Write => ["/write"; 2],
            Self::Touch => ["/touch", "/read"],
        }
    }
}

/// A running application and the cookies of its visitors.
struct App {
    name: &'static str,
    port: u16,
    cookies: Vec<String>,
    /// Kept, because an SQLite file is deleted when this is dropped.
    _database: Option<TemporaryDatabase>,
}

/// The figures of one run of wrk.
struct Figures {
    /// Requests per second.
    rate: f64,
    /// Milliseconds.
    p50: f64,
    /// Milliseconds.
    p99: f64,
    failed: f64,
}

// tower-sessions-sqlx-store needs tower-sessions 0.14, whose `Session` has the same methods.
macro_rules! pages {
    ($session:path) => {{
        async fn read(session: $session) -> String {
            let visits: Option<u64> = session.get("user_id").await.unwrap_or_default();
            visits.unwrap_or_default().to_string()
        }

        async fn write(session: $session) -> String {
            let visits: Option<u64> = session.get("visits").await.unwrap_or_default();
            let visits = visits.unwrap_or_default() + 1;
            match session.insert("visits", visits).await {
                Ok(()) => visits.to_string(),
                Err(error) => error.to_string(),
            }
        }

        let pages = Router::new()
            .route("/read", get(read))
            .route("/write", get(write));
        (pages, Router::new().route("/touch", get(read)))
    }};
}

fn main() -> Result<()> {
    let runtime = Runtime::new()?;
    let mut rows = Vec::new();
    let mut groups = Vec::new();
    for kind in KINDS {
        let apps = runtime.block_on(apps(kind))?;
        for page in Page::ALL {
            let mut runs: Vec<Vec<Figures>> = apps.iter().map(|_| Vec::new()).collect();
            for round in 0..ROUNDS {
                // A different application is first in each round.
                for turn in 0..apps.len() {
                    let app = (round + turn) % apps.len();
                    runs[app].push(wrk(&apps[app], page)?);
                }
            }
            let median_of = |app: usize, figure: fn(&Figures) -> f64| {
                median(runs[app].iter().map(figure).collect())
            };
            let rate_of = |app| median_of(app, |run| run.rate);
            for (index, app) in apps.iter().enumerate() {
                let rate = rate_of(index);
                let ratio = rate
                    .zip(rate_of(SQLX_STORE))
                    .map(|(ours, other)| ours / other);
                let failed: f64 = runs[index].iter().map(|run| run.failed).sum();
                rows.push(vec![
                    kind.name().to_owned(),
                    page.name().to_owned(),
                    app.name.to_owned(),
                    cell(ratio, 2),
                    cell(rate, 0),
                    cell(median_of(index, |run| run.p50), 2),
                    cell(median_of(index, |run| run.p99), 2),
                    failed.to_string(),
                ]);
            }
            let rates = (0..apps.len()).map(|app| rate_of(app).unwrap_or(0.0) / 1e3);
            groups.push((format!("{} {}", kind.name(), page.name()), rates.collect()));
        }
    }
    let header = [
        "database",
        "requests",
        "application with",
        "rate / sqlx-store's",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "failed",
    ];
    let plot = Plot {
        name: "request",
        title: "A whole request: axum under wrk, 64 connections",
        axis: "thousand requests per second",
        series: &[
            "no session",
            "memory store",
            "ours",
            "ours, cached",
            "tower-sessions-sqlx-store",
        ],
    };
    let table = report::table(3, &header, &rows);
    report::write(
        "request",
        &format!("{table}\n{}", plot.bars(&groups, None)?),
    )
}

async fn apps(kind: Kind) -> Result<Vec<App>> {
    let data = data(SIZE);
    Ok(vec![
        without_session().await?,
        with_memory_store(&data).await?,
        with_ours(kind, &data).await?,
        with_ours_cached(kind, &data).await?,
        with_sqlx_store(kind, &data).await?,
    ])
}

async fn with_ours(kind: Kind, data: &Data) -> Result<App> {
    let database = kind.create_database("ours").await?;
    let store = ours::open(&database.url).await?;
    let (pages, touching) = pages!(tower_sessions::Session);
    let touch = store.clone().with_touch_after(Duration::ZERO);
    // The name that the others have.
    let [layer, touch] = [&store, &touch].map(|store| store.layer().with_name("id"));
    let router = pages.layer(layer).merge(touching.layer(touch));
    let cookies = visitors(&store, data).await?;
    serve("ours", router, cookies, Some(database)).await
}

async fn with_ours_cached(kind: Kind, data: &Data) -> Result<App> {
    let database = kind.create_database("ours_cached").await?;
    let store = ours::open_cached(&database.url).await?;
    let cookies = records(&store, data).await?;
    let (pages, touching) = pages!(tower_sessions::Session);
    let touch = store.clone().with_touch_after(Duration::ZERO);
    let [layer, touch] = [&store, &touch].map(|store| store.layer().with_name("id"));
    let router = pages.layer(layer).merge(touching.layer(touch));
    serve("ours, cached", router, cookies, Some(database)).await
}

async fn with_sqlx_store(kind: Kind, data: &Data) -> Result<App> {
    let database = kind.create_database("sqlx_store").await?;
    macro_rules! app {
        ($open:ident) => {{
            let subject = sqlx_store::$open(&database.url).await?;
            let (pages, touching) = pages!(tower_sessions_0_14::Session);
            let layer = tower_sessions_0_14::SessionManagerLayer::new(subject.store.clone())
                .with_expiry(tower_sessions_0_14::Expiry::OnInactivity(IDLE_TIMEOUT));
            let touch = layer.clone().with_always_save(true);
            let router = pages.layer(layer).merge(touching.layer(touch));
            let cookies = visitors(&subject, data).await?;
            serve("sqlx-store", router, cookies, Some(database)).await
        }};
    }
    match kind {
        Kind::Sqlite => app!(sqlite),
        Kind::Postgres => app!(postgres),
        Kind::MariaDb => app!(mysql),
    }
}

async fn without_session() -> Result<App> {
    let router = Router::new()
        .route("/read", get(async || "7"))
        .route("/write", get(async || "7"))
        .route("/touch", get(async || "7"));
    serve("no session", router, vec!["unused".to_owned()], None).await
}

async fn with_memory_store(data: &Data) -> Result<App> {
    let store = MemoryStore::default();
    let cookies = records(&store, data).await?;
    let (pages, touching) = pages!(tower_sessions::Session);
    let layer = SessionManagerLayer::new(store).with_expiry(Expiry::OnInactivity(IDLE_TIMEOUT));
    let touch = layer.clone().with_always_save(true);
    let router = pages.layer(layer).merge(touching.layer(touch));
    serve("memory store", router, cookies, None).await
}

/// Like [`visitors`], for any store of tower-sessions.
async fn records(store: &impl SessionStore, data: &Data) -> Result<Vec<String>> {
    let mut cookies = Vec::new();
    for _ in 0..VISITORS {
        let mut record = ours::record(Id::default(), data);
        store.create(&mut record).await?;
        cookies.push(record.id.to_string());
    }
    Ok(cookies)
}

/// Creates a session for each visitor and returns their cookies.
async fn visitors<S: Subject<Key: Display>>(store: &S, data: &Data) -> Result<Vec<String>> {
    let sessions = benches::operation::create(store, data, VISITORS).await?;
    Ok(sessions.iter().map(ToString::to_string).collect())
}

async fn serve(
    name: &'static str,
    router: Router,
    cookies: Vec<String>,
    database: Option<TemporaryDatabase>,
) -> Result<App> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async { axum::serve(listener, router).await });
    Ok(App {
        name,
        port,
        cookies,
        _database: database,
    })
}

fn wrk(app: &App, page: Page) -> Result<Figures> {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("requests.lua");
    fs::write(&script, lua_script(app, page)?)?;
    let output = Command::new("wrk")
        .args([
            "-t1",
            "--latency",
            &format!("-c{CONNECTIONS}"),
            &format!("-d{SECONDS}"),
        ])
        .arg("-s")
        .arg(&script)
        .arg(format!("http://127.0.0.1:{}", app.port))
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                anyhow::anyhow!("wrk is not installed (Debian: apt-get install wrk)")
            }
            _ => error.into(),
        })?;
    let output = String::from_utf8(output.stdout)?;
    let line = output.lines().last().context("wrk printed nothing")?;
    let unexpected = || format!("expected five numbers from wrk, found: {output}");
    let figures: Vec<f64> = line
        .split(' ')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .with_context(unexpected)?;
    let [requests, micros, p50, p99, failed] = figures.as_slice() else {
        anyhow::bail!(unexpected());
    };
    Ok(Figures {
        rate: requests / micros * 1e6,
        p50: p50 / 1e3,
        p99: p99 / 1e3,
        failed: *failed,
    })
}

/// Returns a script for wrk that sends each request with the cookie of the next visitor. The requests
/// are built in advance, so that wrk itself takes little time.
fn lua_script(app: &App, page: Page) -> Result<String> {
    let mut script = "local requests = {}\n".to_owned();
    let [hundredth, other] = page.paths();
    for (index, cookie) in app
        .cookies
        .iter()
        .cycle()
        .take(usize::try_from(VISITORS)?)
        .enumerate()
    {
        let path = if index % 100 == 0 { hundredth } else { other };
        writeln!(
            script,
            "requests[{}] = wrk.format('GET', '{path}', {{ Cookie = 'id={cookie}' }})",
            index + 1
        )?;
    }
    script += "
local turn = 0
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('%d %d %d %d %d\\n', summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99),
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
";
    Ok(script)
}
