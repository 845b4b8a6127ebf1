//! Retrying a statement: how often, for how long, and what the store has to know afterwards.

use std::time::{Duration, Instant};

use sea_orm::{DatabaseConnection, DbErr};
use tracing::Instrument;

use super::database_error::{Transient, into_error};
use super::server::{ServerTraits, Text};
use super::standby::StandbyCloser;
use crate::database_message::describe;
use crate::error::Result;
use crate::telemetry::{Operation, RowCount, StatementSpan, Target};

/// How long a statement is sent again, from its first error on: a database that restarts is usually back by
/// then. This limits time, not only attempts, because a driver may itself wait in each.
const PATIENCE: Duration = Duration::from_millis(2500);

/// The pause before the first retry. Each following one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(320);

/// How often a lost connection is followed by another attempt at once. The other connections of the
/// pool were lost with it, and each attempt takes one away. So this is as many as a pool may have.
const RETRIES_AT_ONCE: u32 = 256;

/// A Galera node that has lost the others answers a statement that waits for them with the error of a lock that
/// was waited for in vain, once it has noticed: after `evs.suspect_timeout`, five seconds by default. InnoDB itself
/// waits for fifty seconds by default, and then nobody should wait once more.
const LOCK_WAIT: Duration = Duration::from_secs(15);

/// The attempts at one statement.
#[derive(Debug)]
pub(crate) struct Retry {
    target: Target,
    server: ServerTraits,
    standbys: StandbyCloser,
    text: Text,
    has_renewed_plan: bool,
    first_error: Option<Instant>,
    has_met_standby: bool,
    retries: u32,
    retries_at_once: u32,
    may_have_run: bool,
}

impl Retry {
    pub(super) fn new(target: Target, server: ServerTraits, standbys: StandbyCloser) -> Self {
        Self {
            target,
            standbys,
            text: server.text(target.backend),
            server,
            has_renewed_plan: false,
            first_error: None,
            has_met_standby: false,
            retries: 0,
            retries_at_once: 0,
            may_have_run: false,
        }
    }

    /// Sends a statement until it succeeds, fails for good, or has failed for too long. `send` gets what
    /// it has to add to the text.
    pub(super) async fn run<T: RowCount, F>(
        &mut self,
        db: &DatabaseConnection,
        operation: Operation,
        send: impl Fn(Text) -> F,
    ) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, DbErr>>,
    {
        let mut statement = StatementSpan::new(operation, self.target);
        let span = statement.span();
        let attempts = async {
            loop {
                let start = Instant::now();
                let error = match send(self.text).await {
                    Ok(outcome) => {
                        // Only now, because another error may have the code of a stale plan.
                        if self.first_error.is_some() {
                            self.server.learn(self.text);
                        }
                        return Ok(outcome);
                    }
                    Err(error) => error,
                };
                let waited = start.elapsed();
                if self.is_read_only(db, operation, &error).await {
                    return Err(error);
                }
                let Some(pause) = self.pause_after(&error, waited) else {
                    return Err(error);
                };
                statement.record_retry();
                tokio::time::sleep(pause).await;
            }
        };
        let result = attempts.instrument(span).await;
        let result = result.map_err(|source| into_error(source, operation, self.target));
        statement.finish(&result);
        result
    }

    /// Returns whether the connection was lost in an earlier attempt, which may have reached the
    /// database.
    pub(crate) fn may_have_run(&self) -> bool {
        self.may_have_run
    }

    /// Returns whether the error is final because the database does not write. Gives up connections to standbys.
    async fn is_read_only(
        &mut self,
        db: &DatabaseConnection,
        operation: Operation,
        error: &DbErr,
    ) -> bool {
        if Transient::of(error, self.target.backend) != Some(Transient::ReadOnly) {
            return false;
        }
        // Perhaps the store only reads, from a replica. Its loads must neither wait nor lose their connections.
        if operation == Operation::TOUCH {
            return true;
        }
        let was_done = std::mem::replace(&mut self.has_met_standby, true);
        self.standbys.close(db, was_done).await
    }

    /// Returns how long to wait before the next attempt, if there should be one.
    fn pause_after(&mut self, error: &DbErr, waited: Duration) -> Option<Duration> {
        let transient = Transient::of(error, self.target.backend)?;
        // Not from the first attempt on: a driver can wait for longer than the patience.
        let first_error = *self.first_error.get_or_insert_with(Instant::now);
        if first_error.elapsed() >= PATIENCE {
            return None;
        }
        let attempt = 1 + self.retries + self.retries_at_once;
        let pause = self.pause(transient, waited)?;
        let error = describe(error);
        tracing::debug!(attempt, error, "retrying a statement");
        Some(pause)
    }

    fn pause(&mut self, transient: Transient, waited: Duration) -> Option<Duration> {
        match transient {
            Transient::StalePlan if self.has_renewed_plan => return None,
            Transient::StalePlan => {
                self.has_renewed_plan = true;
                let plan = self.server.text(self.target.backend).plan;
                self.text.plan = plan.max(self.text.plan) + 1;
                return Some(Duration::ZERO);
            }
            Transient::UnknownVariable if self.text.is_causal => {
                self.text.is_causal = false;
                return Some(Duration::ZERO);
            }
            Transient::UnknownVariable => return None,
            Transient::LockWait if waited >= LOCK_WAIT => return None,
            Transient::Lost => {
                self.may_have_run = true;
                if self.retries_at_once < RETRIES_AT_ONCE {
                    self.retries_at_once += 1;
                    return Some(Duration::ZERO);
                }
            }
            Transient::Unsure => self.may_have_run = true,
            Transient::Contention
            | Transient::LockWait
            | Transient::NotReady
            | Transient::ReadOnly
            | Transient::Unreachable => {}
        }
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.retries));
        let pause = pause.min(LONGEST_PAUSE);
        self.retries += 1;
        // Half of it is random, so that statements refused together do not come back together.
        Some(pause.mul_f64(0.5 + fastrand::f64() / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use sea_orm::{DatabaseConnection, DbBackend, DbErr, RuntimeErr, SqlxError};

    use super::{LOCK_WAIT, LONGEST_PAUSE, PATIENCE, Retry, ServerTraits, StandbyCloser};
    use crate::database_message::tests::{mysql, postgres};
    use crate::telemetry::{Operation, Target};

    fn retry(backend: DbBackend, server: &ServerTraits) -> Retry {
        let target = Target {
            backend,
            table: "session",
            keys: Vec::new,
        };
        Retry::new(target, server.clone(), StandbyCloser::default())
    }

    fn pause_after(retry: &mut Retry, error: &DbErr) -> Option<Duration> {
        retry.pause_after(error, Duration::ZERO)
    }

    fn closed() -> RuntimeErr {
        let closed = std::io::ErrorKind::UnexpectedEof;
        RuntimeErr::SqlxError(SqlxError::Io(closed.into()).into())
    }

    #[test]
    fn a_lost_connection_is_replaced_at_once_and_the_statement_may_have_run() {
        let mut retry = retry(DbBackend::Postgres, &ServerTraits::default());
        for _ in 0..100 {
            let pause = pause_after(&mut retry, &DbErr::Query(closed()));
            assert_eq!(pause, Some(Duration::ZERO));
        }
        assert!(retry.may_have_run());
    }

    #[test]
    fn a_failure_to_connect_pauses_and_the_statement_has_not_run() {
        let mut retry = retry(DbBackend::Postgres, &ServerTraits::default());
        for _ in 0..100 {
            let pause = pause_after(&mut retry, &DbErr::Conn(closed()));
            assert!(pause.is_some_and(|pause| !pause.is_zero() && pause <= LONGEST_PAUSE));
        }
        retry.first_error = Instant::now().checked_sub(PATIENCE);
        assert_eq!(pause_after(&mut retry, &DbErr::Conn(closed())), None);
        assert!(!retry.may_have_run());
    }

    #[test]
    fn a_stale_plan_is_renewed_once() {
        let server = ServerTraits::default();
        let stale = postgres("0A000", "zwischengespeicherter Plan …").query();
        let mut retry = retry(DbBackend::Postgres, &server);
        assert_eq!(pause_after(&mut retry, &stale), Some(Duration::ZERO));
        assert_eq!(retry.text.plan, 1);
        assert_eq!(pause_after(&mut retry, &stale), None);
        // Nothing shows that the plan was the cause.
        assert_eq!(server.text(DbBackend::Postgres).plan, 0);
        assert!(!retry.may_have_run());
    }

    #[tokio::test]
    async fn a_mariadb_without_galera_is_asked_for_causality_once() {
        let unknown =
            || mysql(1193, "HY000", "Unbekannte Systemvariable 'wsrep_sync_wait'").query();
        let server = ServerTraits::default();
        let send = |text: super::Text| async move {
            if text.is_causal {
                Err(unknown())
            } else {
                Ok(0)
            }
        };
        for asks in [true, false] {
            let mut retry = retry(DbBackend::MySql, &server);
            assert_eq!(retry.text.is_causal, asks);
            let db = DatabaseConnection::default();
            let rows: Result<u64, _> = retry.run(&db, Operation::LOAD, send).await;
            assert_eq!(rows.unwrap(), 0);
        }
        let mut retry = retry(DbBackend::MySql, &server);
        assert_eq!(pause_after(&mut retry, &unknown()), None);
    }

    #[test]
    fn a_lock_is_waited_for_again_unless_the_server_has_waited_for_long() {
        let lock_wait = mysql(1205, "HY000", "…").query();
        let server = ServerTraits::default();
        let pause_after = |waited| retry(DbBackend::MySql, &server).pause_after(&lock_wait, waited);
        assert!(pause_after(2 * PATIENCE).is_some());
        assert_eq!(pause_after(LOCK_WAIT), None);
    }

    #[test]
    fn a_node_that_is_not_ready_has_not_run_the_statement() {
        let not_ready = mysql(1047, "08S01", "…").query();
        let mut retry = retry(DbBackend::MySql, &ServerTraits::default());
        assert!(pause_after(&mut retry, &not_ready).is_some_and(|pause| !pause.is_zero()));
        assert!(!retry.may_have_run());
        let unsure = mysql(1180, "HY000", "…").query();
        assert!(pause_after(&mut retry, &unsure).is_some_and(|pause| !pause.is_zero()));
        assert!(retry.may_have_run());
    }
}
