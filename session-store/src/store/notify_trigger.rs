//! The trigger by which PostgreSQL tells every process of sessions that have ended or changed.

use sea_orm::{DbBackend, EntityName, IdenStatic, Statement};

use super::SeaOrmStore;
use super::schema::quoted;
use crate::model::SessionModel;

/// The channel of the notifications. The session tables of a database share it: a notification names a session
/// by a hash, and means nothing to the others.
pub(super) const CHANNEL: &str = "session_store";

/// The name of the triggers. Each table has its own, so that the names cannot collide.
pub(super) const TRIGGER: &str = "session_store_notify";

impl<M: SessionModel> SeaOrmStore<M> {
    /// Lets [`create_table`](Self::create_table) create the [trigger](Self::notify_trigger) too. Has no effect
    /// on other databases than PostgreSQL.
    #[must_use]
    pub fn with_notify_trigger(mut self) -> Self {
        self.has_notify_trigger = true;
        self
    }

    /// Returns the statement that creates the trigger by which PostgreSQL notifies every process that
    /// [listens](Self::listen), whoever deletes or changes a session. On other databases there is none.
    ///
    /// Each row that is deleted, or changed in anything but a touch (a later expiry, and `last_seen`), is one
    /// notification when the transaction commits. `TRUNCATE` is one too. A notification holds the SHA-256 of
    /// the sid, and no data. The statement can be executed again, and needs PostgreSQL 14 or later.
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
        let columns = M::columns();
        let column = |name: &str| quoted(name, backend);
        let (sid, expire) = (
            column(columns.sid.as_str()),
            column(columns.expire.column.as_str()),
        );
        let last_seen = columns.last_seen.map(|last_seen| {
            let last_seen = column(last_seen.column.as_str());
            format!("NEW.{last_seen} := OLD.{last_seen};")
        });
        let (table, function) = (
            Self::qualified(M::Entity::default().table_name()),
            Self::qualified(&format!("{TRIGGER}_{}", M::Entity::default().table_name())),
        );
        // The lock lets one process after the other replace the function. A trigger that runs after the statement
        // may change NEW, which is then only compared: as it is stored, because `json` has no equality.
        let sql = format!(
            "DO $session_store_do$
BEGIN
  LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE;
  CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $session_store$
  BEGIN
    IF TG_OP = 'TRUNCATE' THEN
      PERFORM pg_notify('{CHANNEL}', '');
      RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.{expire} >= OLD.{expire} THEN
      NEW.{expire} := OLD.{expire};
      {last_seen}
      IF NEW OPERATOR(pg_catalog.*=) OLD THEN
        RETURN NULL;
      END IF;
    END IF;
    PERFORM pg_notify('{CHANNEL}', encode(sha256(convert_to(OLD.{sid}::text, 'UTF8')), 'hex'));
    RETURN NULL;
  END $session_store$;
  CREATE OR REPLACE TRIGGER {TRIGGER} AFTER DELETE OR UPDATE ON {table}
    FOR EACH ROW EXECUTE FUNCTION {function}();
  CREATE OR REPLACE TRIGGER {TRIGGER}_truncate AFTER TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION {function}();
END $session_store_do$",
            last_seen = last_seen.unwrap_or_default()
        );
        Some(Statement::from_string(backend, sql))
    }

    /// Returns a name in the schema of the table, as SQL.
    pub(super) fn qualified(name: &str) -> String {
        let name = quoted(name, DbBackend::Postgres);
        match M::Entity::default().schema_name() {
            Some(schema) => format!("{}.{name}", quoted(schema, DbBackend::Postgres)),
            None => name,
        }
    }
}
