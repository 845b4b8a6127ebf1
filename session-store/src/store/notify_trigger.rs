//! The trigger by which PostgreSQL tells every process of sessions that have ended or changed.

use sea_orm::{DbBackend, EntityName, IdenStatic, Statement, Value};
use sha2::{Digest, Sha256};

use super::SeaOrmStore;
use super::schema::quoted;
use crate::error::Result;
use crate::model::SessionModel;
use crate::sql::ToStatement;
use crate::telemetry::Operation;

/// The channel of the notifications. The session tables of a database share it: a notification names a session
/// by a hash, and means nothing to the others.
pub(super) const CHANNEL: &str = "session_store";

/// The name of the trigger, and how the names of its function and of the other trigger begin.
const TRIGGER: &str = "session_store_notify";

/// The bytes of a name that PostgreSQL keeps.
const MAX_NAME: usize = 63;

/// Whether the triggers call this function on the right events, and are not disabled. `tgtype` 25 is for each
/// row, after DELETE or UPDATE, and 32 is after TRUNCATE.
pub(super) const IS_COMPLETE: &str = "SELECT count(*) = 2 FROM pg_trigger AS t JOIN pg_proc AS f \
     ON f.oid = t.tgfoid WHERE t.tgrelid = to_regclass($1) AND f.prosrc = $2 \
     AND (t.tgname = $3 AND t.tgtype = 25 OR t.tgname = $3 || '_truncate' AND t.tgtype = 32) \
     AND t.tgenabled IN ('O', 'A')";

impl<M: SessionModel> SeaOrmStore<M> {
    /// Lets [`create_table`](Self::create_table) create the [trigger](Self::notify_trigger) too. Has no effect
    /// on other databases than PostgreSQL.
    #[must_use]
    pub fn with_notify_trigger(mut self) -> Self {
        self.has_notify_trigger = true;
        self
    }

    /// Returns the statement that creates the trigger by which PostgreSQL notifies every process that
    /// [listens](crate::guide::watching#hearing-at-once-on-postgresql), whoever ends or changes a session. On
    /// other databases there is none.
    ///
    /// A row that is deleted, or whose `sid`, `sess`, `created_at` or version changes or whose `expire` moves to
    /// an earlier time, is a notification when the transaction commits. A touch is none. `TRUNCATE` is one. It
    /// holds the SHA-256 of the sid, and no data. The statement can be executed again, and needs PostgreSQL 14
    /// or later.
    ///
    /// # Examples
    ///
    /// In a migration, which has no store, [`notify_trigger_for`](Self::notify_trigger_for):
    ///
    /// ```
    /// # use sea_orm::{ConnectionTrait, DbErr};
    /// # use sea_orm_migration::SchemaManager;
    /// # use session_store::DefaultStore;
    /// # async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    /// let db = manager.get_connection();
    /// if let Some(trigger) = DefaultStore::notify_trigger_for(db.get_database_backend()) {
    ///     db.execute_raw(trigger).await?;
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn notify_trigger(&self) -> Option<Statement> {
        Self::notify_trigger_for(self.executor.backend())
    }

    /// Like [`notify_trigger`](Self::notify_trigger), for a migration, which has no store.
    #[must_use]
    pub fn notify_trigger_for(backend: DbBackend) -> Option<Statement> {
        if backend != DbBackend::Postgres {
            return None;
        }
        let table = M::Entity::default().table_name();
        let mut function = format!("{TRIGGER}_{table}");
        if function.len() > MAX_NAME {
            // Cut, it could be the function of another table.
            function = format!("{TRIGGER}_{:x}", Sha256::digest(table));
            function.truncate(MAX_NAME);
        }
        let (table, function) = (qualified::<M>(table), qualified::<M>(&function));
        let body = body::<M>();
        // The lock lets one process after the other replace the function.
        let sql = format!(
            "DO $session_store_do$
BEGIN
  LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE;
  CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $session_store${body}$session_store$;
  CREATE OR REPLACE TRIGGER {TRIGGER} AFTER DELETE OR UPDATE ON {table}
    FOR EACH ROW EXECUTE FUNCTION {function}();
  CREATE OR REPLACE TRIGGER {TRIGGER}_truncate AFTER TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION {function}();
END $session_store_do$"
        );
        Some(Statement::from_string(backend, sql))
    }

    /// Creates the trigger if it is wanted, and is not as it should be. Creating it waits for every transaction
    /// that writes to the table, and lets others wait.
    pub(super) async fn create_notify_trigger(&self) -> Result<()> {
        let Some(create) = self.notify_trigger().filter(|_| self.has_notify_trigger) else {
            return Ok(());
        };
        let is_complete = Statement::from_sql_and_values(
            DbBackend::Postgres,
            IS_COMPLETE,
            Self::is_complete_values().map(Value::from),
        );
        let operation = Operation::CREATE_TRIGGER;
        let row = self
            .executor
            .query_one(operation, &Raw(is_complete))
            .await?;
        if row.and_then(|row| row.try_get_by_index(0).ok()) == Some(true) {
            return Ok(());
        }
        self.executor.execute(operation, &Raw(create)).await?;
        Ok(())
    }

    /// Returns the values of [`IS_COMPLETE`].
    pub(super) fn is_complete_values() -> [String; 3] {
        let table = qualified::<M>(M::Entity::default().table_name());
        [table, body::<M>(), TRIGGER.to_owned()]
    }
}

/// Returns the body of the function.
///
/// Columns are named only in `EXECUTE`, whose text is planned each time: otherwise, after a column has got another
/// type, PL/pgSQL refuses every statement of the connections that are open. Rows are compared as they are
/// stored, because `json` has no equality.
fn body<M: SessionModel>() -> String {
    let columns = M::columns();
    let field = |row: &str, name: &str| format!("({row}).{}", quoted(name, DbBackend::Postgres));
    let sid = field("$1", columns.sid.as_str());
    let expire = columns.expire.column.as_str();
    let (expire_before, expire) = (field("$1", expire), field("$2", expire));
    let compared = [Some(columns.sid), Some(columns.sess)]
        .into_iter()
        .chain([
            columns.created_at.map(|created_at| created_at.column),
            columns.version.map(|version| version.column),
        ])
        .flatten();
    let compared: Vec<_> = compared.collect();
    let row = |row: &str| {
        let fields: Vec<_> = compared
            .iter()
            .map(|column| field(row, column.as_str()))
            .collect();
        fields.join(", ")
    };
    let (before, after) = (row("$1"), row("$2"));
    format!(
        "
DECLARE
  notice pg_catalog.text := '';
BEGIN
  IF TG_OP = 'UPDATE' THEN
    EXECUTE $sql$SELECT CASE WHEN {expire} OPERATOR(pg_catalog.>=) {expire_before}
      AND pg_catalog.record_image_eq(ROW({before}), ROW({after})) THEN NULL
      ELSE pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to({sid}::pg_catalog.text, 'UTF8')), 'hex') END$sql$
      INTO notice USING OLD, NEW;
  ELSIF TG_OP = 'DELETE' THEN
    EXECUTE $sql$SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to({sid}::pg_catalog.text, 'UTF8')), 'hex')$sql$
      INTO notice USING OLD;
  END IF;
  IF notice IS NOT NULL THEN
    PERFORM pg_catalog.pg_notify('{CHANNEL}', notice);
  END IF;
  RETURN NULL;
END "
    )
}

/// Returns a name in the schema of the table, as SQL.
fn qualified<M: SessionModel>(name: &str) -> String {
    let name = quoted(name, DbBackend::Postgres);
    match M::Entity::default().schema_name() {
        Some(schema) => format!("{}.{name}", quoted(schema, DbBackend::Postgres)),
        None => name,
    }
}

struct Raw(Statement);

impl ToStatement for Raw {
    fn to_statement(&self, _: DbBackend) -> Statement {
        self.0.clone()
    }
}
