//! The span of a statement, from its first attempt to its outcome.

use std::time::Instant;

use sea_orm::{ExecResult, QueryResult};
use tracing::Span;
use tracing::field::Empty;

use super::metrics;
use super::operation::{Operation, Target};
use crate::error::Result;

/// A statement in progress. Reports on drop, so that cancelled statements are counted.
pub(crate) struct StatementSpan {
    operation: Operation,
    target: Target,
    started: Instant,
    span: Span,
    retries: u32,
    outcome: &'static str,
}

impl StatementSpan {
    pub(crate) fn new(operation: Operation, target: Target) -> Self {
        let span = tracing::debug_span!(
            target: "session_store",
            "session_store",
            operation = operation.name,
            backend = target.backend(),
            table = target.table,
            rows = Empty,
            retries = Empty,
            outcome = Empty,
        );
        Self {
            operation,
            target,
            started: Instant::now(),
            span,
            retries: 0,
            outcome: "cancelled",
        }
    }

    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    pub(crate) fn record_retry(&mut self) {
        self.retries += 1;
        metrics::record_retry(self.operation, self.target);
    }

    pub(crate) fn finish<T: RowCount>(mut self, result: &Result<T>) {
        let rows = result.as_ref().ok().map(RowCount::rows);
        self.span.record("rows", rows);
        self.outcome = match rows {
            Some(0) => "none",
            Some(_) => "ok",
            None => "error",
        };
    }
}

impl Drop for StatementSpan {
    fn drop(&mut self) {
        self.span.record("retries", self.retries);
        self.span.record("outcome", self.outcome);
        let duration = self.started.elapsed();
        metrics::record_statement(self.operation, self.target, self.outcome, duration);
    }
}

/// The number of rows that a statement found or wrote.
pub(crate) trait RowCount {
    fn rows(&self) -> u64;
}

impl RowCount for ExecResult {
    fn rows(&self) -> u64 {
        self.rows_affected()
    }
}

impl RowCount for Option<QueryResult> {
    fn rows(&self) -> u64 {
        self.is_some().into()
    }
}

impl RowCount for Vec<QueryResult> {
    fn rows(&self) -> u64 {
        self.len() as u64
    }
}

impl RowCount for u64 {
    fn rows(&self) -> u64 {
        *self
    }
}
