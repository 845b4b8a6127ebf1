//! Looking up the table's indexes. Each database lists them in its own tables.

use sea_orm::{DbBackend, EntityName, IdenStatic, Statement, Value};

use super::SeaOrmStore;
use crate::error::Result;
use crate::model::SessionModel;
use crate::sql::ToStatement;
use crate::telemetry::Operation;

impl<M: SessionModel> SeaOrmStore<M> {
    /// Returns whether the table has an index that starts with the `expire` column, whatever its name.
    ///
    /// Without one, each prune reads the whole table. [`create_table`](Self::create_table) adds it. Returns
    /// `false` if the table does not exist. A partial index does not count.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Disconnected`](crate::Error::Disconnected),
    /// [`Error::Unreachable`](crate::Error::Unreachable) or
    /// [`Error::Database`](crate::Error::Database).
    pub async fn has_expire_index(&self) -> Result<bool> {
        let expire = M::columns().expire.column;
        self.has_index(Index::StartingWith(expire.as_str())).await
    }

    /// Returns whether MySQL or MariaDB has an index of this name on the table. The other databases have
    /// `CREATE INDEX IF NOT EXISTS`.
    pub(super) async fn mysql_has_index(&self, name: &str) -> Result<bool> {
        let is_mysql = self.executor.backend() == DbBackend::MySql;
        Ok(is_mysql && self.has_index(Index::Named(name)).await?)
    }

    async fn has_index(&self, index: Index<'_>) -> Result<bool> {
        let entity = M::Entity::default();
        let lookup = IndexLookup {
            schema: entity.schema_name(),
            table: entity.table_name(),
            index,
        };
        let row = self.executor.query_one(Operation::CHECK_INDEX, &lookup);
        Ok(row.await?.is_some())
    }
}

#[derive(Clone, Copy)]
enum Index<'a> {
    /// On MySQL.
    Named(&'a str),
    /// An index on all rows whose first column is this.
    StartingWith(&'a str),
}

struct IndexLookup<'a> {
    schema: Option<&'a str>,
    table: &'a str,
    index: Index<'a>,
}

impl ToStatement for IndexLookup<'_> {
    fn to_statement(&self, backend: DbBackend) -> Statement {
        let (sql, name) = match (self.index, backend) {
            (Index::Named(index), _) => (
                "SELECT 1 FROM information_schema.statistics \
                 WHERE table_schema = coalesce(?, DATABASE()) AND table_name = ? \
                 AND index_name = ? LIMIT 1",
                index,
            ),
            (Index::StartingWith(column), DbBackend::MySql) => (
                "SELECT 1 FROM information_schema.statistics \
                 WHERE table_schema = coalesce(?, DATABASE()) AND table_name = ? \
                 AND column_name = ? AND seq_in_index = 1 LIMIT 1",
                column,
            ),
            (Index::StartingWith(column), DbBackend::Sqlite) => (
                "SELECT 1 FROM pragma_index_list(?2, coalesce(?1, 'main')) AS i \
                 JOIN pragma_index_info(i.name, coalesce(?1, 'main')) AS c \
                 WHERE c.seqno = 0 AND c.name = ?3 AND NOT i.partial LIMIT 1",
                column,
            ),
            (Index::StartingWith(column), _) => (
                "SELECT 1 FROM pg_index AS i JOIN pg_attribute AS c \
                 ON c.attrelid = i.indrelid AND c.attnum = i.indkey[0] \
                 WHERE i.indrelid = to_regclass(concat_ws('.', quote_ident($1), quote_ident($2))) \
                 AND c.attname = $3 AND i.indisvalid AND i.indpred IS NULL LIMIT 1",
                column,
            ),
        };
        let values: [Value; 3] = [self.schema.into(), self.table.into(), name.into()];
        Statement::from_sql_and_values(backend, sql, values)
    }
}
