//! The servers of `tests/with-cluster`.

use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use session_store::connect_options;
use tests::entity;
use tokio::process::Command;
use tokio::sync::{Mutex, MutexGuard};

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(version)]
    pub version: i64,
});

pub type Store = session_store::SeaOrmStore<session::Model>;

/// As many connections as the load has visitors.
const CONNECTIONS: u32 = 16;

/// Held by the one test that runs.
pub struct Cluster {
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    /// Waits for the turn of this test. Returns `None` without servers.
    pub async fn enter() -> Option<Self> {
        static TURN: Mutex<()> = Mutex::const_new(());
        std::env::var_os("SESSION_STORE_CLUSTER")?;
        Some(Self {
            _turn: TURN.lock().await,
        })
    }

    /// Runs `tests/cluster` with these arguments and returns its output.
    pub async fn run(&self, arguments: &str) -> String {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/cluster");
        let mut command = Command::new(program);
        let output = command.args(arguments.split(' ')).output().await.unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments}: {error}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Returns the URL of a server, such as `galera 1`.
    pub async fn url(&self, server: &str) -> String {
        self.run(&format!("url {server}")).await
    }

    /// Opens a pool as the README recommends it.
    pub async fn connect(&self, server: &str) -> DatabaseConnection {
        connect(&self.url(server).await).await
    }

    pub async fn store(&self, server: &str) -> Store {
        Store::new(self.connect(server).await)
    }

    /// Returns a store whose table is new.
    pub async fn new_store(&self, server: &str) -> Store {
        let store = self.store(server).await;
        execute(store.db(), "DROP TABLE IF EXISTS session").await;
        store.create_table().await.unwrap();
        store
    }

    /// Returns stores on the three nodes of Galera, over a new table.
    pub async fn galera(&self) -> [Store; 3] {
        [
            self.new_store("galera 1").await,
            self.store("galera 2").await,
            self.store("galera 3").await,
        ]
    }
}

pub async fn connect(url: &str) -> DatabaseConnection {
    let mut options = connect_options(url);
    options.max_connections(CONNECTIONS).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

pub async fn execute(db: &DatabaseConnection, sql: &str) {
    let result = db.execute_unprepared(sql).await;
    result.unwrap_or_else(|error| panic!("{sql}: {error}"));
}
