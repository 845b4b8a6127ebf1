//! Everything that can go wrong, in one enum that keeps its sources.

use std::fmt;

use sea_orm::DbErr;

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
    #[error("nothing saved: the session was deleted, has expired, or never existed")]
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
    #[error("nothing saved: another row already has a value that must be unique ({constraint})")]
    UniqueViolation {
        /// The constraint, as the database names it.
        constraint: String,
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

    /// The table does not exist.
    #[error(
        "the table `{table}` does not exist; create it with `create_table()` or in a migration ({})",
        database_message(source)
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
        database_message(source)
    )]
    MissingColumns {
        /// The name of the table.
        table: String,
        /// The names of the columns that are missing, or that the database user may not read.
        columns: Vec<String>,
        /// The database's error when all columns are read.
        source: DbErr,
    },

    /// The database refused a statement, or could not be reached.
    ///
    /// The message leaves out the values that the database quotes. The source contains them.
    #[error("could not {operation}: {}", database_message(source))]
    Database {
        /// What the store was doing, in words.
        operation: &'static str,
        /// The database's error.
        source: DbErr,
    },
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

/// A database's message without the values that it quotes, and without the line of PostgreSQL's source
/// code that sqlx appends: `relation "session" does not exist at line 1392`.
fn database_message(source: &DbErr) -> String {
    let message = without_values(&source.to_string());
    match message.rsplit_once(" at line ") {
        Some((before, line)) if line.bytes().all(|digit| digit.is_ascii_digit()) => {
            before.to_owned()
        }
        _ => message,
    }
}

/// A database's message without a value that it quotes: `Incorrect string value: 'x' for column …`,
/// `invalid input value for enum role: "x"`.
pub(crate) fn without_values(message: &str) -> String {
    for quote in ['\'', '"'] {
        if let Some((before, quoted)) = message.split_once(&format!(": {quote}"))
            && let Some((_, after)) = quoted.rsplit_once(quote)
        {
            return format!("{before}: …{after}");
        }
    }
    message.to_owned()
}

#[cfg(test)]
mod tests {
    use super::without_values;

    #[test]
    fn a_message_is_given_without_the_values_it_quotes() {
        for (message, given) in [
            (
                "Incorrect string value: 'hun\\'ter2' for column `db`.`session`.`ua` at row 1",
                "Incorrect string value: … for column `db`.`session`.`ua` at row 1",
            ),
            (
                "invalid input value for enum role: \"hunter2\"",
                "invalid input value for enum role: …",
            ),
            (
                "relation \"session\" does not exist",
                "relation \"session\" does not exist",
            ),
            (
                "Data too long for column 'sess' at row 1",
                "Data too long for column 'sess' at row 1",
            ),
        ] {
            assert_eq!(without_values(message), given);
        }
    }
}
