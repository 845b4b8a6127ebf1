//! A new database for each test, on SQLite and on the servers that are running.
//!
//! Environment variables hold the URLs of the `PostgreSQL` and MariaDB servers; `tests/with-servers`
//! sets them. Without a URL the tests of that server print one notice and pass without running, or
//! fail if `SESSION_STORE_REQUIRE_SERVERS` is set.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    Statement, TransactionTrait,
};

pub const POSTGRES_URL: &str = "SESSION_STORE_POSTGRES_URL";
pub const MARIADB_URL: &str = "SESSION_STORE_MARIADB_URL";
pub const REQUIRE_SERVERS: &str = "SESSION_STORE_REQUIRE_SERVERS";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    SqliteMemory,
    SqliteFile,
    Postgres,
    MariaDb,
}

/// Runs a test on a new database. A server's database is dropped if the test passes and kept if it
/// fails.
pub async fn with_database<F: Future<Output = ()>>(
    kind: Kind,
    test: impl FnOnce(DatabaseConnection) -> F,
) {
    match kind {
        Kind::SqliteMemory => test(connect("sqlite::memory:", 1).await).await,
        Kind::SqliteFile => {
            let folder = tempfile::tempdir().expect("creates a temporary folder");
            let url = format!("sqlite://{}/test.sqlite?mode=rwc", folder.path().display());
            let db = connect(&url, 8).await;
            test(db.clone()).await;
            db.close().await.expect("closes the database");
        }
        Kind::Postgres => on_server(POSTGRES_URL, test).await,
        Kind::MariaDb => on_server(MARIADB_URL, test).await,
    }
}

async fn on_server<F: Future<Output = ()>>(
    variable: &'static str,
    test: impl FnOnce(DatabaseConnection) -> F,
) {
    let Some(url) = server_url(variable) else {
        return;
    };
    let (server, _) = url.rsplit_once('/').expect("the URL ends with a database");
    let admin = connect(&url, 1).await;
    let name = unique_name();
    execute(&admin, &format!("CREATE DATABASE {name}")).await;
    let db = connect(&format!("{server}/{name}"), 8).await;
    test(db.clone()).await;
    db.close().await.expect("closes the database");
    // A pool that the test has opened and closed may still be opening a connection.
    let force = match admin.get_database_backend() {
        DbBackend::Postgres => "WITH (FORCE)",
        _ => "",
    };
    execute(&admin, &format!("DROP DATABASE {name} {force}")).await;
    admin.close().await.expect("closes the connection");
}

/// Returns the URL of a server. Without one, prints a notice the first time.
///
/// # Panics
///
/// Panics without a URL if `SESSION_STORE_REQUIRE_SERVERS` is set.
pub fn server_url(variable: &'static str) -> Option<String> {
    static MISSING: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    if let Ok(url) = std::env::var(variable) {
        return Some(url);
    }
    assert!(
        std::env::var(REQUIRE_SERVERS).is_err(),
        "{variable} is not set, but {REQUIRE_SERVERS} requires it: \
         run `tests/with-servers cargo test --workspace`, which starts the servers and sets it"
    );
    let mut missing = MISSING.lock().expect("no test panics here");
    if !missing.contains(&variable) {
        missing.push(variable);
        // The test runner captures `eprintln!`.
        let _ = writeln!(
            std::io::stderr(),
            "NOT RUN: the tests on the server of {variable}, which is not set; to run them, start \
             the servers with `tests/with-servers cargo test --workspace`"
        );
    }
    None
}

pub(crate) fn server_url_of(db: &DatabaseConnection) -> Option<String> {
    match db.get_database_backend() {
        DbBackend::Postgres => server_url(POSTGRES_URL),
        _ => server_url(MARIADB_URL),
    }
}

/// Returns the URL of a test's database on a server, for a second pool with other options.
pub async fn database_url(db: &DatabaseConnection) -> String {
    let backend = db.get_database_backend();
    let current = match backend {
        DbBackend::Postgres => "SELECT current_database()::text AS name",
        _ => "SELECT DATABASE() AS name",
    };
    let select = Statement::from_string(backend, current);
    let row = db
        .query_one_raw(select)
        .await
        .expect("the database answers");
    let name: Option<String> = row.and_then(|row| row.try_get("", "name").ok());
    let server = server_url_of(db).expect("the server has a URL");
    let (server, _) = server
        .rsplit_once('/')
        .expect("the URL ends with a database");
    format!("{server}/{}", name.expect("the database has a name"))
}

async fn connect(url: &str, connections: u32) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.min_connections(1).max_connections(connections);
    Database::connect(options)
        .await
        .unwrap_or_else(|error| panic!("cannot connect to {url}: {error}"))
}

/// Takes every connection of a pool. Statements wait for one until the transactions are dropped.
pub async fn take_connections(db: &DatabaseConnection) -> Vec<DatabaseTransaction> {
    let connections = match db.get_database_backend() {
        DbBackend::Sqlite => db
            .get_sqlite_connection_pool()
            .options()
            .get_max_connections(),
        DbBackend::Postgres => db
            .get_postgres_connection_pool()
            .options()
            .get_max_connections(),
        _ => db
            .get_mysql_connection_pool()
            .options()
            .get_max_connections(),
    };
    let mut taken = Vec::new();
    for _ in 0..connections {
        taken.push(db.begin().await.expect("a connection is free"));
    }
    taken
}

pub async fn execute(db: &DatabaseConnection, sql: &str) {
    db.execute_unprepared(sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("test_{}_{next}", std::process::id())
}
