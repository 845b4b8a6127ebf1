//! A clock that only a test moves.

use std::sync::{Arc, Mutex, PoisonError};

use time::{Duration, OffsetDateTime};

/// Set it as a store's clock with `with_clock(clock.reader())`.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Mutex<OffsetDateTime>>);

impl Clock {
    /// Creates a clock at the current second, without a fraction.
    pub fn new() -> Self {
        let now = OffsetDateTime::now_utc();
        Self(Arc::new(Mutex::new(
            now.replace_nanosecond(0).unwrap_or(now),
        )))
    }

    pub fn now(&self) -> OffsetDateTime {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set(&self, now: OffsetDateTime) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    pub fn advance(&self, by: Duration) {
        self.set(self.now() + by);
    }

    pub fn reader(&self) -> impl Fn() -> OffsetDateTime + Send + Sync + 'static {
        let clock = self.clone();
        move || clock.now()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
