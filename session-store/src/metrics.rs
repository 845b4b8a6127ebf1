//! The store's metrics, by the facade `metrics`; without the feature of that name there are none.
#![cfg_attr(not(feature = "metrics"), allow(unused_variables))]

use std::time::Duration;

#[cfg(feature = "metrics")]
use ::metrics::{counter, gauge, histogram};
use time::OffsetDateTime;

use crate::telemetry::{Operation, Target};

pub(crate) fn ended(operation: Operation, target: Target, outcome: &'static str, took: Duration) {
    #[cfg(feature = "metrics")]
    {
        let labels = [
            ("operation", operation.name),
            ("backend", target.backend()),
            ("table", target.table),
            ("outcome", outcome),
        ];
        counter!("session_store_operations_total", &labels).increment(1);
        histogram!("session_store_operation_duration_seconds", &labels).record(took);
    }
}

pub(crate) fn retried(operation: Operation, target: Target) {
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

/// A save has found that another request saved first, and has laid its changes over that.
pub(crate) fn conflict_merged(target: Target) {
    #[cfg(feature = "metrics")]
    counter!("session_store_conflicts_merged_total", &of(target)).increment(1);
}

pub(crate) fn rows_pruned(target: Target, rows: u64) {
    #[cfg(feature = "metrics")]
    counter!("session_store_pruned_rows_total", &of(target)).increment(rows);
}

/// The age of the last prune is the time since then.
pub(crate) fn pruned(target: Target, is_ok: bool, now: OffsetDateTime) {
    #[cfg(feature = "metrics")]
    {
        let failed = f64::from(u8::from(!is_ok));
        gauge!("session_store_last_prune_failed", &of(target)).set(failed);
        if is_ok {
            let now = (now - OffsetDateTime::UNIX_EPOCH).as_seconds_f64();
            gauge!("session_store_last_prune_timestamp_seconds", &of(target)).set(now);
        }
    }
}

#[cfg(feature = "metrics")]
fn of(target: Target) -> [(&'static str, &'static str); 2] {
    [("backend", target.backend()), ("table", target.table)]
}
