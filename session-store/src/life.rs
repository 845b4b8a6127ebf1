//! When a session ends: how far a touch moves its end, and when one is due.

use time::{Duration, OffsetDateTime, PrimitiveDateTime};

/// The longest time between two touches that is taken without being asked for.
const MAX_DEFAULT_TOUCH_AFTER: Duration = Duration::hours(1);

/// How long a session lives: after it was last used, and at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Life {
    idle: Option<Duration>,
    touch_after: Option<Duration>,
    absolute: Option<Duration>,
}

/// A touch at some moment: what it writes, and to which rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slide {
    /// The end of a session that is touched now.
    pub(crate) expire: OffsetDateTime,
    /// A session that ends at this moment or before is due.
    pub(crate) due: OffsetDateTime,
    /// So is one that was last seen at this moment or before, whenever it ends.
    pub(crate) seen: OffsetDateTime,
}

impl Life {
    pub(crate) fn with_life(self, life: Duration) -> Self {
        Self {
            idle: life.is_positive().then_some(life),
            ..self
        }
    }

    pub(crate) fn with_touch_after(self, touch_after: Duration) -> Self {
        Self {
            touch_after: Some(touch_after.max(Duration::ZERO)),
            ..self
        }
    }

    pub(crate) fn with_absolute_life(self, absolute: Duration) -> Self {
        Self {
            absolute: absolute.is_positive().then_some(absolute),
            ..self
        }
    }

    /// The moment that a session does not outlive. One whose age nobody knows has outlived it.
    pub(crate) fn latest_end(self, created_at: Option<OffsetDateTime>) -> OffsetDateTime {
        match (self.absolute, created_at) {
            (None, _) => PrimitiveDateTime::MAX.assume_utc(),
            (Some(_), None) => PrimitiveDateTime::MIN.assume_utc(),
            (Some(absolute), Some(created_at)) => created_at.saturating_add(absolute),
        }
    }

    /// When a session ends whose row says `expire`.
    pub(crate) fn end(
        self,
        expire: OffsetDateTime,
        created_at: Option<OffsetDateTime>,
    ) -> OffsetDateTime {
        expire.min(self.latest_end(created_at))
    }

    /// If there is an absolute life: a session that was created at this moment or before has
    /// outlived it at `now`. No database is asked for years before our time, which some refuse.
    pub(crate) fn created_after(self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let moment = now.saturating_sub(self.absolute?);
        Some(moment.max(OffsetDateTime::UNIX_EPOCH))
    }

    /// Whether there is an absolute life.
    pub(crate) fn is_limited(self) -> bool {
        self.absolute.is_some()
    }

    pub(crate) fn get(self) -> Option<Duration> {
        self.idle
    }

    fn touch_after(self) -> Option<Duration> {
        let life = self.idle?;
        let touch_after = self
            .touch_after
            .unwrap_or_else(|| Duration::min(life / 10, MAX_DEFAULT_TOUCH_AFTER));
        // A session has to be touched within its life, or it would never slide at all.
        Some(touch_after.min(life / 2))
    }

    /// A save that would move a session's end to `end` need not if it is later than this. It never
    /// leaves less than half of the time that was asked for, however short that is beside the life.
    pub(crate) fn due(self, end: OffsetDateTime, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let asked = (end - now).max(Duration::ZERO);
        Some(end.saturating_sub(self.touch_after()?.min(asked / 2)))
    }

    /// The touch at `now`; none without a life.
    pub(crate) fn slide(self, now: OffsetDateTime) -> Option<Slide> {
        let (life, touch_after) = (self.idle?, self.touch_after()?);
        let expire = now.saturating_add(life);
        Some(Slide {
            expire,
            due: expire.saturating_sub(touch_after),
            seen: now.saturating_sub(touch_after),
        })
    }
}

impl Slide {
    /// Whether a session needs the touch.
    pub(crate) fn is_due(self, end: OffsetDateTime, last_seen: Option<OffsetDateTime>) -> bool {
        end <= self.due || last_seen.is_some_and(|last_seen| last_seen <= self.seen)
    }

    /// When a session ends after the touch.
    pub(crate) fn end(self, end: OffsetDateTime) -> OffsetDateTime {
        if end <= self.due { self.expire } else { end }
    }

    /// The touch of a session that ends at `latest_end` at the latest; one that ends then already is
    /// not due.
    pub(crate) fn until(self, latest_end: OffsetDateTime) -> Self {
        if self.expire <= latest_end {
            return self;
        }
        Self {
            expire: latest_end,
            // A column of whole seconds does not hold the very end.
            due: self.due.min(latest_end.saturating_sub(Duration::SECOND)),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use time::{Duration, OffsetDateTime};

    use super::{Life, Slide};

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn due_after(life: Life) -> Duration {
        let Slide { expire, due, .. } = life.slide(NOW).unwrap();
        expire - due
    }

    #[test]
    fn without_a_positive_life_nothing_slides() {
        assert_eq!(Life::default().slide(NOW), None);
        assert_eq!(Life::default().with_life(Duration::ZERO).slide(NOW), None);
        assert_eq!(
            Life::default().with_life(-Duration::SECOND).slide(NOW),
            None
        );
    }

    #[test]
    fn touch_after_is_a_tenth_of_the_life_and_at_most_an_hour() {
        let life = Life::default();
        assert_eq!(
            due_after(life.with_life(Duration::minutes(30))),
            Duration::minutes(3)
        );
        assert_eq!(
            due_after(life.with_life(Duration::days(14))),
            Duration::hours(1)
        );
    }

    #[test]
    fn touch_after_is_taken_as_given_up_to_half_the_life() {
        let life = Life::default().with_life(Duration::hours(1));
        for (given, taken) in [(-1, 0), (0, 0), (5, 5), (30, 30), (31, 30), (600, 30)] {
            let life = life.with_touch_after(Duration::minutes(given));
            assert_eq!(due_after(life), Duration::minutes(taken));
        }
    }

    #[test]
    fn a_save_leaves_at_least_half_of_the_time_that_was_asked_for() {
        let life = Life::default().with_life(Duration::days(14));
        for (asked, left) in [(-5, -5), (0, 0), (20, 10), (120, 60), (600, 540)] {
            let end = NOW + Duration::minutes(asked);
            assert_eq!(life.due(end, NOW), Some(NOW + Duration::minutes(left)));
        }
        assert_eq!(Life::default().due(NOW, NOW), None);
    }

    #[test]
    fn only_a_touch_that_is_cut_short_is_not_due_at_its_end() {
        let life = Life::default()
            .with_life(Duration::hours(1))
            .with_touch_after(Duration::ZERO);
        let slide = life.slide(NOW).unwrap();
        assert_eq!(slide.until(slide.expire), slide);
        assert!(slide.is_due(slide.expire, None));
        let end = slide.expire - Duration::MICROSECOND;
        let short = slide.until(end);
        assert_eq!(short.expire, end);
        assert!(!short.is_due(end, None));
        assert!(short.is_due(end - Duration::SECOND, None));
    }

    #[test]
    fn the_end_of_time_is_no_overflow() {
        let life = Life::default().with_life(Duration::MAX);
        let slide = life.slide(NOW).unwrap();
        assert_eq!(slide.expire.year(), 9999);
        assert!(slide.due <= slide.expire);
    }
}
