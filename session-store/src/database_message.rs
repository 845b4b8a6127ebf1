//! What an error message says of a database's error, without the values that the database quotes.

use sea_orm::sqlx::error::{DatabaseError, ErrorKind};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, SqlxError};

/// The classes of SQLSTATE, and in one class the beginnings of codes, whose messages quote no bound value
/// on any database: connections, features, transactions, statements, privileges, catalogs, schemas,
/// rollbacks, names and syntax, resources, limits, states, interruptions, and the system.
const WITHOUT_VALUES: [&str; 16] = [
    "08", "0A", "25", "26", "28", "3D", "3F", "40", "42", "53", "54", "550", "55P03", "57", "58",
    "70",
];

/// The errors of MySQL and MariaDB whose messages quote only names, in every language, although others
/// with the same SQLSTATE quote values: a changed record, no space, the engine, a full table, a lock wait
/// timeout, a read-only server (two), no value (two), out of range, truncated, too long, foreign keys
/// (four), and checks on MySQL and MariaDB.
const NUMBERS_WITHOUT_VALUES: [u16; 18] = [
    1020, 1021, 1030, 1114, 1205, 1290, 1836, 1048, 1364, 1264, 1265, 1406, 1216, 1217, 1451, 1452,
    3819, 4025,
];

/// The extended result code of an error that a trigger of SQLite raises.
const SQLITE_CONSTRAINT_TRIGGER: &str = "1811";

/// What to do if a pooler loses prepared statements.
const POOLED: &str = "; a pooler gives each transaction another connection and loses prepared statements: use its \
                      session mode, or one that keeps them, such as PgBouncer from 1.21 with \
                      `max_prepared_statements`";

/// Describes an error of the database or its driver. The text is the database's own only if errors of
/// its kind never quote a value: how a value is quoted differs from one language to the next.
pub(crate) fn describe(error: &DbErr) -> String {
    match (error, sqlx_error(error)) {
        (DbErr::ConnectionAcquire(ConnAcquireErr::Timeout), _) => {
            "timed out waiting for a connection (the pool's `acquire_timeout`): the database does not \
             accept connections, or all connections of the pool are in use"
                .to_owned()
        }
        (DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed), _) => {
            "the connection pool is closed".to_owned()
        }
        (_, Some(SqlxError::Database(error))) => describe_database_error(error.as_ref()),
        (_, Some(error @ (SqlxError::Io(_) | SqlxError::Tls(_) | SqlxError::WorkerCrashed))) => {
            error.to_string()
        }
        (_, Some(SqlxError::ColumnDecode { index, .. })) => {
            format!("cannot decode column {index}; the source of this error says why")
        }
        _ => "the driver returned an error; the source of this error has its message, which may quote a \
              value"
            .to_owned(),
    }
}

fn describe_database_error(error: &dyn DatabaseError) -> String {
    let code = error.code().unwrap_or_default();
    let number = mysql_number(error);
    let code = match number {
        // Before the handshake, the server sends no SQLSTATE.
        Some(number) if code.is_empty() => format!("error {number}"),
        Some(number) => format!("error {number}, SQLSTATE {code}"),
        None if is_sqlstate(&code) => format!("SQLSTATE {code}"),
        None => format!("code {code}"),
    };
    if quotes_no_value(error, number) {
        let hint = if is_pooled(error) { POOLED } else { "" };
        return format!("{} ({code}){hint}", error.message());
    }
    let problem = problem(error);
    match error.constraint() {
        Some(constraint) => format!("{problem}: `{constraint}` ({code})"),
        None => format!("{problem} ({code})"),
    }
}

fn quotes_no_value(error: &dyn DatabaseError, number: Option<u16>) -> bool {
    let code = error.code().unwrap_or_default();
    if !is_sqlstate(&code) {
        return code != SQLITE_CONSTRAINT_TRIGGER;
    }
    if is_raised(error, number) {
        return false;
    }
    // PostgreSQL itself names the table of such an error.
    let names_column = error.kind() == ErrorKind::NotNullViolation && error.table().is_some();
    names_column
        || number.is_some_and(|number| NUMBERS_WITHOUT_VALUES.contains(&number))
        || WITHOUT_VALUES.iter().any(|start| code.starts_with(start))
}

/// Returns whether PostgreSQL does not know a prepared statement of the driver, or has one of another connection:
/// `invalid_sql_statement_name` or `duplicate_prepared_statement`.
pub(crate) fn is_pooled(error: &dyn DatabaseError) -> bool {
    matches!(error.code().as_deref(), Some("26000" | "42P05"))
        && error.message().contains("sqlx_s_")
        && !is_raised(error, mysql_number(error))
}

/// Returns whether a function or a trigger of the database has raised the error, with a message of its
/// own, under whatever code.
fn is_raised(error: &dyn DatabaseError, number: Option<u16>) -> bool {
    match number {
        // SIGNAL and RESIGNAL have these, or a number or a state that is not the server's.
        Some(number) => {
            let is_state_of_user = error.code().is_some_and(|code| code.starts_with("45"));
            (1642..=1645).contains(&number) || number >= 5000 || is_state_of_user
        }
        // The last field that sqlx prints of an error of PostgreSQL is the routine in its source.
        None => format!("{error:?}").ends_with("routine: Some(\"exec_stmt_raise\") }"),
    }
}

/// Says in our own words what the database refused.
fn problem(error: &dyn DatabaseError) -> &'static str {
    match error.kind() {
        ErrorKind::UniqueViolation => return "a value violates a unique constraint",
        ErrorKind::ForeignKeyViolation => return "a value violates a foreign key constraint",
        ErrorKind::NotNullViolation => return "a column that must not be NULL has no value",
        ErrorKind::CheckViolation => return "a value violates a check constraint",
        ErrorKind::ExclusionViolation => return "a value violates an exclusion constraint",
        _ => {}
    }
    match error.code().as_deref() {
        Some("22001") => "a value is too long for its column",
        Some("22003") => "a number is out of range for its column",
        Some(code) if code.starts_with("22") => "a value is not valid for its column",
        _ => {
            "the database refused the statement; the source of this error has its message, which may \
             quote a value"
        }
    }
}

/// Returns whether a code is an SQLSTATE, which has five characters. SQLite's codes have up to four.
fn is_sqlstate(code: &str) -> bool {
    code.len() == 5
}

/// Returns the error number of MySQL and MariaDB, which tells errors apart that share an SQLSTATE.
///
/// It is read from the start of what sqlx prints, before the server's message. sqlx returns the number
/// itself only with its MySQL driver, which this crate does not depend on.
pub(crate) fn mysql_number(error: &dyn DatabaseError) -> Option<u16> {
    let text = error.to_string();
    let number = text.strip_suffix(error.message())?.strip_suffix(": ")?;
    let (number, code) = number.split_once(" (").unwrap_or((number, ""));
    (code.strip_suffix(')') == error.code().as_deref())
        .then(|| number.parse().ok())
        .flatten()
}

/// Returns the driver's error, if it is one of a statement or of a connection that was opened for it.
pub(crate) fn sqlx_error(error: &DbErr) -> Option<&SqlxError> {
    let (DbErr::Conn(source) | DbErr::Exec(source) | DbErr::Query(source)) = error else {
        return None;
    };
    match source {
        RuntimeErr::SqlxError(source) => Some(source),
        RuntimeErr::Internal(_) => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::borrow::Cow;
    use std::fmt;

    use sea_orm::sqlx::error::{DatabaseError, ErrorKind};
    use sea_orm::{DbErr, RuntimeErr, SqlxError};

    use super::{describe, mysql_number};

    /// An error of a server, printed as sqlx's drivers print theirs.
    #[derive(Debug, Default)]
    pub(crate) struct ServerError {
        pub(crate) code: &'static str,
        pub(crate) number: Option<u16>,
        pub(crate) message: &'static str,
        pub(crate) constraint: Option<&'static str>,
        pub(crate) table: Option<&'static str>,
        pub(crate) kind: Option<fn() -> ErrorKind>,
    }

    pub(crate) fn postgres(code: &'static str, message: &'static str) -> ServerError {
        ServerError {
            code,
            message,
            ..ServerError::default()
        }
    }

    pub(crate) fn mysql(number: u16, code: &'static str, message: &'static str) -> ServerError {
        ServerError {
            number: Some(number),
            ..postgres(code, message)
        }
    }

    impl ServerError {
        pub(crate) fn query(self) -> DbErr {
            DbErr::Query(RuntimeErr::SqlxError(
                SqlxError::Database(Box::new(self)).into(),
            ))
        }
    }

    impl fmt::Display for ServerError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self.number {
                Some(number) if self.code.is_empty() => write!(f, "{number}: {}", self.message),
                Some(number) => write!(f, "{number} ({}): {}", self.code, self.message),
                None => write!(f, "{} at line 1392", self.message),
            }
        }
    }

    impl std::error::Error for ServerError {}

    impl DatabaseError for ServerError {
        fn message(&self) -> &str {
            self.message
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            (!self.code.is_empty()).then_some(self.code.into())
        }

        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }

        fn constraint(&self) -> Option<&str> {
            self.constraint
        }

        fn table(&self) -> Option<&str> {
            self.table
        }

        fn kind(&self) -> ErrorKind {
            self.kind.map_or(ErrorKind::Other, |kind| kind())
        }
    }

    #[test]
    fn a_message_that_quotes_a_value_is_replaced_in_every_language() {
        for (error, described) in [
            (
                postgres(
                    "22P02",
                    "ungültige Eingabesyntax für Typ integer: »hunter2«",
                ),
                "a value is not valid for its column (SQLSTATE 22P02)",
            ),
            (
                postgres(
                    "22003",
                    "value \"99999999999\" is out of range for type integer",
                ),
                "a number is out of range for its column (SQLSTATE 22003)",
            ),
            (
                mysql(
                    1366,
                    "22007",
                    "不正确的integer值：'hunter2'用于列`db`.`session`.`age`在1行",
                ),
                "a value is not valid for its column (error 1366, SQLSTATE 22007)",
            ),
            (
                mysql(1526, "HY000", "Table has no partition for value 'hunter2'"),
                "the database refused the statement; the source of this error has its message, which \
                 may quote a value (error 1526, SQLSTATE HY000)",
            ),
            (
                postgres("P0001", "user hunter2 is banned"),
                "the database refused the statement; the source of this error has its message, which \
                 may quote a value (SQLSTATE P0001)",
            ),
            (
                mysql(1644, "42000", "user hunter2 is banned"),
                "the database refused the statement; the source of this error has its message, which \
                 may quote a value (error 1644, SQLSTATE 42000)",
            ),
            (
                mysql(1205, "45000", "user hunter2 is banned"),
                "the database refused the statement; the source of this error has its message, which \
                 may quote a value (error 1205, SQLSTATE 45000)",
            ),
            (
                ServerError {
                    code: "1811",
                    message: "user hunter2 is banned",
                    ..ServerError::default()
                },
                "the database refused the statement; the source of this error has its message, which \
                 may quote a value (code 1811)",
            ),
            (
                ServerError {
                    constraint: Some("young"),
                    kind: Some(|| ErrorKind::CheckViolation),
                    ..postgres("23514", "neue Zeile für Relation »session« verletzt …")
                },
                "a value violates a check constraint: `young` (SQLSTATE 23514)",
            ),
            (
                ServerError {
                    kind: Some(|| ErrorKind::NotNullViolation),
                    ..postgres("23502", "raised by a trigger: hunter2")
                },
                "a column that must not be NULL has no value (SQLSTATE 23502)",
            ),
        ] {
            assert_eq!(describe(&error.query()), described);
        }
    }

    #[test]
    fn a_pooler_that_loses_prepared_statements_is_named() {
        for code in ["26000", "42P05"] {
            let error = postgres(code, "Prepared Statement »sqlx_s_1« …").query();
            assert!(describe(&error).ends_with("with `max_prepared_statements`"));
        }
    }

    #[test]
    fn a_message_that_quotes_only_names_is_given_in_the_language_of_the_server() {
        for (error, described) in [
            (
                postgres("42703", "Spalte »sess« existiert nicht"),
                "Spalte »sess« existiert nicht (SQLSTATE 42703)",
            ),
            (
                mysql(1406, "22001", "列'ua'行1数据太长"),
                "列'ua'行1数据太长 (error 1406, SQLSTATE 22001)",
            ),
            (
                ServerError {
                    table: Some("session"),
                    kind: Some(|| ErrorKind::NotNullViolation),
                    ..postgres(
                        "23502",
                        "null value in column \"tenant\" of relation \"session\" …",
                    )
                },
                "null value in column \"tenant\" of relation \"session\" … (SQLSTATE 23502)",
            ),
            (
                ServerError {
                    code: "5",
                    message: "database is locked",
                    ..ServerError::default()
                },
                "database is locked (code 5)",
            ),
            (
                postgres("26000", "Prepared Statement »mine« existiert nicht"),
                "Prepared Statement »mine« existiert nicht (SQLSTATE 26000)",
            ),
            (
                mysql(1040, "", "Too many connections"),
                "Too many connections (error 1040)",
            ),
        ] {
            assert_eq!(describe(&error.query()), described);
        }
    }

    #[test]
    fn the_error_number_of_mysql_is_not_read_from_a_message() {
        assert_eq!(mysql_number(&mysql(1062, "23000", "")), Some(1062));
        assert_eq!(
            mysql_number(&mysql(1040, "", "Too many connections")),
            Some(1040)
        );
        assert_eq!(
            mysql_number(&mysql(1644, "45000", "1020 (45000): x")),
            Some(1644)
        );
        assert_eq!(mysql_number(&postgres("P0001", "1020 (P0001): x")), None);
    }
}
