//! When a session expires: its timeouts, how far a touch moves its expiry, and when a touch is due.

use time::macros::datetime;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};
use tower_sessions::Expiry;

use crate::sql::utc;

/// How long a session lasts after its last save, without an idle timeout. As in tower-sessions.
const DEFAULT_LIFETIME: Duration = Duration::weeks(2);

/// The latest expiry that is written: a column of whole seconds rounds later ones to the year 10000.
const LATEST: OffsetDateTime = datetime!(9999-12-31 00:00 UTC);

/// The longest time for which a browser keeps a cookie, by RFC 6265bis. Longer timeouts are unlikely.
const MAX_TIMEOUT: Duration = Duration::days(400);

/// The longest default time between two touches.
const MAX_DEFAULT_TOUCH_AFTER: Duration = Duration::hours(1);

/// The timeouts of a store's sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExpiryPolicy {
    idle_timeout: Option<Duration>,
    touch_after: Option<Duration>,
    absolute_timeout: Option<Duration>,
}

/// The timeouts of one session: the store's, unless it has an expiry of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionTimeouts {
    /// How long after its last use it expires, if it slides.
    idle_timeout: Option<Duration>,
    /// How long after a touch the next is due.
    touch_after: Option<Duration>,
    /// When it expires, used or not, if that was chosen for it.
    end: Option<OffsetDateTime>,
    /// When it expires at the latest.
    deadline: OffsetDateTime,
}

/// What a touch of a session writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touch {
    /// It moves the expiry to this time.
    Expiry(OffsetDateTime),
    /// It updates a `last_seen` of this time or before.
    LastSeen(OffsetDateTime),
}

impl ExpiryPolicy {
    #[track_caller]
    pub(super) fn with_idle_timeout(self, timeout: Duration) -> Self {
        assert_positive("idle timeout", timeout);
        Self {
            idle_timeout: Some(timeout),
            ..self
        }
    }

    #[track_caller]
    pub(super) fn with_touch_after(self, touch_after: Duration) -> Self {
        assert!(
            !touch_after.is_negative(),
            "expected a `touch_after` of zero or more, found {touch_after}"
        );
        Self {
            touch_after: Some(touch_after),
            ..self
        }
    }

    #[track_caller]
    pub(super) fn with_absolute_timeout(self, timeout: Duration) -> Self {
        assert_positive("absolute timeout", timeout);
        Self {
            absolute_timeout: Some(timeout),
            ..self
        }
    }

    /// Returns the timeouts of a session with this expiry of its own.
    pub(crate) fn of(
        self,
        own: Option<Expiry>,
        created_at: Option<OffsetDateTime>,
    ) -> SessionTimeouts {
        let (idle_timeout, end) = match own {
            Some(Expiry::OnInactivity(timeout)) => (Some(timeout), None),
            Some(Expiry::AtDateTime(end)) => (None, Some(utc(end))),
            Some(Expiry::OnSessionEnd) | None => (self.idle_timeout, None),
        };
        let touch_after = idle_timeout
            .or(self.idle_timeout)
            .map(|timeout| self.touch_after(timeout));
        SessionTimeouts {
            idle_timeout,
            touch_after,
            end,
            deadline: self.deadline(created_at),
        }
    }

    /// Returns how long a session without an expiry of its own lasts after its last use.
    pub(crate) fn lifetime(self) -> Duration {
        self.idle_timeout.unwrap_or(DEFAULT_LIFETIME)
    }

    pub(crate) fn has_idle_timeout(self) -> bool {
        self.idle_timeout.is_some()
    }

    pub(crate) fn has_absolute_timeout(self) -> bool {
        self.absolute_timeout.is_some()
    }

    /// Returns when a session expires at the latest. Without `created_at`, under an absolute timeout,
    /// it counts as expired.
    fn deadline(self, created_at: Option<OffsetDateTime>) -> OffsetDateTime {
        match (self.absolute_timeout, created_at) {
            (None, _) => PrimitiveDateTime::MAX.assume_utc(),
            (Some(_), None) => PrimitiveDateTime::MIN.assume_utc(),
            (Some(timeout), Some(created_at)) => created_at.saturating_add(timeout),
        }
    }

    /// Under an absolute timeout, returns the latest `created_at` of sessions that have expired at `now`.
    /// It is never before 1970, because some databases refuse such years.
    pub(super) fn created_after(self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let created_after = now.saturating_sub(self.absolute_timeout?);
        Some(created_after.max(OffsetDateTime::UNIX_EPOCH))
    }

    /// A session has to be touched within its idle timeout, or it would never slide at all.
    fn touch_after(self, idle_timeout: Duration) -> Duration {
        let touch_after = self
            .touch_after
            .unwrap_or_else(|| Duration::min(idle_timeout / 10, MAX_DEFAULT_TOUCH_AFTER));
        touch_after.min(idle_timeout / 2)
    }
}

impl SessionTimeouts {
    /// Returns when a session expires that is used at `now`.
    pub(crate) fn expires_at(self, now: OffsetDateTime) -> OffsetDateTime {
        let end = self
            .end
            .unwrap_or_else(|| now.saturating_add(self.idle_timeout.unwrap_or(DEFAULT_LIFETIME)));
        end.min(self.deadline).min(LATEST)
    }

    /// Returns when a session with this `expire` expires.
    pub(crate) fn limit(self, expire: OffsetDateTime) -> OffsetDateTime {
        expire.min(self.end.unwrap_or(expire)).min(self.deadline)
    }

    /// A save leaves an `expire` after this time unchanged, instead of moving it to `expires_at`. At least
    /// half of the requested time is left then.
    pub(super) fn save_due(
        self,
        expires_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> OffsetDateTime {
        if self.idle_timeout.is_none() {
            return expires_at;
        }
        let asked = (expires_at - now).max(Duration::ZERO);
        let touch_after = self.touch_after.unwrap_or(Duration::ZERO);
        expires_at.saturating_sub(touch_after.min(asked / 2))
    }

    /// Returns the touch that a session with this `expire` needs at `now`, if it does.
    pub(super) fn touch(
        self,
        expire: OffsetDateTime,
        last_seen: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Option<Touch> {
        let touch_after = self.touch_after?;
        if let Some(expires_at) = self.slide(expire, touch_after, now) {
            return Some(Touch::Expiry(expires_at));
        }
        let seen_due = now.saturating_sub(touch_after);
        (last_seen? <= seen_due).then_some(Touch::LastSeen(seen_due))
    }

    /// Returns when a session with this `expire` expires after a touch at `now`, if the touch moves it.
    fn slide(
        self,
        expire: OffsetDateTime,
        touch_after: Duration,
        now: OffsetDateTime,
    ) -> Option<OffsetDateTime> {
        // A column of whole seconds does not hold the exact time.
        const ROUNDING: Duration = Duration::SECOND;
        let slid = now.saturating_add(self.idle_timeout?);
        let due = slid.saturating_sub(touch_after);
        let deadline = self.deadline.min(LATEST);
        let (expires_at, due) = if deadline < slid {
            // A session that already expires at its deadline does not slide.
            (deadline, due.min(deadline.saturating_sub(ROUNDING)))
        } else {
            (slid, due)
        };
        // It expires too late if the timeout was longer when the session was last used. Much later, it is no
        // timeout: a clock that stands at 1970, or PostgreSQL's `infinity`.
        let late_by = expire - expires_at;
        let is_late = late_by > ROUNDING && late_by <= MAX_TIMEOUT;
        (expire <= due || is_late).then_some(expires_at)
    }
}

#[track_caller]
fn assert_positive(name: &str, timeout: Duration) {
    assert!(
        timeout.is_positive(),
        "expected a positive {name}, found {timeout}; for none, do not set it"
    );
}

#[cfg(test)]
mod tests {
    use time::{Duration, OffsetDateTime};
    use tower_sessions::Expiry;

    use super::{ExpiryPolicy, SessionTimeouts, Touch};

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn idle(timeout: Duration) -> ExpiryPolicy {
        ExpiryPolicy::default().with_idle_timeout(timeout)
    }

    fn store(policy: ExpiryPolicy) -> SessionTimeouts {
        policy.of(None, Some(NOW))
    }

    /// How long after it was used a session is touched again.
    fn due_after(timeouts: SessionTimeouts) -> Duration {
        let expire = timeouts.expires_at(NOW);
        let is_due = |after: &Duration| timeouts.touch(expire, None, NOW + *after).is_some();
        let due = (0..86_400).map(Duration::seconds).find(is_due);
        due.unwrap()
    }

    #[test]
    fn without_an_idle_timeout_nothing_slides() {
        let timeouts = store(ExpiryPolicy::default());
        assert_eq!(timeouts.touch(NOW, Some(NOW), NOW), None);
        assert_eq!(timeouts.expires_at(NOW), NOW + Duration::weeks(2));
    }

    #[test]
    fn a_session_with_an_end_of_its_own_does_not_slide() {
        let end = NOW + Duration::weeks(4);
        let timeouts = idle(Duration::HOUR).of(Some(Expiry::AtDateTime(end)), None);
        assert_eq!(timeouts.touch(NOW, Some(NOW), NOW), None);
        // The visitor is seen as often as others.
        let (later, due) = (NOW + Duration::HOUR, NOW + Duration::minutes(54));
        assert_eq!(
            timeouts.touch(NOW, Some(NOW), later),
            Some(Touch::LastSeen(due))
        );
        assert_eq!(timeouts.expires_at(NOW), end);
        assert_eq!(timeouts.limit(end + Duration::SECOND), end);
        assert_eq!(timeouts.save_due(end, NOW), end);
    }

    #[test]
    fn touch_after_is_a_tenth_of_the_idle_timeout_and_at_most_an_hour() {
        for (timeout, due) in [
            (Duration::minutes(30), Duration::minutes(3)),
            (Duration::days(14), Duration::hours(1)),
        ] {
            assert_eq!(due_after(store(idle(timeout))), due);
            let own = Some(Expiry::OnInactivity(timeout));
            assert_eq!(due_after(idle(Duration::MINUTE).of(own, None)), due);
        }
    }

    #[test]
    fn touch_after_is_taken_as_given_up_to_half_the_idle_timeout() {
        for (given, taken) in [(0, 0), (5, 5), (30, 30), (31, 30), (600, 30)] {
            let policy = idle(Duration::HOUR).with_touch_after(Duration::minutes(given));
            assert_eq!(due_after(store(policy)), Duration::minutes(taken));
        }
    }

    #[test]
    fn a_save_leaves_at_least_half_of_the_time_that_was_asked_for() {
        let timeouts = store(idle(Duration::days(14)));
        for (asked, left) in [(-5, -5), (0, 0), (20, 10), (120, 60), (600, 540)] {
            let expires_at = NOW + Duration::minutes(asked);
            let due = timeouts.save_due(expires_at, NOW);
            assert_eq!(due, NOW + Duration::minutes(left));
        }
        assert_eq!(store(ExpiryPolicy::default()).save_due(NOW, NOW), NOW);
    }

    #[test]
    fn a_touch_stops_at_the_deadline() {
        let policy = idle(Duration::HOUR)
            .with_touch_after(Duration::ZERO)
            .with_absolute_timeout(Duration::minutes(90));
        let (timeouts, deadline) = (store(policy), NOW + Duration::minutes(90));
        let at = |minute| NOW + Duration::minutes(minute);
        assert_eq!(
            timeouts.touch(at(80), None, at(20)),
            Some(Touch::Expiry(at(80)))
        );
        assert_eq!(
            timeouts.touch(at(80), None, at(40)),
            Some(Touch::Expiry(deadline))
        );
        assert_eq!(timeouts.touch(deadline, None, at(40)), None);
        assert_eq!(
            timeouts.touch(at(120), None, at(40)),
            Some(Touch::Expiry(deadline))
        );
    }

    #[test]
    fn a_session_that_expires_too_late_is_touched() {
        let (timeouts, expires_at) = (store(idle(Duration::HOUR)), NOW + Duration::HOUR);
        assert_eq!(
            timeouts.touch(expires_at + Duration::SECOND, None, NOW),
            None
        );
        // Much later, it was not a longer timeout.
        assert_eq!(
            timeouts.touch(expires_at + Duration::days(401), None, NOW),
            None
        );
        let late = expires_at + Duration::milliseconds(1001);
        assert_eq!(
            timeouts.touch(late, None, NOW),
            Some(Touch::Expiry(expires_at))
        );
    }

    #[test]
    fn the_end_of_time_does_not_overflow() {
        let timeouts = store(idle(Duration::MAX));
        assert_eq!(timeouts.expires_at(NOW).year(), 9999);
        assert!(matches!(
            timeouts.touch(NOW, None, NOW),
            Some(Touch::Expiry(end)) if end == timeouts.expires_at(NOW)
        ));
        assert_eq!(timeouts.touch(timeouts.expires_at(NOW), None, NOW), None);
    }

    #[test]
    #[should_panic = "expected a positive idle timeout, found 0s; for none, do not set it"]
    fn an_idle_timeout_of_zero_is_refused() {
        let _ = idle(Duration::ZERO);
    }

    #[test]
    #[should_panic = "expected a positive absolute timeout, found -1s; for none, do not set it"]
    fn a_negative_absolute_timeout_is_refused() {
        let _ = ExpiryPolicy::default().with_absolute_timeout(-Duration::SECOND);
    }

    #[test]
    #[should_panic = "expected a `touch_after` of zero or more, found -1s"]
    fn a_negative_touch_after_is_refused() {
        let _ = ExpiryPolicy::default().with_touch_after(-Duration::SECOND);
    }
}
