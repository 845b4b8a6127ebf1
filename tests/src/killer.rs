//! A fault made to order: connections that end.

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};

use crate::database::{server_of, url_of};

/// Ends the connections to a database of a server, from another one.
#[derive(Debug)]
pub struct Killer {
    connection: DatabaseConnection,
    /// Of the database whose connections it ends.
    pub url: String,
    name: String,
}

impl Killer {
    pub async fn of(db: &DatabaseConnection) -> Self {
        let url = url_of(db).await;
        let (_, name) = url.rsplit_once('/').unwrap();
        let server = server_of(db).unwrap();
        Self {
            connection: Database::connect(server).await.unwrap(),
            name: name.to_owned(),
            url,
        }
    }

    pub async fn kill(&self) {
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
            // One that has ended by itself meanwhile cannot be killed.
            let _ = connection.execute_unprepared(&kill).await;
        }
    }
}
