//! The store's metrics, reported through the `metrics` facade. Without the feature `metrics` these
//! functions do nothing.
#![cfg_attr(not(feature = "metrics"), allow(unused_variables))]

use std::time::Duration;

#[cfg(feature = "metrics")]
use ::metrics::{counter, gauge, histogram};
use time::OffsetDateTime;

use super::operation::{Operation, Target};

pub(super) fn record_statement(
    operation: Operation,
    target: Target,
    outcome: &'static str,
    duration: Duration,
) {
    #[cfg(feature = "metrics")]
    {
        let labels = [
            ("operation", operation.name),
            ("backend", target.backend()),
            ("table", target.table),
            ("outcome", outcome),
        ];
        counter!("session_store_operations_total", &labels).increment(1);
        histogram!("session_store_operation_duration_seconds", &labels).record(duration);
    }
}

pub(super) fn record_retry(operation: Operation, target: Target) {
    #[cfg(feature = "metrics")]
    {
        let labels = [
            ("operation", operation.name),
            ("backend", target.backend()),
            ("table", target.table),
        ];
        counter!("session_store_retries_total", &labels).increment(1);
    }
}

/// Counts a save that found that another request had saved first, and merged with it.
pub(crate) fn record_merged_conflict(target: Target) {
    #[cfg(feature = "metrics")]
    counter!(
        "session_store_conflicts_merged_total",
        &table_labels(target)
    )
    .increment(1);
}

pub(crate) fn record_pruned_rows(target: Target, rows: u64) {
    #[cfg(feature = "metrics")]
    counter!("session_store_pruned_rows_total", &table_labels(target)).increment(rows);
}

/// Records the end of a prune.
pub(crate) fn record_prune(target: Target, is_ok: bool, now: OffsetDateTime) {
    #[cfg(feature = "metrics")]
    {
        let failed = f64::from(u8::from(!is_ok));
        gauge!("session_store_last_prune_failed", &table_labels(target)).set(failed);
        if is_ok {
            let now = (now - OffsetDateTime::UNIX_EPOCH).as_seconds_f64();
            gauge!(
                "session_store_last_prune_timestamp_seconds",
                &table_labels(target)
            )
            .set(now);
        }
    }
}

#[cfg(feature = "metrics")]
fn table_labels(target: Target) -> [(&'static str, &'static str); 2] {
    [("backend", target.backend()), ("table", target.table)]
}
