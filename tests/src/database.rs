//! A fresh database for each test, on each kind of server that is there.
//!
//! `PostgreSQL` and MariaDB are found by the URLs that `tests/with-servers` sets. A server that is
//! not there is said once on the terminal and its tests pass without running, unless
//! `SESSION_STORE_REQUIRE_SERVERS=1`.

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

/// Runs a test on a fresh database, which is removed if the test passes and kept if it fails.
pub async fn with_database<F: Future<Output = ()>>(
    kind: Kind,
    test: impl FnOnce(DatabaseConnection) -> F,
) {
    match kind {
        Kind::SqliteMemory => test(connect("sqlite::memory:", 1).await).await,
        Kind::SqliteFile => {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let url = format!("sqlite://{}/test.sqlite?mode=rwc", folder.path().display());
            let db = connect(&url, 8).await;
            test(db.clone()).await;
            db.close().await.expect("the database is closed");
        }
        Kind::Postgres => on_server(POSTGRES_URL, test).await,
        Kind::MariaDb => on_server(MARIADB_URL, test).await,
    }
}

async fn on_server<F: Future<Output = ()>>(
    variable: &'static str,
    test: impl FnOnce(DatabaseConnection) -> F,
) {
    let Some(url) = server(variable) else { return };
    let (server, _) = url.rsplit_once('/').expect("the URL names a database");
    let admin = connect(&url, 1).await;
    let name = unique_name();
    execute(&admin, &format!("CREATE DATABASE {name}")).await;
    let db = connect(&format!("{server}/{name}"), 8).await;
    test(db.clone()).await;
    db.close().await.expect("the database is closed");
    // A pool of the test's own, closed with the test, can be opening a connection still.
    let force = match admin.get_database_backend() {
        DbBackend::Postgres => "WITH (FORCE)",
        _ => "",
    };
    execute(&admin, &format!("DROP DATABASE {name} {force}")).await;
    admin.close().await.expect("the connection is closed");
}

/// The URL of a server, or none, said once.
pub fn server(variable: &'static str) -> Option<String> {
    static SAID: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    if let Ok(url) = std::env::var(variable) {
        return Some(url);
    }
    assert!(
        std::env::var(REQUIRE_SERVERS).is_err(),
        "{variable} is not set and {REQUIRE_SERVERS} is; run the tests with `tests/with-servers`"
    );
    let mut said = SAID.lock().expect("no test panics here");
    if !said.contains(&variable) {
        said.push(variable);
        // Not by `eprintln!`, which the test runner captures.
        let _ = writeln!(
            std::io::stderr(),
            "NOT RUN: {variable} is not set, so the tests on that server are passed over; \
             `tests/with-servers cargo test --workspace` starts one"
        );
    }
    None
}

/// The URL of the server that a database is on.
pub(crate) fn server_of(db: &DatabaseConnection) -> Option<String> {
    match db.get_database_backend() {
        DbBackend::Postgres => server(POSTGRES_URL),
        _ => server(MARIADB_URL),
    }
}

/// The URL of a test's database on a server, for connections of another kind.
pub async fn url_of(db: &DatabaseConnection) -> String {
    let backend = db.get_database_backend();
    let current = match backend {
        DbBackend::Postgres => "SELECT current_database()::text AS name",
        _ => "SELECT DATABASE() AS name",
    };
    let select = Statement::from_string(backend, current);
    let row = db.query_one_raw(select).await.expect("it answers");
    let name: Option<String> = row.and_then(|row| row.try_get("", "name").ok());
    let server = server_of(db).expect("the database is on it");
    let (server, _) = server.rsplit_once('/').expect("the URL names a database");
    format!("{server}/{}", name.expect("it has a name"))
}

async fn connect(url: &str, connections: u32) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.min_connections(1).max_connections(connections);
    Database::connect(options)
        .await
        .unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// Takes all of a pool's connections, so that whoever wants one waits for as long as they are held.
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

/// Makes of each `async fn name(db: DatabaseConnection)` a test on every database. Behind
/// `one_thread:` the tests can pause tokio's clock.
#[macro_export]
macro_rules! on_every_database {
    (one_thread: $($test:ident),* $(,)?) => {
        mod one_thread {
            use super::*;
            $crate::on_every_database!(@ (flavor = "current_thread") [] $($test),*);
        }
    };
    (@ $flavor:tt $model:tt $($test:ident),*) => {
        $crate::on_database!(sqlite_memory, SqliteMemory, $flavor $model $($test),*);
        $crate::on_database!(sqlite_file, SqliteFile, $flavor $model $($test),*);
        $crate::on_database!(postgres, Postgres, $flavor $model $($test),*);
        $crate::on_database!(mariadb, MariaDb, $flavor $model $($test),*);
    };
    ($($test:ident),* $(,)?) => {
        $crate::on_every_database!(
            @ (flavor = "multi_thread", worker_threads = 2) [] $($test),*
        );
    };
}

/// Makes of each `async fn name<M: SessionModel>(db: DatabaseConnection)` a test on every database
/// with every kind of `sess` and `expire` column.
#[macro_export]
macro_rules! on_every_database_and_kind {
    ($($test:ident),* $(,)?) => {
        $crate::on_every_database_and_kind!(@ json_and_offset: $($test),*);
        $crate::on_every_database_and_kind!(@ jsonb_and_fixed_offset: $($test),*);
        $crate::on_every_database_and_kind!(@ text_and_primitive: $($test),*);
        $crate::on_every_database_and_kind!(@ text_and_naive: $($test),*);
        $crate::on_every_database_and_kind!(@ bytes_and_utc: $($test),*);
    };
    (@ $kind:ident: $($test:ident),*) => {
        mod $kind {
            use super::*;
            use $crate::kinds::$kind::Model;
            $crate::on_every_database!(
                @ (flavor = "multi_thread", worker_threads = 2) [Model] $($test),*
            );
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! on_database {
    ($module:ident, $kind:ident, $flavor:tt $model:tt $($test:ident),*) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[tokio::test $flavor]
                async fn $test() {
                    let kind = $crate::database::Kind::$kind;
                    $crate::database::with_database(kind, $crate::test_of!($test $model)).await;
                }
            )*
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! test_of {
    ($test:ident []) => {
        super::$test
    };
    ($test:ident [$model:ident]) => {
        super::$test::<$model>
    };
}
