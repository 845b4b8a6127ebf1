//! Retrying a statement: how often, for how long, and what the store has to know afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sea_orm::DbErr;
use tracing::Instrument;

use super::database_error::{Transient, into_error};
use crate::database_message::describe;
use crate::error::Result;
use crate::telemetry::{Operation, RowCount, StatementSpan, Target};

/// How long a statement is sent again, from the first attempt on: a database that restarts is usually
/// back by then. This limits time, not only attempts, because a driver may itself wait in each.
const PATIENCE: Duration = Duration::from_millis(2500);

/// The pause before the first retry. Each following one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The pauses of eight retries add up to 1.3 to 2.55 s.
const RETRIES: u32 = 8;

/// How often a lost connection is followed by another attempt at once. The other connections of the
/// pool were lost with it, and each attempt takes one away. So this is as many as a pool may have.
const RETRIES_AT_ONCE: u32 = 256;

/// Counts how often the plans of a store's statements became stale.
///
/// A driver keeps the plan of a statement under its text, on each connection, and SeaORM has no way to
/// drop it. So the count is part of the text, and every connection prepares the statement again.
#[derive(Clone, Debug, Default)]
pub(super) struct PlanVersion(Arc<AtomicU32>);

impl PlanVersion {
    fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    fn raise_to(&self, version: u32) {
        self.0.fetch_max(version, Ordering::Relaxed);
    }
}

/// The attempts at one statement.
#[derive(Debug)]
pub(crate) struct Retry {
    target: Target,
    plans: PlanVersion,
    plan: u32,
    has_renewed_plan: bool,
    started: Instant,
    retries: u32,
    retries_at_once: u32,
    may_have_run: bool,
}

impl Retry {
    pub(super) fn new(target: Target, plans: PlanVersion) -> Self {
        Self {
            target,
            plan: plans.get(),
            plans,
            has_renewed_plan: false,
            started: Instant::now(),
            retries: 0,
            retries_at_once: 0,
            may_have_run: false,
        }
    }

    /// Sends a statement until it succeeds, fails for good, or has failed for too long. `send` gets the
    /// version of the plan that it has to use.
    pub(crate) async fn run<T: RowCount, F>(
        &mut self,
        operation: Operation,
        send: impl Fn(u32) -> F,
    ) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, DbErr>>,
    {
        let mut statement = StatementSpan::new(operation, self.target);
        let span = statement.span();
        let attempts = async {
            loop {
                let error = match send(self.plan).await {
                    Ok(outcome) => {
                        // Only now, because another error may have the code of a stale plan.
                        self.plans.raise_to(self.plan);
                        return Ok(outcome);
                    }
                    Err(error) => error,
                };
                let Some(pause) = self.pause_after(&error) else {
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

    /// Returns how long to wait before the next attempt, if there should be one.
    fn pause_after(&mut self, error: &DbErr) -> Option<Duration> {
        let transient = Transient::of(error, self.target.backend)?;
        // At least one retry: a driver can wait for longer than the patience.
        let attempt = 1 + self.retries + self.retries_at_once;
        let is_late = attempt > 1 && self.started.elapsed() >= PATIENCE;
        if self.retries == RETRIES || is_late {
            return None;
        }
        let pause = self.pause(transient)?;
        let error = describe(error);
        tracing::debug!(attempt, error, "retrying a statement");
        Some(pause)
    }

    fn pause(&mut self, transient: Transient) -> Option<Duration> {
        match transient {
            Transient::StalePlan if self.has_renewed_plan => return None,
            Transient::StalePlan => {
                self.has_renewed_plan = true;
                self.plan = self.plans.get().max(self.plan) + 1;
                return Some(Duration::ZERO);
            }
            Transient::Lost => {
                self.may_have_run = true;
                if self.retries_at_once < RETRIES_AT_ONCE {
                    self.retries_at_once += 1;
                    return Some(Duration::ZERO);
                }
            }
            Transient::Contention | Transient::Unreachable => {}
        }
        let pause = FIRST_PAUSE * 2_u32.pow(self.retries);
        self.retries += 1;
        // Half of it is random, so that statements refused together do not come back together.
        Some(pause.mul_f64(0.5 + fastrand::f64() / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sea_orm::{DbBackend, DbErr, RuntimeErr, SqlxError};

    use super::{PlanVersion, RETRIES, Retry};
    use crate::database_message::tests::postgres;
    use crate::telemetry::Target;

    fn retry(plans: &PlanVersion) -> Retry {
        let target = Target {
            backend: DbBackend::Postgres,
            table: "session",
            keys: Vec::new,
        };
        Retry::new(target, plans.clone())
    }

    fn closed() -> RuntimeErr {
        let closed = std::io::ErrorKind::UnexpectedEof;
        RuntimeErr::SqlxError(SqlxError::Io(closed.into()).into())
    }

    #[test]
    fn a_lost_connection_is_replaced_at_once_and_the_statement_may_have_run() {
        let mut retry = retry(&PlanVersion::default());
        for _ in 0..100 {
            let pause = retry.pause_after(&DbErr::Query(closed()));
            assert_eq!(pause, Some(Duration::ZERO));
        }
        assert!(retry.may_have_run());
    }

    #[test]
    fn a_failure_to_connect_pauses_and_the_statement_has_not_run() {
        let mut retry = retry(&PlanVersion::default());
        for _ in 0..RETRIES {
            let pause = retry.pause_after(&DbErr::Conn(closed()));
            assert!(pause.is_some_and(|pause| !pause.is_zero()));
        }
        assert_eq!(retry.pause_after(&DbErr::Conn(closed())), None);
        assert!(!retry.may_have_run());
    }

    #[test]
    fn a_stale_plan_is_renewed_once() {
        let plans = PlanVersion::default();
        let stale = postgres("0A000", "zwischengespeicherter Plan …").query();
        let mut retry = retry(&plans);
        assert_eq!(retry.pause_after(&stale), Some(Duration::ZERO));
        assert_eq!(retry.plan, 1);
        assert_eq!(retry.pause_after(&stale), None);
        // Nothing shows that the plan was the cause.
        assert_eq!(plans.get(), 0);
        assert!(!retry.may_have_run());
    }
}
