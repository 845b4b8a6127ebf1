//! Running a part of a request in a task of its own.

use std::future::pending;
use std::panic::resume_unwind;

use tracing::Instrument;

/// Runs a future to its end, even if the caller is dropped or no longer polled.
pub(super) async fn in_task<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> T {
    match tokio::spawn(future.in_current_span()).await {
        Ok(output) => output,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime has ended, and with it this caller.
            Err(_) => pending().await,
        },
    }
}
