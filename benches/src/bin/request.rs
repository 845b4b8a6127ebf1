//! A whole request: an axum application under wrk, without a session, with tower-sessions' memory
//! store, with ours, and with the peer.

use std::fmt::{Display, Write as _};
use std::process::Command;
use std::{fs, io};

use anyhow::{Context, Result};
use axum::Router;
use axum::routing::get;
use benches::database::{KINDS, Kind, Url};
use benches::report::{self, Plot, cell, median};
use benches::subject::{Data, Subject, data};
use benches::{SIZE, ours, peer};
use time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tower_sessions::session::{Id, Record};
use tower_sessions::{Expiry, MemoryStore, SessionManagerLayer, SessionStore};

const CONNECTIONS: u64 = 64;
const VISITORS: u64 = 1_000;
const ROUNDS: usize = 3;
const SECONDS: u64 = 3;
const LIFE: Duration = Duration::days(14);

/// What a visitor asks for: a page that reads, one that writes, or reads of which one in a hundred
/// renews the session.
#[derive(Clone, Copy)]
enum Page {
    Read,
    Write,
    Slide,
}

impl Page {
    const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Slide];

    fn name(self) -> &'static str {
        match self {
            Self::Read => "reads",
            Self::Write => "writes",
            Self::Slide => "reads, 1 % slide",
        }
    }

    /// The path of each hundredth request, and of the others.
    fn paths(self) -> [&'static str; 2] {
        match self {
            Self::Read => ["/read"; 2],
            Self::Write => ["/write"; 2],
            Self::Slide => ["/slide", "/read"],
        }
    }
}

/// An application that listens, and the cookies of its visitors.
struct Served {
    name: String,
    port: u16,
    cookies: Vec<String>,
    /// Its database, which is gone when this is dropped.
    _database: Option<Url>,
}

/// What wrk tells: requests per second, and milliseconds.
struct Told {
    rate: f64,
    median: f64,
    p99: f64,
    failed: f64,
}

// The peer's session is of an earlier tower-sessions, with the same methods.
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
        (pages, Router::new().route("/slide", get(read)))
    }};
}

fn main() -> Result<()> {
    let runtime = Runtime::new()?;
    let mut rows = Vec::new();
    let mut groups = Vec::new();
    for kind in KINDS {
        let apps = runtime.block_on(apps(kind))?;
        for page in Page::ALL {
            let mut told: Vec<Vec<Told>> = apps.iter().map(|_| Vec::new()).collect();
            for round in 0..ROUNDS {
                for turn in 0..apps.len() {
                    let app = (round + turn) % apps.len();
                    told[app].push(wrk(&apps[app], page)?);
                }
            }
            let of = |app: usize, figure: fn(&Told) -> f64| {
                median(told[app].iter().map(figure).collect())
            };
            let peers = of(3, |told| told.rate);
            for (app, served) in apps.iter().enumerate() {
                let rate = of(app, |told| told.rate);
                rows.push(vec![
                    kind.name().to_owned(),
                    page.name().to_owned(),
                    served.name.clone(),
                    cell(rate.zip(peers).map(|(rate, peers)| rate / peers), 2),
                    cell(rate, 0),
                    cell(of(app, |told| told.median), 2),
                    cell(of(app, |told| told.p99), 2),
                    told[app]
                        .iter()
                        .map(|told| told.failed)
                        .sum::<f64>()
                        .to_string(),
                ]);
            }
            let rates = (0..apps.len()).map(|app| of(app, |told| told.rate).unwrap_or(0.0) / 1e3);
            groups.push((format!("{} {}", kind.name(), page.name()), rates.collect()));
        }
    }
    let header = [
        "database",
        "requests",
        "application with",
        "rate / peer's",
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
            "tower-sessions-sqlx-store",
        ],
    };
    let table = report::table(3, &header, &rows);
    report::write(
        "request",
        &format!("{table}\n{}", plot.bars(&groups, None)?),
    )
}

async fn apps(kind: Kind) -> Result<Vec<Served>> {
    let data = data(SIZE);
    let ours = {
        let url = kind.database("ours").await?;
        let store = ours::open(&url.url).await?;
        let (pages, sliding) = pages!(tower_sessions::Session);
        let slides = store.clone().with_touch_after(Duration::ZERO).layer();
        let app = pages.layer(store.layer()).merge(sliding.layer(slides));
        let cookies = visitors(&store, &data).await?;
        let served = serve("ours", app, cookies).await?;
        Served {
            _database: Some(url),
            ..served
        }
    };
    let url = kind.database("peers").await?;
    macro_rules! peer {
        ($open:ident) => {{
            let peer = peer::$open(&url.url).await?;
            let (pages, sliding) = pages!(tower_sessions_peer::Session);
            let layer = tower_sessions_peer::SessionManagerLayer::new(peer.store.clone())
                .with_expiry(tower_sessions_peer::Expiry::OnInactivity(LIFE));
            let slides = layer.clone().with_always_save(true);
            let app = pages.layer(layer).merge(sliding.layer(slides));
            serve("peer", app, visitors(&peer, &data).await?).await?
        }};
    }
    let peer = match kind {
        Kind::Sqlite => peer!(sqlite),
        Kind::Postgres => peer!(postgres),
        Kind::MariaDb => peer!(mysql),
    };
    let peer = Served {
        _database: Some(url),
        ..peer
    };
    Ok(vec![
        without_session().await?,
        in_memory(&data).await?,
        ours,
        peer,
    ])
}

async fn without_session() -> Result<Served> {
    let pages = Router::new()
        .route("/read", get(async || "7"))
        .route("/write", get(async || "7"))
        .route("/slide", get(async || "7"));
    serve("no session", pages, vec!["nobody".to_owned()]).await
}

async fn in_memory(data: &Data) -> Result<Served> {
    let store = MemoryStore::default();
    let mut cookies = Vec::new();
    for _ in 0..VISITORS {
        let mut record = Record {
            id: Id::default(),
            data: data.clone(),
            expiry_date: benches::subject::end(),
        };
        store.create(&mut record).await?;
        cookies.push(record.id.to_string());
    }
    let (pages, sliding) = pages!(tower_sessions::Session);
    let layer = SessionManagerLayer::new(store).with_expiry(Expiry::OnInactivity(LIFE));
    let slides = layer.clone().with_always_save(true);
    let app = pages.layer(layer).merge(sliding.layer(slides));
    serve("memory store", app, cookies).await
}

async fn visitors<S: Subject<Key: Display>>(store: &S, data: &Data) -> Result<Vec<String>> {
    let sessions = benches::operation::create(store, data, VISITORS).await?;
    Ok(sessions.iter().map(ToString::to_string).collect())
}

async fn serve(name: &str, app: Router, cookies: Vec<String>) -> Result<Served> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async { axum::serve(listener, app).await });
    Ok(Served {
        name: name.to_owned(),
        port,
        cookies,
        _database: None,
    })
}

fn wrk(app: &Served, page: Page) -> Result<Told> {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("requests.lua");
    fs::write(&script, script_of(app, page)?)?;
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
    let told = String::from_utf8(output.stdout)?;
    let line = told.lines().last().context("wrk told nothing")?;
    let figures: Vec<f64> = line
        .split(' ')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .with_context(|| format!("wrk told: {told}"))?;
    let [requests, micros, median, p99, failed] = figures.as_slice() else {
        anyhow::bail!("wrk told: {told}");
    };
    Ok(Told {
        rate: requests / micros * 1e6,
        median: median / 1e3,
        p99: p99 / 1e3,
        failed: *failed,
    })
}

/// Each request comes from the next visitor; all are made once, so that wrk takes little time itself.
fn script_of(app: &Served, page: Page) -> Result<String> {
    let mut script = "local requests = {}\n".to_owned();
    let [hundredth, other] = page.paths();
    for (turn, cookie) in app
        .cookies
        .iter()
        .cycle()
        .take(usize::try_from(VISITORS)?)
        .enumerate()
    {
        let path = if turn % 100 == 0 { hundredth } else { other };
        writeln!(
            script,
            "requests[{}] = wrk.format('GET', '{path}', {{ Cookie = 'id={cookie}' }})",
            turn + 1
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
