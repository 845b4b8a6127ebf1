//! Sending a statement to the database, again where that helps, and what an error of it becomes.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseConnectionType, DbBackend, QueryResult,
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
        let mut retry = self.retry();
        loop {
            match self.connection()?.execute(statement).await {
                Ok(done) => return Ok(done.rows_affected()),
                Err(error) => retry
                    .after(error)
                    .await
                    .map_err(Error::database(operation))?,
            }
        }
    }

    pub(crate) async fn query_one(
        &self,
        operation: &'static str,
        statement: &impl StatementBuilder,
    ) -> Result<Option<QueryResult>> {
        let mut retry = self.retry();
        loop {
            match self.connection()?.query_one(statement).await {
                Ok(row) => return Ok(row),
                Err(error) => retry
                    .after(error)
                    .await
                    .map_err(Error::database(operation))?,
            }
        }
    }

    pub(crate) async fn query_all(
        &self,
        operation: &'static str,
        statement: &impl StatementBuilder,
    ) -> Result<Vec<QueryResult>> {
        let mut retry = self.retry();
        loop {
            match self.connection()?.query_all(statement).await {
                Ok(rows) => return Ok(rows),
                Err(error) => retry
                    .after(error)
                    .await
                    .map_err(Error::database(operation))?,
            }
        }
    }

    pub(crate) fn retry(&self) -> Retry {
        Retry::new(self.backend())
    }
}
