//! Sending statements to the database of one table.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseConnectionType, DbBackend, QueryResult,
};

use super::retry::Retry;
use super::server::{ServerTraits, Text};
use super::standby::StandbyCloser;
use super::statement::ToStatement;
use crate::error::{Error, Result};
use crate::telemetry::{Operation, Target};

/// Sends statements, each with retries and a span.
#[derive(Clone, Debug)]
pub(crate) struct Executor {
    db: DatabaseConnection,
    table: &'static str,
    keys: fn() -> Vec<String>,
    server: ServerTraits,
    standbys: StandbyCloser,
}

impl Executor {
    /// `keys` returns the names that the table's keys have by default.
    pub(crate) fn new(
        db: DatabaseConnection,
        table: &'static str,
        keys: fn() -> Vec<String>,
    ) -> Self {
        Self {
            db,
            table,
            keys,
            server: ServerTraits::default(),
            standbys: StandbyCloser::default(),
        }
    }

    pub(crate) fn db(&self) -> &DatabaseConnection {
        &self.db
    }

    /// Returns the connection, or an error if it is `Disconnected`: its `get_database_backend` would
    /// panic.
    pub(crate) fn connection(&self) -> Result<&DatabaseConnection> {
        if matches!(self.db.inner, DatabaseConnectionType::Disconnected) {
            return Err(Error::Disconnected);
        }
        Ok(&self.db)
    }

    /// The SQL dialect. PostgreSQL's without a connection, where no statement is sent anyway.
    pub(crate) fn backend(&self) -> DbBackend {
        self.connection()
            .map_or(DbBackend::Postgres, ConnectionTrait::get_database_backend)
    }

    pub(crate) fn target(&self) -> Target {
        Target {
            backend: self.backend(),
            table: self.table,
            keys: self.keys,
        }
    }

    pub(crate) fn retry(&self) -> Retry {
        Retry::new(self.target(), self.server.clone(), self.standbys.clone())
    }

    /// Returns the number of rows written.
    pub(crate) async fn execute(
        &self,
        operation: Operation,
        statement: &impl ToStatement,
    ) -> Result<u64> {
        self.execute_with(&mut self.retry(), operation, statement)
            .await
    }

    /// Like [`execute`](Self::execute), for a statement whose outcome depends on whether an earlier
    /// attempt reached the database.
    pub(crate) async fn execute_with(
        &self,
        retry: &mut Retry,
        operation: Operation,
        statement: &impl ToStatement,
    ) -> Result<u64> {
        let (db, backend) = (self.connection()?, self.backend());
        let send = |text: Text| db.execute_raw(text.of(statement.to_statement(backend)));
        let result = retry.run(db, operation, send).await?;
        Ok(result.rows_affected())
    }

    pub(crate) async fn query_one(
        &self,
        operation: Operation,
        statement: &impl ToStatement,
    ) -> Result<Option<QueryResult>> {
        let (db, backend) = (self.connection()?, self.backend());
        let send = |text: Text| db.query_one_raw(text.of(statement.to_statement(backend)));
        self.retry().run(db, operation, send).await
    }

    pub(crate) async fn query_all(
        &self,
        operation: Operation,
        statement: &impl ToStatement,
    ) -> Result<Vec<QueryResult>> {
        let (db, backend) = (self.connection()?, self.backend());
        let send = |text: Text| db.query_all_raw(text.of(statement.to_statement(backend)));
        self.retry().run(db, operation, send).await
    }
}
