//! When a session expires: its timeouts, how far a touch moves its expiry, and when a touch is due.

use time::{Duration, OffsetDateTime, PrimitiveDateTime};

/// The longest default time between two touches.
const MAX_DEFAULT_TOUCH_AFTER: Duration = Duration::hours(1);

/// The timeouts of a store's sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExpiryPolicy {
    idle_timeout: Option<Duration>,
    touch_after: Option<Duration>,
    absolute_timeout: Option<Duration>,
}

/// A touch at a certain time: what it writes, and to which rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Touch {
    /// When a session expires that is touched now.
    pub(super) expires_at: OffsetDateTime,
    /// A session is due if it expires at this time or before.
    pub(super) due: OffsetDateTime,
    /// A session is also due if it was last seen at this time or before, whenever it expires.
    pub(super) seen_due: OffsetDateTime,
}

impl ExpiryPolicy {
    pub(super) fn with_idle_timeout(self, timeout: Duration) -> Self {
        Self {
            idle_timeout: timeout.is_positive().then_some(timeout),
            ..self
        }
    }

    pub(super) fn with_touch_after(self, touch_after: Duration) -> Self {
        Self {
            touch_after: Some(touch_after.max(Duration::ZERO)),
            ..self
        }
    }

    pub(super) fn with_absolute_timeout(self, timeout: Duration) -> Self {
        Self {
            absolute_timeout: timeout.is_positive().then_some(timeout),
            ..self
        }
    }

    pub(crate) fn idle_timeout(self) -> Option<Duration> {
        self.idle_timeout
    }

    pub(crate) fn has_absolute_timeout(self) -> bool {
        self.absolute_timeout.is_some()
    }

    /// Returns when a session expires at the latest. Without `created_at`, under an absolute timeout,
    /// it counts as expired.
    pub(super) fn deadline(self, created_at: Option<OffsetDateTime>) -> OffsetDateTime {
        match (self.absolute_timeout, created_at) {
            (None, _) => PrimitiveDateTime::MAX.assume_utc(),
            (Some(_), None) => PrimitiveDateTime::MIN.assume_utc(),
            (Some(timeout), Some(created_at)) => created_at.saturating_add(timeout),
        }
    }

    /// Returns when a session with this `expire` expires.
    pub(crate) fn expires_at(
        self,
        expire: OffsetDateTime,
        created_at: Option<OffsetDateTime>,
    ) -> OffsetDateTime {
        expire.min(self.deadline(created_at))
    }

    /// Under an absolute timeout, returns the latest `created_at` of sessions that have expired at `now`.
    /// It is never before 1970, because some databases refuse such years.
    pub(super) fn created_after(self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let created_after = now.saturating_sub(self.absolute_timeout?);
        Some(created_after.max(OffsetDateTime::UNIX_EPOCH))
    }

    fn touch_after(self) -> Option<Duration> {
        let timeout = self.idle_timeout?;
        let touch_after = self
            .touch_after
            .unwrap_or_else(|| Duration::min(timeout / 10, MAX_DEFAULT_TOUCH_AFTER));
        // A session has to be touched within its idle timeout, or it would never slide at all.
        Some(touch_after.min(timeout / 2))
    }

    /// A save leaves an `expire` after this time unchanged, instead of moving it to `expires_at`. At least
    /// half of the requested time is left then.
    pub(super) fn save_due(
        self,
        expires_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Option<OffsetDateTime> {
        let asked = (expires_at - now).max(Duration::ZERO);
        Some(expires_at.saturating_sub(self.touch_after()?.min(asked / 2)))
    }

    /// Returns the touch at `now`, if there is an idle timeout.
    pub(super) fn touch(self, now: OffsetDateTime) -> Option<Touch> {
        let (timeout, touch_after) = (self.idle_timeout?, self.touch_after()?);
        let expires_at = now.saturating_add(timeout);
        Some(Touch {
            expires_at,
            due: expires_at.saturating_sub(touch_after),
            seen_due: now.saturating_sub(touch_after),
        })
    }
}

impl Touch {
    /// Returns whether a session needs the touch.
    pub(super) fn is_due(
        self,
        expires_at: OffsetDateTime,
        last_seen: Option<OffsetDateTime>,
    ) -> bool {
        expires_at <= self.due || last_seen.is_some_and(|last_seen| last_seen <= self.seen_due)
    }

    /// Returns when a session expires after the touch.
    pub(super) fn moved(self, expires_at: OffsetDateTime) -> OffsetDateTime {
        if expires_at <= self.due {
            self.expires_at
        } else {
            expires_at
        }
    }

    /// Limits the touch to a session's deadline. A session that already expires then is not due.
    pub(super) fn until(self, deadline: OffsetDateTime) -> Self {
        if self.expires_at <= deadline {
            return self;
        }
        Self {
            expires_at: deadline,
            // A column of whole seconds does not hold the exact deadline.
            due: self.due.min(deadline.saturating_sub(Duration::SECOND)),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use time::{Duration, OffsetDateTime};

    use super::{ExpiryPolicy, Touch};

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn due_after(policy: ExpiryPolicy) -> Duration {
        let Touch {
            expires_at, due, ..
        } = policy.touch(NOW).unwrap();
        expires_at - due
    }

    #[test]
    fn without_a_positive_idle_timeout_nothing_slides() {
        let policy = ExpiryPolicy::default();
        assert_eq!(policy.touch(NOW), None);
        for timeout in [Duration::ZERO, -Duration::SECOND] {
            assert_eq!(policy.with_idle_timeout(timeout).touch(NOW), None);
        }
    }

    #[test]
    fn touch_after_is_a_tenth_of_the_idle_timeout_and_at_most_an_hour() {
        let policy = ExpiryPolicy::default();
        assert_eq!(
            due_after(policy.with_idle_timeout(Duration::minutes(30))),
            Duration::minutes(3)
        );
        assert_eq!(
            due_after(policy.with_idle_timeout(Duration::days(14))),
            Duration::hours(1)
        );
    }

    #[test]
    fn touch_after_is_taken_as_given_up_to_half_the_idle_timeout() {
        let policy = ExpiryPolicy::default().with_idle_timeout(Duration::hours(1));
        for (given, taken) in [(-1, 0), (0, 0), (5, 5), (30, 30), (31, 30), (600, 30)] {
            let policy = policy.with_touch_after(Duration::minutes(given));
            assert_eq!(due_after(policy), Duration::minutes(taken));
        }
    }

    #[test]
    fn a_save_leaves_at_least_half_of_the_time_that_was_asked_for() {
        let policy = ExpiryPolicy::default().with_idle_timeout(Duration::days(14));
        for (asked, left) in [(-5, -5), (0, 0), (20, 10), (120, 60), (600, 540)] {
            let expires_at = NOW + Duration::minutes(asked);
            let due = policy.save_due(expires_at, NOW);
            assert_eq!(due, Some(NOW + Duration::minutes(left)));
        }
        assert_eq!(ExpiryPolicy::default().save_due(NOW, NOW), None);
    }

    #[test]
    fn only_a_touch_that_the_deadline_limits_is_not_due_at_its_expiry() {
        let policy = ExpiryPolicy::default()
            .with_idle_timeout(Duration::hours(1))
            .with_touch_after(Duration::ZERO);
        let touch = policy.touch(NOW).unwrap();
        assert_eq!(touch.until(touch.expires_at), touch);
        assert!(touch.is_due(touch.expires_at, None));
        let deadline = touch.expires_at - Duration::MICROSECOND;
        let limited = touch.until(deadline);
        assert_eq!(limited.expires_at, deadline);
        assert!(!limited.is_due(deadline, None));
        assert!(limited.is_due(deadline - Duration::SECOND, None));
    }

    #[test]
    fn the_end_of_time_does_not_overflow() {
        let policy = ExpiryPolicy::default().with_idle_timeout(Duration::MAX);
        let touch = policy.touch(NOW).unwrap();
        assert_eq!(touch.expires_at.year(), 9999);
        assert!(touch.due <= touch.expires_at);
    }
}
