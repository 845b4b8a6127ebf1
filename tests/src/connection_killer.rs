//! Kills connections from the server's side.

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};

use crate::database::{database_url, server_url_of};

/// Kills the connections to one database of a server, over a connection to another database.
#[derive(Debug)]
pub struct ConnectionKiller {
    connection: DatabaseConnection,
    /// The URL of the database whose connections it kills.
    pub url: String,
    name: String,
}

impl ConnectionKiller {
    pub async fn new(db: &DatabaseConnection) -> Self {
        let url = database_url(db).await;
        let (_, name) = url.rsplit_once('/').unwrap();
        let server = server_url_of(db).unwrap();
        Self {
            connection: Database::connect(server).await.unwrap(),
            name: name.to_owned(),
            url,
        }
    }

    /// Kills the connections, and waits until the server has closed them.
    ///
    /// # Panics
    ///
    /// Panics if the server's connections cannot be listed.
    pub async fn kill_all(&self) {
        let connections = self.connections().await;
        for id in &connections {
            let kill = match self.connection.get_database_backend() {
                DbBackend::Postgres => format!("SELECT pg_terminate_backend({id})"),
                _ => format!("KILL {id}"),
            };
            // An error means that the connection is already closed.
            let _ = self.connection.execute_unprepared(&kill).await;
        }
        let is_killed = |id: &i64| connections.contains(id);
        while self.connections().await.iter().any(is_killed) {
            tokio::task::yield_now().await;
        }
    }

    async fn connections(&self) -> Vec<i64> {
        let Self {
            connection, name, ..
        } = self;
        let backend = connection.get_database_backend();
        let select = match backend {
            DbBackend::Postgres => {
                format!("SELECT pid::bigint AS id FROM pg_stat_activity WHERE datname = '{name}'")
            }
            _ => format!("SELECT id FROM information_schema.processlist WHERE db = '{name}'"),
        };
        let select = Statement::from_string(backend, select);
        let rows = connection.query_all_raw(select).await.unwrap();
        rows.iter()
            .map(|row| row.try_get("", "id").unwrap())
            .collect()
    }
}
