//! The table and its indexes, as SeaORM statements.

use sea_orm::sea_query::{
    ColumnType, Index, IndexCreateStatement, StringLen, Table, TableCreateStatement, TableName,
    TableRef,
};
use sea_orm::{ColumnTrait, DbBackend, EntityName, IdenStatic, Iterable, Schema, Statement};

use super::SeaOrmStore;
use crate::error::Result;
use crate::model::{Column, SessionModel};
use crate::sql::ToStatement;
use crate::telemetry::Operation;

impl<M: SessionModel> SeaOrmStore<M> {
    /// Creates the table and its indexes where they do not exist. Does not change an existing table.
    ///
    /// This is for tests, examples and small applications. For others, use
    /// [`table_for`](Self::table_for) and [`indexes_for`](Self::indexes_for) in a migration.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Disconnected`](crate::Error::Disconnected),
    /// [`Error::Unreachable`](crate::Error::Unreachable), or [`Error::Database`](crate::Error::Database), for example if a foreign key refers to a table that
    /// does not exist yet. Returns [`Error::MissingColumns`](crate::Error::MissingColumns) if the table
    /// exists but lacks columns of the entity. Then it gets no index.
    pub async fn create_table(&self) -> Result<()> {
        self.create(Operation::CREATE_TABLE, &self.table()).await?;
        // SQLite takes the quoted name of a missing column as text and indexes that, and this index
        // stays when the column is added.
        self.health().await?;
        let entity = M::Entity::default();
        for (name, index) in named_indexes::<M>(self.executor.backend()) {
            if !self.mysql_has_index(&name).await? {
                let create = CreateIndex {
                    index: &index,
                    name: &name,
                    schema: entity.schema_name(),
                };
                let created = self.create(Operation::CREATE_INDEX, &create).await;
                // MySQL has no IF NOT EXISTS for an index: another process may have been faster.
                if created.is_err() && !self.mysql_has_index(&name).await? {
                    return created;
                }
            }
        }
        self.create_notify_trigger().await
    }

    /// Sends the statement a second time if it fails: when two processes create one table at the same
    /// time, PostgreSQL refuses one of them in spite of IF NOT EXISTS.
    async fn create(&self, operation: Operation, statement: &impl ToStatement) -> Result<()> {
        if self.executor.execute(operation, statement).await.is_err() {
            self.executor.execute(operation, statement).await?;
        }
        Ok(())
    }

    /// Returns the statement that creates the table if it does not exist.
    ///
    /// It is SeaORM's own, except on MySQL and MariaDB. There it widens the types that would truncate a
    /// session or its expiry. An unbounded `sess` becomes `longtext` or `longblob`, because
    /// `varchar(255)`, `text` and `blob` are too small. The timestamps that the store writes become
    /// `datetime(6)`, because `timestamp` rounds to seconds and ends in 2038.
    #[must_use]
    pub fn table(&self) -> TableCreateStatement {
        Self::table_for(self.executor.backend())
    }

    /// Like [`table`](Self::table), for a migration, which has no store.
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

    /// Returns the statements that create the table's indexes: one on `expire`, which pruning needs,
    /// one for each column with `#[session(index)]`, and one for each that the entity declares as
    /// `indexed` or with a `unique_key`.
    #[must_use]
    pub fn indexes(&self) -> Vec<IndexCreateStatement> {
        Self::indexes_for(self.executor.backend())
    }

    /// Like [`indexes`](Self::indexes), for a migration, which has no store.
    ///
    /// On MySQL and SQLite, the statements leave out the entity's `schema_name`, because SeaORM's
    /// cannot have it there. [`create_table`](Self::create_table) creates the indexes in the right place.
    #[must_use]
    pub fn indexes_for(backend: DbBackend) -> Vec<IndexCreateStatement> {
        let named = named_indexes::<M>(backend).into_iter();
        named.map(|(_, index)| index).collect()
    }
}

/// The table's indexes, each with its name.
fn named_indexes<M: SessionModel>(backend: DbBackend) -> Vec<(String, IndexCreateStatement)> {
    let entity = M::Entity::default();
    let name = |index: IndexCreateStatement| {
        let name = index.get_index_spec().get_name().unwrap_or_default();
        (name.to_owned(), index)
    };
    let declared = Schema::new(backend).create_index_from_entity(entity);
    let mut indexes: Vec<_> = declared.into_iter().map(name).collect();
    let expire = M::columns().expire.column;
    for column in [expire].into_iter().chain(M::indexed()) {
        let name = format!("idx-{}-{}", entity.table_name(), column.as_str());
        if indexes.iter().all(|(other, _)| *other != name) {
            let index = Index::create()
                .table(index_table::<M>(backend))
                .col(column)
                .take();
            indexes.push((name, index));
        }
    }
    for (name, index) in &mut indexes {
        // sea-query puts the name between quotes, but does not escape the quotes in it.
        index.name(escaped(name, backend));
        if backend != DbBackend::MySql {
            index.if_not_exists();
        }
    }
    indexes
}

/// Returns the names that keys have on MySQL and MariaDB if SeaORM creates them: the primary key's, a
/// unique column's, and those of the indexes.
pub(super) fn key_names<M: SessionModel>() -> Vec<String> {
    let columns = Column::<M>::iter().map(|column| column.as_str().to_owned());
    let indexes = named_indexes::<M>(DbBackend::MySql).into_iter();
    let primary = ["PRIMARY".to_owned()].into_iter();
    primary
        .chain(columns)
        .chain(indexes.map(|(name, _)| name))
        .collect()
}

/// An index for [`create_table`](SeaOrmStore::create_table), in the table's own schema.
///
/// On MySQL and SQLite, sea-query leaves the schema out, and so would index a table of that name in the
/// connection's own database.
struct CreateIndex<'a> {
    index: &'a IndexCreateStatement,
    name: &'a str,
    schema: Option<&'a str>,
}

impl ToStatement for CreateIndex<'_> {
    fn to_statement(&self, backend: DbBackend) -> Statement {
        let mut create = backend.build(self.index);
        let Some(schema) = self.schema else {
            return create;
        };
        let (name, schema) = (quoted(self.name, backend), quoted(schema, backend));
        let qualified = match backend {
            // On SQLite, an index has the schema, and finds the table in it.
            DbBackend::Sqlite => format!("{schema}.{name} ON "),
            DbBackend::MySql => format!("{name} ON {schema}."),
            _ => return create,
        };
        // The name is the first text between quotes.
        create.sql = create.sql.replacen(&format!("{name} ON "), &qualified, 1);
        create
    }
}

pub(super) fn quoted(name: &str, backend: DbBackend) -> String {
    let (quote, name) = (quote(backend), escaped(name, backend));
    format!("{quote}{name}{quote}")
}

fn escaped(name: &str, backend: DbBackend) -> String {
    let quote = quote(backend);
    name.replace(quote, &format!("{quote}{quote}"))
}

fn quote(backend: DbBackend) -> char {
    match backend {
        DbBackend::MySql => '`',
        _ => '"',
    }
}

/// The table as CREATE INDEX names it: sea-query accepts a schema there only for PostgreSQL.
fn index_table<M: SessionModel>(backend: DbBackend) -> TableRef {
    match M::Entity::default().table_ref() {
        TableRef::Table(TableName(Some(_), table), alias) if backend != DbBackend::Postgres => {
            TableRef::Table(TableName(None, table), alias)
        }
        table => table,
    }
}

/// The type that a column needs on MySQL if the entity's own cannot hold what the store writes.
fn mysql_type<M: SessionModel>(column: Column<M>) -> Option<&'static str> {
    let columns = M::columns();
    let is = |other: Column<M>| column.as_str() == other.as_str();
    let is_sess = is(columns.sess);
    let is_timestamp = columns.timestamps().any(|timestamp| is(timestamp.column));
    match column.def().get_column_type() {
        ColumnType::String(StringLen::None) | ColumnType::Text if is_sess => Some("longtext"),
        ColumnType::VarBinary(StringLen::None) | ColumnType::Blob if is_sess => Some("longblob"),
        ColumnType::DateTime | ColumnType::Timestamp | ColumnType::TimestampWithTimeZone
            if is_timestamp =>
        {
            Some("datetime(6)")
        }
        _ => None,
    }
}
