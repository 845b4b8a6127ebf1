//! Retrying a statement: how often, for how long, and what the store has to know afterwards.

use std::time::{Duration, Instant};

use sea_orm::DbErr;
use tracing::Instrument;

use super::database_error::{Transient, into_error};
use crate::error::{Result, without_values};
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

/// The attempts at one statement.
#[derive(Debug)]
pub(crate) struct Retry {
    target: Target,
    started: Instant,
    retries: u32,
    retries_at_once: u32,
    may_have_run: bool,
}

impl Retry {
    pub(super) fn new(target: Target) -> Self {
        Self {
            target,
            started: Instant::now(),
            retries: 0,
            retries_at_once: 0,
            may_have_run: false,
        }
    }

    /// Sends a statement until it succeeds, fails for good, or has failed for too long.
    pub(crate) async fn run<T: RowCount, F>(
        &mut self,
        operation: Operation,
        send: impl Fn() -> F,
    ) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, DbErr>>,
    {
        let mut statement = StatementSpan::new(operation, self.target);
        let span = statement.span();
        let attempts = async {
            loop {
                let error = match send().await {
                    Ok(outcome) => return Ok(outcome),
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
        self.may_have_run |= transient == Transient::Connection;
        let error = without_values(&error.to_string());
        tracing::debug!(attempt, error, "retrying a statement");
        if transient == Transient::Connection && self.retries_at_once < RETRIES_AT_ONCE {
            self.retries_at_once += 1;
            return Some(Duration::ZERO);
        }
        let pause = FIRST_PAUSE * 2_u32.pow(self.retries);
        self.retries += 1;
        // Half of it is random, so that statements refused together do not come back together.
        Some(pause.mul_f64(0.5 + fastrand::f64() / 2.0))
    }
}
