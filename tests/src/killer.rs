//! A fault made to order: connections that end.

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};

use crate::database::{MARIADB_URL, POSTGRES_URL, server};

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
        let backend = db.get_database_backend();
        let (variable, current) = if backend == DbBackend::Postgres {
            (POSTGRES_URL, "current_database()")
        } else {
            (MARIADB_URL, "DATABASE()")
        };
        let select = Statement::from_string(backend, format!("SELECT {current} AS name"));
        let row = db.query_one_raw(select).await.unwrap().unwrap();
        let server = server(variable).unwrap();
        let name: String = row.try_get("", "name").unwrap();
        Self {
            url: format!("{}/{name}", server.rsplit_once('/').unwrap().0),
            connection: Database::connect(server).await.unwrap(),
            name,
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
