//! What the store tells of its work: a span for each statement and, with the feature `metrics`,
//! metrics.

use std::time::Instant;

use sea_orm::{DbBackend, ExecResult, QueryResult};
use tracing::Span;
use tracing::field::Empty;

use crate::error::Result;
use crate::metrics;

/// What a statement is for: by its name for who watches, and in words for who reads an error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) words: &'static str,
}

impl Operation {
    pub(crate) const CREATE: Self = Self::new("create", "create a session");
    pub(crate) const CHECK_ID: Self = Self::new("check_id", "look for a session id");
    pub(crate) const LOAD: Self = Self::new("load", "load a session");
    pub(crate) const SAVE: Self = Self::new("save", "save a session");
    pub(crate) const TOUCH: Self = Self::new("touch", "touch a session");
    pub(crate) const CHECK_AGE: Self = Self::new("check_age", "look for a session's age");
    pub(crate) const DELETE: Self = Self::new("delete", "delete a session");
    pub(crate) const FIND: Self = Self::new("find", "find a session");
    pub(crate) const COUNT: Self = Self::new("count", "count the sessions");
    pub(crate) const REVOKE: Self = Self::new("revoke", "revoke sessions");
    pub(crate) const CLEAR: Self = Self::new("clear", "end all sessions");
    pub(crate) const PRUNE_FIND: Self = Self::new("prune_find", "look for expired sessions");
    pub(crate) const PRUNE_DELETE: Self = Self::new("prune_delete", "prune expired sessions");
    pub(crate) const CREATE_TABLE: Self = Self::new("create_table", "create the session table");
    pub(crate) const CREATE_INDEX: Self =
        Self::new("create_index", "create the session table's index");
    pub(crate) const CHECK_INDEX: Self = Self::new("check_index", "look for the table's index");
    pub(crate) const HEALTH: Self = Self::new("health", "read the session table");

    const fn new(name: &'static str, words: &'static str) -> Self {
        Self { name, words }
    }
}

/// Where statements go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) backend: DbBackend,
    pub(crate) table: &'static str,
}

impl Target {
    pub(crate) fn backend(self) -> &'static str {
        match self.backend {
            DbBackend::Sqlite => "sqlite",
            DbBackend::MySql => "mysql",
            _ => "postgres",
        }
    }
}

/// An operation that is under way. What came of it is told when this is dropped, for whoever waits for
/// the operation may be dropped too, and so never see its end.
pub(crate) struct Watch {
    operation: Operation,
    target: Target,
    started: Instant,
    span: Span,
    retries: u32,
    outcome: &'static str,
}

impl Watch {
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

    pub(crate) fn retried(&mut self) {
        self.retries += 1;
        metrics::retried(self.operation, self.target);
    }

    pub(crate) fn ended<T: Rows>(mut self, result: &Result<T>) {
        let rows = result.as_ref().ok().map(Rows::rows);
        self.span.record("rows", rows);
        self.outcome = match rows {
            Some(0) => "none",
            Some(_) => "ok",
            None => "error",
        };
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.span.record("retries", self.retries);
        self.span.record("outcome", self.outcome);
        let took = self.started.elapsed();
        metrics::ended(self.operation, self.target, self.outcome, took);
    }
}

/// How many rows a statement has found or written.
pub(crate) trait Rows {
    fn rows(&self) -> u64;
}

impl Rows for ExecResult {
    fn rows(&self) -> u64 {
        self.rows_affected()
    }
}

impl Rows for Option<QueryResult> {
    fn rows(&self) -> u64 {
        self.is_some().into()
    }
}

impl Rows for Vec<QueryResult> {
    fn rows(&self) -> u64 {
        self.len() as u64
    }
}

impl Rows for u64 {
    fn rows(&self) -> u64 {
        *self
    }
}
