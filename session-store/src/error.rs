//! Everything that can go wrong, in one enum, with its source.

use std::fmt;

use sea_orm::{DbErr, SqlErr};

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An error of a [`SeaOrmStore`](crate::SeaOrmStore).
///
/// Neither its message nor its `Debug` output holds a session id, plain or hashed, or a value of a
/// session's data.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store was built on a connection that is not connected.
    #[error(
        "the store's database connection is `Disconnected`; open one with \
         `sea_orm::Database::connect` and hand it to `SeaOrmStore::new`"
    )]
    Disconnected,

    /// The session to be saved is not there: it was ended, has expired or never existed.
    ///
    /// Nothing was written. A store that inserted the row instead would bring back a session that
    /// was logged out while this request ran.
    #[error("nothing saved: the session was ended, has expired or never existed")]
    NotFound,

    /// Other requests saved the session again and again while this one tried to.
    #[error("nothing saved: other requests saved the session first, {attempts} times")]
    Conflict {
        /// How often the save was tried.
        attempts: u32,
    },

    /// Every new id that was tried is taken, which random ids of 128 bits do not do by chance.
    #[error("no free session id after {attempts} attempts; is the id generator random?")]
    IdsTaken {
        /// How many ids were tried.
        attempts: u32,
    },

    /// A unique column other than the sid already holds this value.
    #[error("nothing saved: another row already holds a value that must be unique ({constraint})")]
    Unique {
        /// The constraint, as the database names it.
        constraint: String,
    },

    /// The encoded data is larger than the store's limit. Nothing was written.
    #[error(
        "nothing saved: the session data is {size} bytes encoded and the limit is {max} bytes \
         (`with_max_bytes` raises it)"
    )]
    TooLarge {
        /// The size of the encoded data in bytes.
        size: usize,
        /// The store's limit in bytes.
        max: usize,
    },

    /// The data cannot be written to the `sess` column. Nothing was written.
    #[error("nothing saved: the session data cannot be held by column `{column}`: {source}")]
    Encode {
        /// The name of the `sess` column.
        column: String,
        /// What the column cannot hold.
        source: BoxError,
    },

    /// A row's `sess`, `expire`, `created_at` (with an absolute life) or version column holds something
    /// this store did not write.
    #[error(
        "a row holds what is no session in column `{column}`: {source}; \
         the row is found by column `{sid_column}` and can be deleted"
    )]
    Decode {
        /// The name of the column that could not be read.
        column: String,
        /// The name of the sid column.
        sid_column: String,
        /// What is wrong with the value.
        source: BoxError,
    },

    /// An extra column could not be filled from the session data. Nothing was written.
    #[error("nothing saved: column `{column}` cannot be filled from {origin}: {problem}")]
    Extra {
        /// The name of the column.
        column: String,
        /// Where its value comes from: a session key or a JSON pointer.
        origin: String,
        /// What is wrong there, and the type that is wanted.
        problem: String,
    },

    /// The closure given to [`with_extras`](crate::SeaOrmStore::with_extras) returned an error.
    /// Nothing was written.
    #[error("nothing saved: the extras closure failed: {0}")]
    Extras(#[source] BoxError),

    /// The table is there, but not every column of the entity; from
    /// [`health`](crate::SeaOrmStore::health).
    #[error(
        "the table `{table}` has no column {}; add what is missing in a migration ({})",
        quoted(columns),
        said(source)
    )]
    Columns {
        /// The name of the table.
        table: String,
        /// The names of the columns that are missing, or that this user may not read.
        columns: Vec<String>,
        /// What the database says to reading all.
        source: DbErr,
    },

    /// The database refused a statement or could not be reached.
    ///
    /// The message leaves out what the database quotes of the values it was given; the source has it.
    #[error("could not {operation}: {}", said(source))]
    Database {
        /// What the store was doing, in words.
        operation: &'static str,
        /// The database's error.
        source: DbErr,
    },
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn database(operation: &'static str) -> impl FnOnce(DbErr) -> Self {
        move |source| match source.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(message)) => Self::Unique {
                constraint: constraint(&message).to_owned(),
            },
            _ => Self::Database { operation, source },
        }
    }
}

/// The message, because the derived output of PostgreSQL's errors shows the row they are about.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}

fn quoted(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// What the database says, without the values that it quotes, and without the line of PostgreSQL's own
/// source code that sqlx puts at the end: `relation "session" does not exist at line 1392`.
fn said(source: &DbErr) -> String {
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

/// The constraint in a database's message about a unique violation.
///
/// MySQL puts the duplicate value, which is session data, before the name of the key, both in single
/// quotes, in the language of the server.
fn constraint(message: &str) -> &str {
    if message.contains('\'') {
        let key = message.trim_end_matches(')').rsplit(' ').next();
        key.unwrap_or("a unique key")
    } else {
        message
    }
}

#[cfg(test)]
mod tests {
    use super::{constraint, without_values};

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

    #[test]
    fn a_unique_violation_is_named_without_the_value() {
        assert_eq!(
            constraint("Duplicate entry 'ann@example.com for key x' for key 'email'"),
            "'email'"
        );
        assert_eq!(
            constraint("Doppelter Eintrag 'ann@example.com' für Schlüssel 'email'"),
            "'email'"
        );
        assert_eq!(
            constraint("UNIQUE constraint failed: session.email"),
            "UNIQUE constraint failed: session.email"
        );
    }
}
