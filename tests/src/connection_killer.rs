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

    pub async fn kill_all(&self) {
        let Self {
            connection, name, ..
        } = self;
        let backend = connection.get_database_backend();
        let is_postgres = backend == DbBackend::Postgres;
        let connections = if is_postgres {
            format!("SELECT pid::bigint AS id FROM pg_stat_activity WHERE datname = '{name}'")
        } else {
            format!("SELECT id FROM information_schema.processlist WHERE db = '{name}'")
        };
        let select = Statement::from_string(backend, connections);
        for row in connection.query_all_raw(select).await.unwrap() {
            let id: i64 = row.try_get("", "id").unwrap();
            let kill = if is_postgres {
                format!("SELECT pg_terminate_backend({id})")
            } else {
                format!("KILL {id}")
            };
            // An error means that the connection is already closed.
            let _ = connection.execute_unprepared(&kill).await;
        }
    }
}
