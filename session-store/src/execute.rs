//! Sending a statement to the database, again where that helps, and what an error of it becomes.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseConnectionType, DbBackend, QueryResult, Statement,
    StatementBuilder,
};

use crate::error::{Error, Result};
use crate::model::SessionModel;
use crate::retry::Retry;
use crate::store::SeaOrmStore;

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
        operation: &'static str,
        statement: &impl StatementBuilder,
    ) -> Result<u64> {
        self.execute_with(&mut self.retry(), operation, statement)
            .await
    }

    /// As [`execute`](Self::execute), for a statement whose outcome depends on whether an earlier
    /// attempt has reached the database.
    pub(crate) async fn execute_with(
        &self,
        retry: &mut Retry,
        operation: &'static str,
        statement: &impl StatementBuilder,
    ) -> Result<u64> {
        let db = self.connection()?;
        let done = retry.run(operation, || db.execute(statement)).await?;
        Ok(done.rows_affected())
    }

    pub(crate) async fn query_one(
        &self,
        operation: &'static str,
        statement: &impl StatementBuilder,
    ) -> Result<Option<QueryResult>> {
        let db = self.connection()?;
        self.retry()
            .run(operation, || db.query_one(statement))
            .await
    }

    /// As [`query_one`](Self::query_one), with a statement that is built already.
    pub(crate) async fn query_one_built(
        &self,
        operation: &'static str,
        statement: &Statement,
    ) -> Result<Option<QueryResult>> {
        let db = self.connection()?;
        self.retry()
            .run(operation, || db.query_one_raw(statement.clone()))
            .await
    }

    pub(crate) async fn query_all(
        &self,
        operation: &'static str,
        statement: &impl StatementBuilder,
    ) -> Result<Vec<QueryResult>> {
        let db = self.connection()?;
        self.retry()
            .run(operation, || db.query_all(statement))
            .await
    }

    pub(crate) fn retry(&self) -> Retry {
        Retry::new(self.backend())
    }
}
