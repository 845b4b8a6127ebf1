//! Classifies database errors: transient, unique violation, missing table, or other.

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::{DbBackend, DbErr, SqlxError};

use super::server::names_causality;
use crate::database_message::{mysql_number, sqlx_error};
use crate::error::Error;
use crate::telemetry::{Operation, Target};

/// PostgreSQL's `admin_shutdown`.
const ADMIN_SHUTDOWN: &str = "57P01";

/// A transient error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transient {
    /// The database has undone the statement in favour of another.
    Contention,
    /// No connection could be opened, so the statement was not sent.
    Unreachable,
    /// The connection was lost, perhaps after the statement was executed.
    Lost,
    /// A node of a cluster has lost the others during a commit, and does not know its outcome.
    Unsure,
    /// A node of a cluster that has lost the others or is joining them has refused the statement. Another node,
    /// to which another connection may lead, takes it.
    NotReady,
    /// PostgreSQL writes nothing: the server is a standby, or the transaction is read-only.
    ReadOnly,
    /// The server has waited in vain for a lock, or a node of a cluster for the others.
    LockWait,
    /// The server does not know the variable that asks for causality.
    UnknownVariable,
    /// PostgreSQL has refused the plan that it prepared before a column changed its type.
    StalePlan,
}

impl Transient {
    pub(super) fn of(error: &DbErr, backend: DbBackend) -> Option<Self> {
        let transient = match sqlx_error(error)? {
            SqlxError::Io(_) | SqlxError::WorkerCrashed => Self::Lost,
            SqlxError::Database(error) => {
                let code = error.code().unwrap_or_default();
                match backend {
                    DbBackend::Sqlite => Self::sqlite(&code)?,
                    DbBackend::MySql => Self::mysql(error.as_ref(), &code)?,
                    _ => Self::postgres(&code)?,
                }
            }
            _ => return None,
        };
        // SeaORM returns this variant for a connection that was not there yet.
        if transient == Self::Lost && matches!(error, DbErr::Conn(_)) {
            return Some(Self::Unreachable);
        }
        Some(transient)
    }

    /// By SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
    fn postgres(code: &str) -> Option<Self> {
        match code {
            // serialization_failure, deadlock_detected
            "40001" | "40P01" => Some(Self::Contention),
            // admin_shutdown, crash_shutdown, cannot_connect_now
            ADMIN_SHUTDOWN | "57P02" | "57P03" => Some(Self::Lost),
            // read_only_sql_transaction
            "25006" => Some(Self::ReadOnly),
            // feature_not_supported: "cached plan must not change result type". Other errors with this
            // code return when the statement is prepared anew.
            "0A000" => Some(Self::StalePlan),
            _ if code.starts_with("08") => Some(Self::Lost),
            _ => None,
        }
    }

    /// By SQLSTATE and, where errors share it, by number:
    /// <https://mariadb.com/kb/en/mariadb-error-code-reference/>.
    fn mysql(error: &dyn DatabaseError, code: &str) -> Option<Self> {
        const RECORD_HAS_CHANGED: u16 = 1020;
        const TOO_MANY_CONNECTIONS: u16 = 1040;
        const UNKNOWN_COMMAND: u16 = 1047;
        const ERROR_DURING_COMMIT: u16 = 1180;
        const UNKNOWN_SYSTEM_VARIABLE: u16 = 1193;
        const LOCK_WAIT_TIMEOUT: u16 = 1205;
        const QUERY_INTERRUPTED: u16 = 1317;
        const CONNECTION_KILLED: u16 = 1927;
        match (code, mysql_number(error)) {
            // A deadlock.
            ("40001", _) | (_, Some(RECORD_HAS_CHANGED)) => Some(Self::Contention),
            // "WSREP has not yet prepared node for application use".
            (_, Some(UNKNOWN_COMMAND)) => Some(Self::NotReady),
            (_, Some(UNKNOWN_SYSTEM_VARIABLE)) if names_causality(error.message()) => {
                Some(Self::UnknownVariable)
            }
            (_, Some(ERROR_DURING_COMMIT)) => Some(Self::Unsure),
            (_, Some(LOCK_WAIT_TIMEOUT)) => Some(Self::LockWait),
            (_, Some(TOO_MANY_CONNECTIONS | QUERY_INTERRUPTED | CONNECTION_KILLED)) => {
                Some(Self::Lost)
            }
            _ if code.starts_with("08") => Some(Self::Lost),
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

/// Returns whether PostgreSQL has ended the connection on request.
pub(super) fn is_shutdown(error: &DbErr) -> bool {
    let Some(SqlxError::Database(error)) = sqlx_error(error) else {
        return false;
    };
    error.code().is_some_and(|code| code == ADMIN_SHUTDOWN)
}

pub(super) fn into_error(source: DbErr, operation: Operation, target: Target) -> Error {
    if let Some(SqlxError::Database(error)) = sqlx_error(&source) {
        if error.is_unique_violation() {
            return Error::UniqueViolation {
                constraint: constraint(error.as_ref(), target),
            };
        }
        if is_missing(error.as_ref(), target) {
            return Error::MissingTable {
                table: target.table.to_owned(),
                source,
            };
        }
    }
    let operation = operation.description;
    if is_unreachable(&source, target.backend) {
        return Error::Unreachable { operation, source };
    }
    Error::Database { operation, source }
}

fn is_unreachable(error: &DbErr, backend: DbBackend) -> bool {
    let transient = Transient::of(error, backend);
    matches!(error, DbErr::Conn(_) | DbErr::ConnectionAcquire(_))
        || matches!(
            transient,
            Some(
                Transient::Lost
                    | Transient::LockWait
                    | Transient::NotReady
                    | Transient::ReadOnly
                    | Transient::Unreachable
                    | Transient::Unsure
            )
        )
}

/// Returns whether the error says that this table does not exist. A statement can also name other tables,
/// in a foreign key or in the application's condition.
fn is_missing(error: &dyn DatabaseError, target: Target) -> bool {
    let (code, message) = (error.code().unwrap_or_default(), error.message());
    let is_missing_table = match target.backend {
        // SQLite has no code for it. Its messages are always English.
        DbBackend::Sqlite => message.starts_with("no such table"),
        DbBackend::MySql => code == "42S02",
        _ => code == "42P01",
    };
    is_missing_table && names(message, target.table)
}

/// Returns whether a message in any language, with any quotes, has the name of the table in it.
fn names(message: &str, table: &str) -> bool {
    let is_in_name = |c: char| c.is_alphanumeric() || "_-$".contains(c);
    message.match_indices(table).any(|(start, _)| {
        let (before, after) = (&message[..start], &message[start + table.len()..]);
        !before.ends_with(is_in_name) && !after.starts_with(is_in_name)
    })
}

/// Returns the name of a violated unique constraint.
fn constraint(error: &dyn DatabaseError, target: Target) -> Option<String> {
    let constraint = match target.backend {
        // "UNIQUE constraint failed: session.email". SQLite quotes no value, and is always English.
        DbBackend::Sqlite => error.message().split_once(": ")?.1,
        DbBackend::MySql => return mysql_key(error.message(), target),
        _ => error.constraint()?,
    };
    Some(constraint.to_owned())
}

/// Returns the last part of a message in quotes that is the name of a key of the table.
///
/// MySQL and MariaDB put the duplicate value, which is session data, before the name, and quote both in
/// the same way. Newer versions of MySQL put the table before the name: `session.email`.
fn mysql_key(message: &str, target: Target) -> Option<String> {
    let keys = (target.keys)();
    message.split('\'').rev().find_map(|part| {
        let key = part.strip_prefix(target.table);
        let key = key.and_then(|key| key.strip_prefix('.')).unwrap_or(part);
        keys.iter().find(|name| *name == key).cloned()
    })
}

#[cfg(test)]
mod tests {
    use sea_orm::sqlx::error::ErrorKind;
    use sea_orm::{DbBackend, DbErr, RuntimeErr, SqlxError};

    use super::{Transient, into_error, names};
    use crate::database_message::tests::{ServerError, mysql, postgres};
    use crate::error::Error;
    use crate::telemetry::{Operation, Target};

    #[test]
    fn transient_errors_are_told_from_permanent_ones() {
        use Transient::{
            Contention, LockWait, Lost, NotReady, ReadOnly, StalePlan, UnknownVariable, Unsure,
        };
        for (code, expected) in [
            ("40P01", Some(Contention)),
            ("57P01", Some(Lost)),
            ("08006", Some(Lost)),
            ("25006", Some(ReadOnly)),
            ("0A000", Some(StalePlan)),
            ("23505", None),
            ("42P01", None),
        ] {
            let error = postgres(code, "»…«").query();
            let transient = Transient::of(&error, DbBackend::Postgres);
            assert_eq!(transient, expected, "{code}");
        }
        for (number, code, expected) in [
            // A deadlock, and a record that has changed since it was read.
            (1213, "40001", Some(Contention)),
            (1020, "HY000", Some(Contention)),
            (1205, "HY000", Some(LockWait)),
            // Of a node of a Galera cluster.
            (1047, "08S01", Some(NotReady)),
            (1180, "HY000", Some(Unsure)),
            // Another variable than ours.
            (1193, "HY000", None),
            (1114, "HY000", None),
            (1317, "70100", Some(Lost)),
            (1927, "70100", Some(Lost)),
            // The statement took longer than the server's `max_statement_time`.
            (1969, "70100", None),
            (1053, "08S01", Some(Lost)),
            // The server sends no SQLSTATE before the handshake.
            (1040, "", Some(Lost)),
            (1062, "23000", None),
        ] {
            let error = mysql(number, code, "…").query();
            let transient = Transient::of(&error, DbBackend::MySql);
            assert_eq!(transient, expected, "{number}");
        }
        let error = mysql(1193, "HY000", "»wsrep_sync_wait« …").query();
        let transient = Transient::of(&error, DbBackend::MySql);
        assert_eq!(transient, Some(UnknownVariable));
        for (code, expected) in [
            // SQLITE_BUSY, _BUSY_SNAPSHOT, _LOCKED_SHAREDCACHE, _CONSTRAINT_UNIQUE, _FULL.
            ("5", Some(Contention)),
            ("517", Some(Contention)),
            ("262", Some(Contention)),
            ("2067", None),
            ("13", None),
        ] {
            let error = postgres(code, "…").query();
            let transient = Transient::of(&error, DbBackend::Sqlite);
            assert_eq!(transient, expected, "{code}");
        }
    }

    #[test]
    fn a_connection_that_could_not_be_opened_is_told_from_one_that_was_lost() {
        let source = || RuntimeErr::SqlxError(SqlxError::WorkerCrashed.into());
        let of = |error| Transient::of(&error, DbBackend::MySql);
        assert_eq!(of(DbErr::Exec(source())), Some(Transient::Lost));
        assert_eq!(of(DbErr::Query(source())), Some(Transient::Lost));
        assert_eq!(of(DbErr::Conn(source())), Some(Transient::Unreachable));
    }

    fn target(backend: DbBackend) -> Target {
        Target {
            backend,
            table: "session",
            keys: || vec!["PRIMARY".to_owned(), "email".to_owned()],
        }
    }

    #[test]
    fn a_unique_violation_is_named_without_the_value() {
        let violation = |backend, error: ServerError| {
            let error = ServerError {
                kind: Some(|| ErrorKind::UniqueViolation),
                ..error
            };
            match into_error(error.query(), Operation::SAVE, target(backend)) {
                Error::UniqueViolation { constraint } => constraint,
                error => panic!("{error}"),
            }
        };
        for (message, expected) in [
            (
                "Duplicate entry 'ann for key x' for key 'email'",
                Some("email"),
            ),
            (
                "Doppelter Eintrag 'ann' für Schlüssel 'email'",
                Some("email"),
            ),
            ("重复条目'ann'键'email'", Some("email")),
            ("'ann' は索引 'email' で重複しています。", Some("email")),
            (
                "Duplicate entry 'ann' for key 'session.PRIMARY'",
                Some("PRIMARY"),
            ),
            // A key that the entity does not know, and a message that was cut off in the value.
            ("Duplicate entry 'ann' for key 'legacy'", None),
            ("Duplicate entry 'it's ann", None),
        ] {
            let constraint = violation(DbBackend::MySql, mysql(1062, "23000", message));
            assert_eq!(constraint.as_deref(), expected, "{message}");
        }
        let error = postgres("2067", "UNIQUE constraint failed: session.email");
        let constraint = violation(DbBackend::Sqlite, error);
        assert_eq!(constraint.as_deref(), Some("session.email"));
        let error = ServerError {
            constraint: Some("session_email_key"),
            ..postgres("23505", "doppelter Schlüsselwert »ann« …")
        };
        let constraint = violation(DbBackend::Postgres, error);
        assert_eq!(constraint.as_deref(), Some("session_email_key"));
    }

    #[test]
    fn a_missing_table_is_recognized_by_its_name() {
        for message in [
            "no such table: session",
            "no such table: main.session",
            "relation \"shop.session\" does not exist",
            "Relation »session« existiert nicht",
            "la relation « session » n'existe pas",
            "关系 \"session\" 不存在",
            "リレーション\"session\"は存在しません",
            "Table 'shop.session' doesn't exist",
            "表'shop.session'不存在",
        ] {
            assert!(names(message, "session"), "{message}");
            assert!(!names(message, "sess"), "{message}");
        }
        for message in [
            "no such table: user_session",
            "no such table: session_of_user",
            "relation \"session-old\" does not exist",
            "relation \"session2\" does not exist",
        ] {
            assert!(!names(message, "session"), "{message}");
        }
        for table in ["web session", "a \"b\" `c` 'd'", "\"", "ünï.cödé"] {
            let message = format!("Table 'shop.{table}' doesn't exist");
            assert!(names(&message, table), "{message}");
        }
    }
}
