//! Whether the database answers, and the table has every column of the entity.

use sea_orm::sea_query::Expr;
use sea_orm::{
    DbErr, EntityName, EntityTrait, IdenStatic, Iterable, QuerySelect, QueryTrait, RuntimeErr,
    SqlxError,
};

use super::SeaOrmStore;
use crate::database_message::is_pooled;
use crate::error::{Error, Result};
use crate::model::{Column, SessionModel};
use crate::telemetry::Operation;

impl<M: SessionModel> SeaOrmStore<M> {
    /// Checks whether sessions can be read: the database answers, and the table exists with every column
    /// of the entity. For a readiness probe, and for a check at startup.
    ///
    /// It reads no row, so it costs one round trip however large the table is.
    ///
    /// # Errors
    ///
    /// Returns [`Error::MissingColumns`] with the names of the columns that are missing,
    /// [`Error::MissingTable`], [`Error::Unreachable`] if the database does not answer, or
    /// [`Error::Disconnected`].
    ///
    /// # Examples
    ///
    /// ```
    /// use session_store::DefaultStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = DefaultStore::new(sea_orm::Database::connect("sqlite::memory:").await?);
    /// assert!(store.health().await.is_err());
    /// store.create_table().await?;
    /// store.health().await?;
    /// # Ok(()) }
    /// ```
    pub async fn health(&self) -> Result<()> {
        // Collected, because not every iterator is `Send`, and this one would be held across an await.
        let columns: Vec<Column<M>> = Column::<M>::iter().collect();
        let source = match self.read_no_row(&columns).await {
            // The database has refused a column, or the table.
            Err(Error::Database { source, .. }) if is_answer(&source) => source,
            // A database that does not answer is not asked again: it takes as long each time.
            result => return result,
        };
        self.read_no_row(&[]).await?;
        let mut missing = Vec::new();
        for column in columns {
            match self.read_no_row(&[column]).await {
                Err(Error::Database { source, .. }) if is_answer(&source) => {
                    missing.push(column.as_str().to_owned());
                }
                result => result?,
            }
        }
        if missing.is_empty() {
            return Err(Error::Database {
                operation: Operation::HEALTH.description,
                source,
            });
        }
        Err(Error::MissingColumns {
            table: M::Entity::default().table_name().to_owned(),
            columns: missing,
            source,
        })
    }

    async fn read_no_row(&self, columns: &[Column<M>]) -> Result<()> {
        let select = M::Entity::find()
            .select_only()
            .expr_as(Expr::val(1), "one")
            .columns(columns.iter().copied())
            .limit(0)
            .into_query();
        let rows = self.executor.query_all(Operation::HEALTH, &select);
        rows.await.map(drop)
    }
}

/// Returns whether the database itself has refused the statement.
fn is_answer(error: &DbErr) -> bool {
    let DbErr::Query(RuntimeErr::SqlxError(source)) = error else {
        return false;
    };
    matches!(&**source, SqlxError::Database(error) if !is_pooled(error.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::is_answer;
    use crate::database_message::tests::postgres;

    #[test]
    fn a_pooler_that_loses_prepared_statements_has_not_refused_a_column() {
        assert!(is_answer(&postgres("42703", "Spalte »sess« …").query()));
        assert!(!is_answer(&postgres("42P05", "»sqlx_s_1« …").query()));
    }
}
