//! Everything that can go wrong, in one enum that keeps its sources.

use std::fmt;
use std::sync::Arc;

use http::StatusCode;
use sea_orm::DbErr;

use crate::database_message::describe;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// An error of a [`SeaOrmStore`](crate::SeaOrmStore).
///
/// Neither its message nor its `Debug` output contains a session id, plain or hashed, or a value of a
/// session's data. The *source* of a database error can: it is the database's own error.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store has no connection to a database. See
    /// [`SeaOrmStore::new`](crate::SeaOrmStore::new).
    #[error(
        "the store's database connection is `Disconnected`; open one with \
         `sea_orm::Database::connect` and pass it to `SeaOrmStore::new`"
    )]
    Disconnected,

    /// The session to save does not exist: it was deleted, has expired, or never existed.
    ///
    /// Nothing was written. A store that inserted the row instead would bring back a session that
    /// was signed out while this request ran.
    ///
    /// [`revoke_all_but_newest`](crate::SeaOrmStore::revoke_all_but_newest) returns it too, if the
    /// session to keep does not match the condition.
    #[error("nothing saved or revoked: the session was deleted, has expired, or never existed")]
    NotFound,

    /// The session to save has ended earlier in the same request, under
    /// [`store.layer()`](crate::SeaOrmStore::layer): the request has deleted it with `Session::delete`,
    /// or has found that it does not exist. Nothing was written.
    ///
    /// At the end of the request, its data begin a new session. To begin one earlier, call
    /// `Session::flush`.
    #[error(
        "nothing saved: the session has ended earlier in this request; to begin a new one, call \
         `Session::flush` before the `insert`"
    )]
    Ended,

    /// The database has accepted a statement that saves or deletes a session, and has left the row as
    /// it was. A trigger or a row-level security policy can do that.
    #[error(
        "the session is neither saved nor deleted, because the database left its row as it was; check \
         the table's triggers and row-level security policies"
    )]
    RowKept,

    /// Other requests kept saving the session while this one tried to. Nothing was written.
    #[error("nothing saved: other requests saved the session first, {attempts} times in a row")]
    Conflict {
        /// The number of times the save was tried.
        attempts: u32,
    },

    /// Every id that was tried for a new session is taken. Random ids of 128 bits do not collide by
    /// chance.
    #[error("no unused session id in {attempts} attempts; check the random number generator")]
    IdCollision {
        /// The number of ids that were tried.
        attempts: u32,
    },

    /// Another row already has one of the values in a unique column other than the sid. Nothing was
    /// written.
    #[error(
        "nothing saved: another row already has a value that must be unique{}",
        constraint.as_deref().map(|name| format!(" ({name})")).unwrap_or_default()
    )]
    UniqueViolation {
        /// The constraint, as the database names it: on PostgreSQL its name, on SQLite its columns. MySQL
        /// and MariaDB name it only beside the value, so there it is `None` unless it is a column of the
        /// entity or one of [`indexes`](crate::SeaOrmStore::indexes).
        constraint: Option<String>,
    },

    /// The encoded data is larger than the store's limit. Nothing was written.
    #[error(
        "nothing saved: the session data is {size} bytes encoded, and the limit is {max} bytes; \
         raise it with `with_max_bytes`"
    )]
    TooLarge {
        /// The size of the encoded data in bytes.
        size: usize,
        /// The store's limit in bytes.
        max: usize,
    },

    /// A column cannot hold what the session has for it. Nothing was written.
    #[error("nothing saved: column `{column}` cannot hold the session's data: {source}")]
    Encode {
        /// The name of the column.
        column: String,
        /// What the column cannot hold.
        source: BoxError,
    },

    /// A row's `sess`, `expire`, `version` or, with an absolute timeout, `created_at` column holds a
    /// value that this store did not write.
    #[error(
        "invalid session data in column `{column}`: {source}; \
         another program wrote it, and the row can be deleted by its `{sid_column}`"
    )]
    Decode {
        /// The name of the column that could not be read.
        column: String,
        /// The name of the sid column.
        sid_column: String,
        /// What is wrong with the value.
        source: BoxError,
    },

    /// An extra column could not be filled: the session has no value for it, or one of another type.
    /// Nothing was written.
    #[error("nothing saved: cannot fill column `{column}` from {origin}: {problem}")]
    InvalidColumnValue {
        /// The name of the column.
        column: String,
        /// Where its value comes from: a session key or a JSON pointer.
        origin: String,
        /// What was expected there, and what was found.
        problem: String,
    },

    /// The closure passed to [`with_extras`](crate::SeaOrmStore::with_extras) returned an error.
    /// Nothing was written.
    #[error("nothing saved: the `with_extras` closure failed: {0}")]
    ExtrasFailed(#[source] BoxError),

    /// The request has no session: it did not come through a session layer.
    #[error(
        "the request has no session; put `store.layer()` around the route, or `store.layer_for()` for a \
         `Session` of another version of tower-sessions"
    )]
    MissingLayer,

    /// The value that the session has under a key is not of the type that was asked for, or a value cannot
    /// be put into a session. The source is serde's error, and can contain the value.
    #[error(
        "the session's value under the key `{key}` cannot be read or written as a `{expected}`"
    )]
    InvalidValue {
        /// The session key.
        key: &'static str,
        /// The name of the type.
        expected: &'static str,
        /// What is wrong with the value.
        source: serde_json::Error,
    },

    /// The table does not exist.
    #[error(
        "the table `{table}` does not exist; create it with `create_table()` or in a migration ({})",
        describe(source)
    )]
    MissingTable {
        /// The name of the table.
        table: String,
        /// The database's error.
        source: DbErr,
    },

    /// The table exists, but lacks columns of the entity. Returned by
    /// [`health`](crate::SeaOrmStore::health) and [`create_table`](crate::SeaOrmStore::create_table).
    #[error(
        "the table `{table}` is missing columns: {}; add them in a migration ({})",
        quoted(columns),
        describe(source)
    )]
    MissingColumns {
        /// The name of the table.
        table: String,
        /// The names of the columns that are missing, or that the database user may not read.
        columns: Vec<String>,
        /// The database's error when all columns are read.
        source: DbErr,
    },

    /// The database could not be reached, the connection was lost, or the database does not take statements now, for
    /// as long as the store waits. A statement that writes may have been executed. Returned at once if a primary of
    /// PostgreSQL is read-only.
    #[error("could not {operation}: {}", describe(source))]
    Unreachable {
        /// What the store was doing, in words.
        operation: &'static str,
        /// The error of the connection, or of the pool.
        source: DbErr,
    },

    /// The database refused a statement.
    ///
    /// The message is the database's own only for kinds of errors that quote no value. For others it says
    /// what was refused, with the SQLSTATE. The source is the database's error, and can contain values.
    #[error("could not {operation}: {}", describe(source))]
    Database {
        /// What the store was doing, in words.
        operation: &'static str,
        /// The database's error.
        source: DbErr,
    },
}

impl Error {
    /// Returns the error of an operation of tower-sessions, of which only the text is known.
    pub(crate) fn of_text(operation: &'static str, error: &impl fmt::Display) -> Arc<Self> {
        let source = DbErr::Custom(error.to_string());
        Arc::new(Self::Database { operation, source })
    }

    /// Returns the status of the response to a request that failed with this error, unless
    /// [`on_error`](crate::SessionLayer::on_error) says otherwise: 401 if the session has ended, 503 if the
    /// database could not be reached, and otherwise 500.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotFound | Self::Ended => StatusCode::UNAUTHORIZED,
            Self::Unreachable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Prints the message: derived output would show the row that an error of PostgreSQL is about.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn quoted(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
