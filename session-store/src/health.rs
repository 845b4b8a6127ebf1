//! Whether the table is there as the store needs it.

use sea_orm::sea_query::Expr;
use sea_orm::{
    DbBackend, DbErr, EntityName, EntityTrait, IdenStatic, Iterable, QuerySelect, QueryTrait,
    RuntimeErr, SqlxError, Statement,
};

use crate::error::{Error, Result};
use crate::execute::ToStatement;
use crate::model::{Column, SessionModel};
use crate::store::SeaOrmStore;
use crate::telemetry::Operation;

impl<M: SessionModel> SeaOrmStore<M> {
    /// Whether sessions can be read: the database answers, and the table is there with every column
    /// of the entity. For a readiness probe, and for a look at the start of the application.
    ///
    /// It reads no row, so it costs a round trip whatever the table holds.
    ///
    /// # Errors
    ///
    /// [`Error::Columns`] names the columns that are missing. [`Error::Database`]: there is no table,
    /// or the database does not answer. [`Error::Disconnected`].
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
        // Not the iterator itself, which would be held while the database is waited for: not each is
        // `Send`.
        let all: Vec<Column<M>> = Column::<M>::iter().collect();
        let Err(source) = self.read_no_row(&all).await else {
            return Ok(());
        };
        // A database that does not answer is not asked again: it takes as long each time.
        if !is_answer(&source) {
            return Err(source);
        }
        // A table that cannot be read is told by the database in words of its own.
        self.read_no_row(&[]).await?;
        let mut columns = Vec::new();
        for column in all {
            if self.read_no_row(&[column]).await.is_err() {
                columns.push(column.as_str().to_owned());
            }
        }
        match source {
            Error::Database { source, .. } if !columns.is_empty() => Err(Error::Columns {
                table: M::Entity::default().table_name().to_owned(),
                columns,
                source,
            }),
            source => Err(source),
        }
    }

    async fn read_no_row(&self, columns: &[Column<M>]) -> Result<()> {
        let select = M::Entity::find()
            .select_only()
            .expr_as(Expr::val(1), "one")
            .columns(columns.iter().copied())
            .limit(0)
            .into_query();
        self.query_all(Operation::HEALTH, &select).await?;
        Ok(())
    }

    /// Whether the table has an index that begins with the `expire` column, whatever its name.
    /// Without one each prune reads the whole table; [`create_table`](Self::create_table) adds it.
    ///
    /// # Errors
    ///
    /// [`Error::Disconnected`] or [`Error::Database`].
    pub async fn has_expire_index(&self) -> Result<bool> {
        let entity = M::Entity::default();
        let expire = M::columns().expire;
        let found = self
            .query_one(
                Operation::CHECK_INDEX,
                &IndexOn {
                    schema: entity.schema_name(),
                    table: entity.table_name(),
                    column: expire.as_str(),
                },
            )
            .await?;
        Ok(found.is_some())
    }
}

/// Whether the database itself has refused the statement.
fn is_answer(error: &Error) -> bool {
    let Error::Database { source, .. } = error else {
        return false;
    };
    let DbErr::Query(RuntimeErr::SqlxError(source)) = source else {
        return false;
    };
    matches!(**source, SqlxError::Database(_))
}

/// Looks for an index that begins with a column. Each database keeps its indexes in tables of its
/// own.
struct IndexOn<'a> {
    schema: Option<&'a str>,
    table: &'a str,
    column: &'a str,
}

impl ToStatement for IndexOn<'_> {
    fn to_statement(&self, backend: DbBackend) -> Statement {
        let sql = match backend {
            DbBackend::Sqlite => {
                "SELECT 1 FROM pragma_index_list(?2, coalesce(?1, 'main')) AS i \
                 JOIN pragma_index_info(i.name, coalesce(?1, 'main')) AS c \
                 WHERE c.seqno = 0 AND c.name = ?3 AND NOT i.partial LIMIT 1"
            }
            DbBackend::MySql => {
                "SELECT 1 FROM information_schema.statistics \
                 WHERE table_schema = coalesce(?, DATABASE()) AND table_name = ? \
                 AND column_name = ? AND seq_in_index = 1 LIMIT 1"
            }
            _ => {
                "SELECT 1 FROM pg_index AS i JOIN pg_attribute AS c \
                 ON c.attrelid = i.indrelid AND c.attnum = i.indkey[0] \
                 WHERE i.indrelid = to_regclass(concat_ws('.', quote_ident($1), quote_ident($2))) \
                 AND c.attname = $3 AND i.indisvalid AND i.indpred IS NULL LIMIT 1"
            }
        };
        let values = [self.schema.into(), self.table.into(), self.column.into()];
        Statement::from_sql_and_values(backend, sql, values)
    }
}
