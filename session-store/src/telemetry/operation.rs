//! What a statement is for, and which table it goes to: the labels of every span and metric.

use sea_orm::DbBackend;

/// The purpose of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// The label of spans and metrics.
    pub(crate) name: &'static str,
    /// The words of an error message: "could not …".
    pub(crate) description: &'static str,
}

impl Operation {
    pub(crate) const CREATE: Self = Self::new("create", "create a session");
    pub(crate) const CHECK_ID: Self = Self::new("check_id", "look up a session id");
    pub(crate) const LOAD: Self = Self::new("load", "load a session");
    pub(crate) const SAVE: Self = Self::new("save", "save a session");
    pub(crate) const RENEW: Self = Self::new("renew", "give a session a new id");
    pub(crate) const TOUCH: Self = Self::new("touch", "touch a session");
    pub(crate) const CHECK_AGE: Self = Self::new("check_age", "look up a session's age");
    pub(crate) const DELETE: Self = Self::new("delete", "delete a session");
    pub(crate) const FIND: Self = Self::new("find", "find a session");
    pub(crate) const COUNT: Self = Self::new("count", "count sessions");
    pub(crate) const REVOKE: Self = Self::new("revoke", "revoke sessions");
    pub(crate) const REVOKE_ALL_BUT_NEWEST: Self = Self::new(
        "revoke_all_but_newest",
        "revoke all but the newest sessions",
    );
    pub(crate) const DELETE_ALL: Self = Self::new("delete_all", "delete all sessions");
    pub(crate) const PRUNE_FIND: Self = Self::new("prune_find", "find expired sessions");
    pub(crate) const PRUNE_DELETE: Self = Self::new("prune_delete", "delete expired sessions");
    pub(crate) const WATCH: Self = Self::new("watch", "look up watched sessions");
    pub(crate) const CREATE_TABLE: Self = Self::new("create_table", "create the session table");
    pub(crate) const CREATE_INDEX: Self =
        Self::new("create_index", "create an index on the session table");
    pub(crate) const CREATE_TRIGGER: Self = Self::new(
        "create_trigger",
        "create the trigger that notifies of the session table",
    );
    pub(crate) const CHECK_INDEX: Self =
        Self::new("check_index", "look up an index of the session table");
    pub(crate) const VERSION: Self = Self::new("version", "ask for the database's version");
    pub(crate) const HEALTH: Self = Self::new("health", "read the session table");

    const fn new(name: &'static str, description: &'static str) -> Self {
        Self { name, description }
    }
}

/// The table that statements go to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) backend: DbBackend,
    pub(crate) table: &'static str,
    /// Returns the names that the table's keys have by default.
    pub(crate) keys: fn() -> Vec<String>,
}

impl Target {
    /// The label of the backend.
    pub(crate) fn backend(self) -> &'static str {
        match self.backend {
            DbBackend::Sqlite => "sqlite",
            DbBackend::MySql => "mysql",
            _ => "postgres",
        }
    }
}
