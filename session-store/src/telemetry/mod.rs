//! Telemetry: a span for each statement and, with the feature `metrics`, metrics.

pub(crate) mod metrics;
mod operation;
mod span;

pub(crate) use operation::{Operation, Target};
pub(crate) use span::{RowCount, StatementSpan};
