//! The table and its indexes, as SeaORM statements.

use sea_orm::sea_query::{
    ColumnType, Expr, ExprTrait, Index, IndexCreateStatement, Query, SelectStatement, StringLen,
    Table, TableCreateStatement, TableName, TableRef,
};
use sea_orm::{ColumnTrait, DbBackend, EntityName, IdenStatic, Iterable, Schema, Statement};

use crate::error::Result;
use crate::execute::ToStatement;
use crate::model::{Column, Columns, SessionModel};
use crate::store::SeaOrmStore;
use crate::telemetry::Operation;

impl<M: SessionModel> SeaOrmStore<M> {
    /// Creates the table and its indexes, those that are missing. A table that is there is not
    /// changed.
    ///
    /// Made for tests, examples and small applications; others put [`table`](Self::table) and
    /// [`indexes`](Self::indexes) into a migration.
    ///
    /// # Errors
    ///
    /// [`Error::Disconnected`](crate::Error::Disconnected) or
    /// [`Error::Database`](crate::Error::Database), for example if a table that a foreign key
    /// refers to does not exist yet. [`Error::Columns`](crate::Error::Columns) if the table is there
    /// without some of the entity's columns; it gets no index then.
    pub async fn create_table(&self) -> Result<()> {
        self.create(Operation::CREATE_TABLE, &self.table()).await?;
        // SQLite takes the quoted name of a column that is not there for text, and makes an index of
        // that, which stays when the column comes.
        self.health().await?;
        let entity = M::Entity::default();
        for index in self.indexes() {
            if !self.has_index(&index).await? {
                let create = CreateIndex {
                    index: &index,
                    schema: entity.schema_name(),
                };
                let created = self.create(Operation::CREATE_INDEX, &create).await;
                // MySQL has no IF NOT EXISTS for an index: another process may have been faster.
                if created.is_err() && !self.has_index(&index).await? {
                    return created;
                }
            }
        }
        Ok(())
    }

    /// Twice if need be: of two processes that create one table at the same moment PostgreSQL
    /// refuses one, IF NOT EXISTS or not.
    async fn create(&self, operation: Operation, statement: &impl ToStatement) -> Result<()> {
        if self.execute(operation, statement).await.is_err() {
            self.execute(operation, statement).await?;
        }
        Ok(())
    }

    async fn has_index(&self, index: &IndexCreateStatement) -> Result<bool> {
        if self.backend() != DbBackend::MySql {
            return Ok(false);
        }
        let Some(name) = index.get_index_spec().get_name() else {
            return Ok(false);
        };
        let select = mysql_index::<M>(name);
        Ok(self
            .query_one(Operation::CHECK_INDEX, &select)
            .await?
            .is_some())
    }

    /// The statement that creates the table, if it does not exist.
    ///
    /// It is what SeaORM makes of the entity, but for MySQL and MariaDB, where it widens what
    /// would cut a session or its end: an unbounded `sess` becomes `longtext` or `longblob`
    /// (`varchar(255)`, `text` and `blob` are too small), and the timestamps that the store writes
    /// become `datetime(6)` (`timestamp` rounds to seconds and ends in 2038).
    #[must_use]
    pub fn table(&self) -> TableCreateStatement {
        Self::table_for(self.backend())
    }

    /// [`table`](Self::table) for a kind of database, for a migration, which has no store.
    ///
    /// # Examples
    ///
    /// ```
    /// use sea_orm::{DbBackend, DbErr};
    /// use session_store::DefaultStore;
    ///
    /// let table = DefaultStore::table_for(DbBackend::Postgres);
    /// # assert!(format!("{table:?}").contains("express_session"));
    /// ```
    #[must_use]
    pub fn table_for(backend: DbBackend) -> TableCreateStatement {
        let schema = Schema::new(backend);
        let mut table = schema.create_table_from_entity(M::Entity::default());
        if backend == DbBackend::MySql {
            let mut widened = Table::create();
            widened
                .table(M::Entity::default().table_ref())
                .character_set("utf8mb4");
            for column in Column::<M>::iter() {
                let mut def = schema.get_column_def::<M::Entity>(column);
                if let Some(wider) = mysql_type::<M>(column) {
                    def.custom(wider);
                }
                widened.col(&mut def);
            }
            for foreign_key in table.get_foreign_key_create_stmts() {
                widened.foreign_key(&mut foreign_key.clone());
            }
            if let Some(comment) = table.get_comment() {
                widened.comment(comment);
            }
            table = widened;
        }
        table.if_not_exists().take()
    }

    /// The statements that create the table's indexes: one on `expire`, which pruning needs, one for
    /// each column with `#[session(index)]`, and one for each that the entity declares `indexed` or
    /// gives a `unique_key`.
    #[must_use]
    pub fn indexes(&self) -> Vec<IndexCreateStatement> {
        Self::indexes_for(self.backend())
    }

    /// [`indexes`](Self::indexes) for a kind of database, for a migration, which has no store.
    #[must_use]
    pub fn indexes_for(backend: DbBackend) -> Vec<IndexCreateStatement> {
        let entity = M::Entity::default();
        let mut indexes = Schema::new(backend).create_index_from_entity(entity);
        for column in [M::columns().expire].into_iter().chain(M::indexed()) {
            let name = format!("idx-{}-{}", entity.table_name(), column.as_str());
            if indexes
                .iter()
                .all(|index| index.get_index_spec().get_name() != Some(&name))
            {
                let index = Index::create()
                    .name(name)
                    .table(index_table::<M>(backend))
                    .col(column)
                    .take();
                indexes.push(index);
            }
        }
        if backend != DbBackend::MySql {
            for index in &mut indexes {
                index.if_not_exists();
            }
        }
        indexes
    }
}

/// An index for [`create_table`](SeaOrmStore::create_table). For MySQL sea-query names a table without
/// its schema, and so would index one of that name in the connection's own database.
struct CreateIndex<'a> {
    index: &'a IndexCreateStatement,
    schema: Option<&'a str>,
}

impl ToStatement for CreateIndex<'_> {
    fn to_statement(&self, backend: DbBackend) -> Statement {
        let mut create = backend.build(self.index);
        if let (DbBackend::MySql, Some(schema)) = (backend, self.schema) {
            let schema = schema.replace('`', "``");
            create.sql = create
                .sql
                .replacen(" ON `", &format!(" ON `{schema}`.`"), 1);
        }
        create
    }
}

/// sea-query takes a schema in CREATE INDEX for PostgreSQL alone.
fn index_table<M: SessionModel>(backend: DbBackend) -> TableRef {
    match M::Entity::default().table_ref() {
        TableRef::Table(TableName(Some(_), table), alias) if backend != DbBackend::Postgres => {
            TableRef::Table(TableName(None, table), alias)
        }
        table => table,
    }
}

/// The type a column needs on MySQL where the entity's own would not hold what the store writes.
fn mysql_type<M: SessionModel>(column: Column<M>) -> Option<&'static str> {
    let Columns {
        sess,
        expire,
        created_at,
        last_seen,
        ..
    } = M::columns();
    let is = |other: Column<M>| column.as_str() == other.as_str();
    let is_timestamp = is(expire)
        || created_at.is_some_and(|created_at| is(created_at.column))
        || last_seen.is_some_and(|last_seen| is(last_seen.column));
    match column.def().get_column_type() {
        ColumnType::String(StringLen::None) | ColumnType::Text if is(sess) => Some("longtext"),
        ColumnType::VarBinary(StringLen::None) | ColumnType::Blob if is(sess) => Some("longblob"),
        ColumnType::DateTime | ColumnType::Timestamp | ColumnType::TimestampWithTimeZone
            if is_timestamp =>
        {
            Some("datetime(6)")
        }
        _ => None,
    }
}

fn mysql_index<M: SessionModel>(name: &str) -> SelectStatement {
    let entity = M::Entity::default();
    let schema = match entity.schema_name() {
        Some(schema) => Expr::val(schema),
        None => Expr::cust("DATABASE()"),
    };
    Query::select()
        .expr(Expr::val(1))
        .from(("information_schema", "statistics"))
        .and_where(Expr::col("table_schema").eq(schema))
        .and_where(Expr::col("table_name").eq(entity.table_name()))
        .and_where(Expr::col("index_name").eq(name))
        .limit(1)
        .take()
}
