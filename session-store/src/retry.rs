//! Which errors of a database pass by themselves, and how long to wait for that.

use std::time::{Duration, Instant};

use sea_orm::{DbBackend, DbErr, RuntimeErr, SqlxError};
use tracing::Instrument;

use crate::error::{Error, Result, without_values};
use crate::telemetry::{Operation, Rows, Target, Watch};

/// How long a statement is sent again, from the first attempt on: a database that restarts is usually
/// back by then. Time and not attempts alone, because a driver may itself have waited in each.
const PATIENCE: Duration = Duration::from_millis(2500);

/// The pause before the first retry; each following one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The pauses of the first eight retries add up to the patience.
const RETRIES: u32 = 8;

/// How often a lost connection is followed by another attempt at once. Those that the pool holds were
/// lost with it, and each attempt takes one away: so, as many as a pool may have.
const LOST_AT_ONCE: u32 = 256;

/// The attempts at one statement.
#[derive(Debug)]
pub(crate) struct Retry {
    target: Target,
    started: Instant,
    failures: u32,
    lost: u32,
    may_have_run: bool,
}

impl Retry {
    pub(crate) fn new(target: Target) -> Self {
        Self {
            target,
            started: Instant::now(),
            failures: 0,
            lost: 0,
            may_have_run: false,
        }
    }

    /// Sends a statement until it has an outcome that waiting does not change.
    pub(crate) async fn run<T: Rows, F>(
        &mut self,
        operation: Operation,
        send: impl Fn() -> F,
    ) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, DbErr>>,
    {
        let mut watch = Watch::new(operation, self.target);
        let span = watch.span();
        let outcome = self.attempt(&mut watch, send).instrument(span).await;
        let result = outcome.map_err(Error::database(operation.words));
        watch.ended(&result);
        result
    }

    async fn attempt<T, F>(
        &mut self,
        watch: &mut Watch,
        send: impl Fn() -> F,
    ) -> std::result::Result<T, DbErr>
    where
        F: Future<Output = std::result::Result<T, DbErr>>,
    {
        loop {
            match send().await {
                Ok(outcome) => return Ok(outcome),
                Err(error) => match self.pause_after(&error) {
                    Some(pause) => {
                        watch.retried();
                        tokio::time::sleep(pause).await;
                    }
                    None => return Err(error),
                },
            }
        }
    }

    /// Whether the connection was lost in an earlier attempt, which may have reached the database.
    pub(crate) fn may_have_run(&self) -> bool {
        self.may_have_run
    }

    /// How long to wait before the next attempt, if there should be one.
    fn pause_after(&mut self, error: &DbErr) -> Option<Duration> {
        let fault = transient(error, self.target.backend)?;
        // Once at least: a driver's own patience can be longer than this one.
        let is_late = self.failures + self.lost > 0 && self.started.elapsed() >= PATIENCE;
        if self.failures == RETRIES || is_late {
            return None;
        }
        self.may_have_run |= fault == Fault::Connection;
        let words = without_values(&error.to_string());
        let attempt = self.failures + self.lost + 1;
        tracing::debug!(attempt, error = words, "retrying a statement");
        if fault == Fault::Connection && self.lost < LOST_AT_ONCE {
            self.lost += 1;
            return Some(Duration::ZERO);
        }
        let pause = FIRST_PAUSE * 2_u32.pow(self.failures);
        self.failures += 1;
        // Half of it is random: who was refused together should not come back together.
        Some(pause.mul_f64(0.5 + fastrand::f64() / 2.0))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The database has undone the statement in favour of another.
    Contention,
    /// The connection is lost.
    Connection,
}

fn transient(error: &DbErr, backend: DbBackend) -> Option<Fault> {
    let (DbErr::Conn(source) | DbErr::Exec(source) | DbErr::Query(source)) = error else {
        return None;
    };
    let RuntimeErr::SqlxError(source) = source else {
        return None;
    };
    match &**source {
        SqlxError::Io(_) | SqlxError::WorkerCrashed => Some(Fault::Connection),
        SqlxError::Database(error) => {
            let code = error.code().unwrap_or_default();
            match backend {
                DbBackend::Sqlite => sqlite(&code),
                DbBackend::MySql => mysql(&code, error.message()),
                _ => postgres(&code),
            }
        }
        _ => None,
    }
}

/// By SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn postgres(code: &str) -> Option<Fault> {
    match code {
        // serialization_failure, deadlock_detected
        "40001" | "40P01" => Some(Fault::Contention),
        // admin_shutdown, crash_shutdown, cannot_connect_now
        "57P01" | "57P02" | "57P03" => Some(Fault::Connection),
        _ if code.starts_with("08") => Some(Fault::Connection),
        _ => None,
    }
}

/// By SQLSTATE; one fault shares its with others and is told by its words, where they are English.
fn mysql(code: &str, message: &str) -> Option<Fault> {
    match code {
        // A deadlock.
        "40001" => Some(Fault::Contention),
        "HY000" if message.starts_with("Record has changed since last read") => {
            Some(Fault::Contention)
        }
        // The query was interrupted, the connection was killed.
        "70100" => Some(Fault::Connection),
        _ if code.starts_with("08") => Some(Fault::Connection),
        _ => None,
    }
}

/// By primary result code, the lowest byte: <https://www.sqlite.org/rescode.html>.
fn sqlite(code: &str) -> Option<Fault> {
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    let code: u32 = code.parse().ok()?;
    matches!(code & 0xff, BUSY | LOCKED).then_some(Fault::Contention)
}

#[cfg(test)]
mod tests {
    use super::{Fault, mysql, postgres, sqlite};

    #[test]
    fn what_passes_by_itself_is_told_from_what_does_not() {
        assert_eq!(postgres("40P01"), Some(Fault::Contention));
        assert_eq!(postgres("57P01"), Some(Fault::Connection));
        assert_eq!(postgres("08006"), Some(Fault::Connection));
        assert_eq!(postgres("23505"), None);
        assert_eq!(postgres("42P01"), None);
        assert_eq!(mysql("40001", "Deadlock found"), Some(Fault::Contention));
        // The server has waited already, for longer than anyone should.
        assert_eq!(mysql("HY000", "Lock wait timeout exceeded; try"), None);
        assert_eq!(mysql("HY000", "The table is full"), None);
        assert_eq!(
            mysql("70100", "Connection was killed"),
            Some(Fault::Connection)
        );
        assert_eq!(mysql("23000", "Duplicate entry"), None);
        // SQLITE_BUSY, _BUSY_SNAPSHOT, _LOCKED_SHAREDCACHE, _CONSTRAINT_UNIQUE, _FULL.
        assert_eq!(sqlite("5"), Some(Fault::Contention));
        assert_eq!(sqlite("517"), Some(Fault::Contention));
        assert_eq!(sqlite("262"), Some(Fault::Contention));
        assert_eq!(sqlite("2067"), None);
        assert_eq!(sqlite("13"), None);
    }
}
