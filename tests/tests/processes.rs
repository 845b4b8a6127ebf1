//! Two processes on PostgreSQL that serve sessions from their caches and listen to notifications. A visitor signs
//! out in one, and reads the session without a pause in the other, until it is refused.
//!
//! `--nocapture` prints the distribution.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::routing::get;
use sea_orm::{Database, DatabaseConnection};
use tests::database::{database_url, execute};
use tests::{COOKIE_NAME, entity, layer, on_database, session_routes};
use tokio::net::TcpListener;
use tokio::task::block_in_place;

on_database!(
    postgres,
    Postgres: a_sign_out_in_one_process_is_noticed_by_the_other_a_thousand_times,
    a_listener_that_is_killed_every_200_ms_never_serves_beyond_the_bound,
);

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(version)]
    pub version: i64,
});

/// The database, in the environment of a process that serves.
const URL: &str = "SESSION_STORE_PROCESS_URL";

/// The bound of its cache, in milliseconds.
const BOUND: &str = "SESSION_STORE_PROCESS_BOUND";

/// Serves, in a process that [`Process::start`] starts.
#[tokio::test]
#[ignore = "serves for other tests"]
async fn serve() {
    let Ok(url) = std::env::var(URL) else { return };
    let bound: i64 = std::env::var(BOUND).unwrap().parse().unwrap();
    let store = session::Store::new(Database::connect(url).await.unwrap())
        .with_cache(time::Duration::milliseconds(bound));
    let listening = Arc::new(store.listen());
    let is_hearing = move || {
        let listening = Arc::clone(&listening);
        async move { listening.is_hearing().to_string() }
    };
    let app = session_routes()
        .route("/is-hearing", get(is_hearing))
        .layer(layer(&store));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("listening on {}", listener.local_addr().unwrap());
    axum::serve(listener, app).await.unwrap();
}

struct Process {
    child: Child,
    address: String,
}

impl Process {
    fn start(url: &str, bound: Duration) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "serve", "--ignored", "--nocapture"])
            .env(URL, url)
            .env(BOUND, bound.as_millis().to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let mut addresses = lines.filter_map(|line| {
            let line = line.unwrap();
            let (_, address) = line.split_once("listening on ")?;
            Some(address.to_owned())
        });
        let address = addresses.next().expect("the process prints its address");
        let process = Self { child, address };
        while process.get("/is-hearing", None).0 != "true" {
            std::thread::sleep(Duration::from_millis(10));
        }
        process
    }

    /// Returns the body, and the cookie that is set.
    fn get(&self, path: &str, cookie: Option<&str>) -> (String, Option<String>) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let cookie =
            cookie.map_or_else(String::new, |id| format!("Cookie: {COOKIE_NAME}={id}\r\n"));
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: host\r\nConnection: close\r\n{cookie}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {response}");
        let set = head.split_once(&format!("set-cookie: {COOKIE_NAME}="));
        let set = set.map(|(_, set)| set.split(';').next().unwrap().to_owned());
        (body.to_owned(), set)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Returns how long the other process has served sessions after their visitors had signed out, sorted.
fn served_after_the_end(url: &str, bound: Duration, rounds: usize) -> Vec<Duration> {
    let (one, other) = (Process::start(url, bound), Process::start(url, bound));
    let served = (0..rounds).map(|_| {
        let (_, cookie) = one.get("/insert/user/ann", None);
        let cookie = cookie.expect("a cookie");
        let user = || other.get("/get/user", Some(&cookie)).0;
        assert_eq!(user(), "ann");
        // At any time between two kills.
        std::thread::sleep(Duration::from_millis(3));
        one.get("/flush", Some(&cookie));
        let ended = Instant::now();
        let mut served = Duration::ZERO;
        loop {
            let began = ended.elapsed();
            if user() == "nothing" {
                return served;
            }
            assert!(began < bound, "served {began:?} after its end");
            served = began;
        }
    });
    let mut served: Vec<_> = served.collect();
    served.sort();
    let at = |share: usize| served[(rounds - 1) * share / 1000];
    println!(
        "served after the end: median {:?}, p90 {:?}, p99 {:?}, p99.9 {:?}, longest {:?}",
        at(500),
        at(900),
        at(990),
        at(999),
        at(1000)
    );
    served
}

async fn create_table(db: &DatabaseConnection) -> String {
    let store = session::Store::new(db.clone()).with_notify_trigger();
    store.create_table().await.unwrap();
    database_url(db).await
}

async fn a_sign_out_in_one_process_is_noticed_by_the_other_a_thousand_times(
    db: DatabaseConnection,
) {
    let url = create_table(&db).await;
    let bound = Duration::from_secs(60);
    let served = block_in_place(|| served_after_the_end(&url, bound, 1_000));
    assert!(
        served[500] < Duration::from_millis(250),
        "{:?}",
        served[500]
    );
}

async fn a_listener_that_is_killed_every_200_ms_never_serves_beyond_the_bound(
    db: DatabaseConnection,
) {
    let url = create_table(&db).await;
    let killing = tokio::spawn({
        let db = db.clone();
        async move {
            loop {
                tokio::time::sleep(Duration::from_millis(200)).await;
                // Each listener's last statement.
                let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                            WHERE datname = current_database() AND query LIKE '%pg_trigger%' \
                            AND pid <> pg_backend_pid()";
                execute(&db, kill).await;
            }
        }
    });
    let bound = Duration::from_millis(500);
    block_in_place(|| served_after_the_end(&url, bound, 1_000));
    killing.abort();
}
