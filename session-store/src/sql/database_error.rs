//! Classifies database errors: transient, unique violation, missing table, or other.

use sea_orm::{DbBackend, DbErr, RuntimeErr, SqlErr, SqlxError};

use crate::error::Error;
use crate::telemetry::{Operation, Target};

/// A transient error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transient {
    /// The database has undone the statement in favour of another.
    Contention,
    /// The connection is lost.
    Connection,
}

impl Transient {
    pub(super) fn of(error: &DbErr, backend: DbBackend) -> Option<Self> {
        match sqlx_error(error)? {
            SqlxError::Io(_) | SqlxError::WorkerCrashed => Some(Self::Connection),
            SqlxError::Database(error) => {
                let code = error.code().unwrap_or_default();
                match backend {
                    DbBackend::Sqlite => Self::sqlite(&code),
                    DbBackend::MySql => Self::mysql(&code, error.message()),
                    _ => Self::postgres(&code),
                }
            }
            _ => None,
        }
    }

    /// By SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
    fn postgres(code: &str) -> Option<Self> {
        match code {
            // serialization_failure, deadlock_detected
            "40001" | "40P01" => Some(Self::Contention),
            // admin_shutdown, crash_shutdown, cannot_connect_now
            "57P01" | "57P02" | "57P03" => Some(Self::Connection),
            _ if code.starts_with("08") => Some(Self::Connection),
            _ => None,
        }
    }

    /// By SQLSTATE. One fault shares its SQLSTATE with others, so it is recognized by its message,
    /// where that is English.
    fn mysql(code: &str, message: &str) -> Option<Self> {
        match code {
            // A deadlock.
            "40001" => Some(Self::Contention),
            "HY000" if message.starts_with("Record has changed since last read") => {
                Some(Self::Contention)
            }
            // The query was interrupted, the connection was killed.
            "70100" => Some(Self::Connection),
            _ if code.starts_with("08") => Some(Self::Connection),
            _ => None,
        }
    }

    /// By primary result code, the lowest byte: <https://www.sqlite.org/rescode.html>.
    fn sqlite(code: &str) -> Option<Self> {
        const BUSY: u32 = 5;
        const LOCKED: u32 = 6;
        let code: u32 = code.parse().ok()?;
        matches!(code & 0xff, BUSY | LOCKED).then_some(Self::Contention)
    }
}

pub(super) fn into_error(source: DbErr, operation: Operation, target: Target) -> Error {
    if let Some(SqlErr::UniqueConstraintViolation(message)) = source.sql_err() {
        return Error::UniqueViolation {
            constraint: constraint(&message).to_owned(),
        };
    }
    if is_missing(target, &source) {
        return Error::MissingTable {
            table: target.table.to_owned(),
            source,
        };
    }
    Error::Database {
        operation: operation.description,
        source,
    }
}

/// Returns whether the error says that this table does not exist. A statement can also name other tables,
/// in a foreign key or in the application's condition.
fn is_missing(Target { backend, table }: Target, error: &DbErr) -> bool {
    let Some(SqlxError::Database(error)) = sqlx_error(error) else {
        return false;
    };
    let (code, message) = (error.code().unwrap_or_default(), error.message());
    let is_missing_table = match backend {
        // SQLite has no code for it.
        DbBackend::Sqlite => message.starts_with("no such table"),
        DbBackend::MySql => code == "42S02",
        _ => code == "42P01",
    };
    is_missing_table && names(message, table)
}

fn names(message: &str, table: &str) -> bool {
    let is_between = |c: char| c.is_whitespace() || ".:'\"`".contains(c);
    message.match_indices(table).any(|(start, table)| {
        let (before, after) = (&message[..start], &message[start + table.len()..]);
        (before.is_empty() || before.ends_with(is_between))
            && (after.is_empty() || after.starts_with(is_between))
    })
}

fn sqlx_error(error: &DbErr) -> Option<&SqlxError> {
    let (DbErr::Conn(source) | DbErr::Exec(source) | DbErr::Query(source)) = error else {
        return None;
    };
    match source {
        RuntimeErr::SqlxError(source) => Some(source),
        RuntimeErr::Internal(_) => None,
    }
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
    use super::{Transient, constraint, names};

    #[test]
    fn transient_errors_are_told_from_permanent_ones() {
        use Transient::{Connection, Contention};
        for (code, expected) in [
            ("40P01", Some(Contention)),
            ("57P01", Some(Connection)),
            ("08006", Some(Connection)),
            ("23505", None),
            ("42P01", None),
        ] {
            assert_eq!(Transient::postgres(code), expected, "{code}");
        }
        for (code, message, expected) in [
            ("40001", "Deadlock found", Some(Contention)),
            // The server has waited already, for longer than anyone should.
            ("HY000", "Lock wait timeout exceeded; try", None),
            ("HY000", "The table is full", None),
            ("70100", "Connection was killed", Some(Connection)),
            ("23000", "Duplicate entry", None),
        ] {
            assert_eq!(Transient::mysql(code, message), expected, "{code}");
        }
        for (code, expected) in [
            // SQLITE_BUSY, _BUSY_SNAPSHOT, _LOCKED_SHAREDCACHE, _CONSTRAINT_UNIQUE, _FULL.
            ("5", Some(Contention)),
            ("517", Some(Contention)),
            ("262", Some(Contention)),
            ("2067", None),
            ("13", None),
        ] {
            assert_eq!(Transient::sqlite(code), expected, "{code}");
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

    #[test]
    fn a_missing_table_is_recognized_by_its_name() {
        for message in [
            "no such table: session",
            "no such table: main.session",
            "relation \"shop.session\" does not exist",
            "Table 'shop.session' doesn't exist",
            "Tabelle 'shop.session' existiert nicht",
        ] {
            assert!(names(message, "session"), "{message}");
            assert!(!names(message, "sess"), "{message}");
        }
        assert!(!names("no such table: user_session", "session"));
        assert!(!names("no such table: session_of_user", "session"));
        for table in ["web session", "a \"b\" `c` 'd'", "\"", "ünï.cödé"] {
            let message = format!("Table 'shop.{table}' doesn't exist");
            assert!(names(&message, table), "{message}");
        }
    }
}
