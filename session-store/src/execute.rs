//! Sending a statement to the database, again where that helps, and what an error of it becomes.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseConnectionType, DbBackend, EntityName,
    QueryResult, Statement, StatementBuilder,
};

use crate::error::{Error, Result};
use crate::model::SessionModel;
use crate::retry::Retry;
use crate::store::SeaOrmStore;
use crate::telemetry::{Operation, Target};

/// What becomes a statement: one that is built each time, or one that was built before.
pub(crate) trait ToStatement {
    fn to_statement(&self, backend: DbBackend) -> Statement;
}

impl<S: StatementBuilder> ToStatement for S {
    fn to_statement(&self, backend: DbBackend) -> Statement {
        backend.build(self)
    }
}

impl<M: SessionModel> SeaOrmStore<M> {
    /// The dialect of the store's database; PostgreSQL's if it is not connected, where no
    /// statement is sent anyway.
    pub(crate) fn backend(&self) -> DbBackend {
        self.connection()
            .map_or(DbBackend::Postgres, ConnectionTrait::get_database_backend)
    }

    /// Asked for its backend, a `Disconnected` connection panics.
    pub(crate) fn connection(&self) -> Result<&DatabaseConnection> {
        if matches!(self.db().inner, DatabaseConnectionType::Disconnected) {
            return Err(Error::Disconnected);
        }
        Ok(self.db())
    }

    pub(crate) async fn execute(
        &self,
        operation: Operation,
        statement: &impl ToStatement,
    ) -> Result<u64> {
        self.execute_with(&mut self.retry(), operation, statement)
            .await
    }

    /// As [`execute`](Self::execute), for a statement whose outcome depends on whether an earlier
    /// attempt has reached the database.
    pub(crate) async fn execute_with(
        &self,
        retry: &mut Retry,
        operation: Operation,
        statement: &impl ToStatement,
    ) -> Result<u64> {
        let (db, backend) = (self.connection()?, self.backend());
        let done = retry
            .run(operation, || {
                db.execute_raw(statement.to_statement(backend))
            })
            .await?;
        Ok(done.rows_affected())
    }

    pub(crate) async fn query_one(
        &self,
        operation: Operation,
        statement: &impl ToStatement,
    ) -> Result<Option<QueryResult>> {
        let (db, backend) = (self.connection()?, self.backend());
        self.retry()
            .run(operation, || {
                db.query_one_raw(statement.to_statement(backend))
            })
            .await
    }

    pub(crate) async fn query_all(
        &self,
        operation: Operation,
        statement: &impl ToStatement,
    ) -> Result<Vec<QueryResult>> {
        let (db, backend) = (self.connection()?, self.backend());
        self.retry()
            .run(operation, || {
                db.query_all_raw(statement.to_statement(backend))
            })
            .await
    }

    pub(crate) fn target(&self) -> Target {
        Target {
            backend: self.backend(),
            table: M::Entity::default().table_name(),
        }
    }

    pub(crate) fn retry(&self) -> Retry {
        Retry::new(self.target())
    }
}
