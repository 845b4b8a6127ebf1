//! How a store is configured: timeouts, extra columns, limits.

use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use super::SeaOrmStore;
use super::expiry::ExpiryPolicy;
use crate::error::BoxError;
use crate::model::{ActiveModel, CreatedAt, SessionModel, SessionRef, SidForm};

/// The encoded size that is refused unless [`SeaOrmStore::with_max_bytes`] sets another: 1 MiB.
pub(super) const DEFAULT_MAX_BYTES: usize = 1024 * 1024;

pub(super) type Clock = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// A closure that fills columns at run time.
pub(super) type ExtrasFn<M> =
    Arc<dyn Fn(&SessionRef<'_>, &mut ActiveModel<M>) -> Result<(), BoxError> + Send + Sync>;

impl<M: SessionModel> SeaOrmStore<M> {
    /// Sets the idle timeout: a session expires this long after the visitor's last activity. Loading a
    /// session counts as activity, and moves its expiry to `timeout` from now.
    ///
    /// `timeout` is a [`time::Duration`], as in tower-sessions, and not a `std::time::Duration`. At
    /// most one load per [`touch_after`](Self::with_touch_after) writes to the database. A shorter timeout
    /// also applies to sessions that are already in the table, from their next use on. Without an idle
    /// timeout, a session expires two weeks after its last save. A handler can choose [an expiry for one
    /// session](crate::guide::timeouts#an-expiry-for-one-session).
    ///
    /// <div class="warning">
    ///
    /// Under a plain [`SessionManagerLayer`](tower_sessions::SessionManagerLayer), tower-sessions decides
    /// when a session expires that is saved: in two weeks by default. It needs
    /// `with_expiry(Expiry::OnInactivity(timeout))`.
    ///
    /// </div>
    ///
    /// OWASP recommends 15 to 30 minutes for low-risk applications and 2 to 5 minutes for high-value
    /// ones ([Session Management Cheat Sheet][owasp]).
    ///
    /// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#session-expiration
    ///
    /// # Panics
    ///
    /// Panics if `timeout` is zero or negative.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_store::DefaultStore;
    /// # let db = sea_orm::DatabaseConnection::default();
    /// use time::Duration;
    ///
    /// let store = DefaultStore::new(db).with_idle_timeout(Duration::minutes(30));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn with_idle_timeout(self, timeout: Duration) -> Self {
        let expiry = self.expiry.with_idle_timeout(timeout);
        self.with_expiry(expiry)
    }

    /// Sets how much time passes between two touches of a session, so that a busy visitor costs one
    /// write per `touch_after`, and not one per request.
    ///
    /// A save always writes the data. It moves the expiry to an earlier time at once, and to a later
    /// one by the same rule: if that is later by `touch_after`, or by half of the time that is then
    /// left. So a session expires at most `touch_after` earlier than the idle timeout says.
    ///
    /// With zero, every load touches. The default is a tenth of the idle timeout, and at most an hour.
    /// It is never more than half of the idle timeout: otherwise a session could expire while it is in
    /// use.
    ///
    /// # Panics
    ///
    /// Panics if `touch_after` is negative.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_store::DefaultStore;
    /// # let db = sea_orm::DatabaseConnection::default();
    /// use time::Duration;
    ///
    /// let store = DefaultStore::new(db)
    ///     .with_idle_timeout(Duration::days(14))
    ///     .with_touch_after(Duration::minutes(5));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn with_touch_after(self, touch_after: Duration) -> Self {
        let expiry = self.expiry.with_touch_after(touch_after);
        self.with_expiry(expiry)
    }

    /// Sets the absolute timeout: a session expires this long after it was created, or its visitor was
    /// [last authenticated](Self::set_authenticated), however busy it is.
    ///
    /// This needs a column with `#[session(created_at)]`, and does not compile without one. The timeout
    /// also applies to sessions that are already in the table. A session whose `created_at` is NULL
    /// counts as expired. Rows are pruned when their `expire` has passed. To delete them earlier,
    /// [`revoke`](Self::revoke) by `created_at`.
    ///
    /// [Timeouts](crate::guide::timeouts#absolute-timeout) says what `cycle_id` and `flush` do to the age,
    /// which operations take a second round trip, and what OWASP recommends.
    ///
    /// # Panics
    ///
    /// Panics if `timeout` is zero or negative.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod session { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/session.rs")); }
    /// # let db = sea_orm::DatabaseConnection::default();
    /// use time::Duration;
    ///
    /// let store = session::Store::new(db)
    ///     .with_idle_timeout(Duration::minutes(30))
    ///     .with_absolute_timeout(Duration::hours(8));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn with_absolute_timeout(self, timeout: Duration) -> Self
    where
        M: CreatedAt,
    {
        let expiry = self.expiry.with_absolute_timeout(timeout);
        self.with_expiry(expiry)
    }

    /// Sets a closure that fills columns at run time, after the derived sources have filled theirs.
    ///
    /// It is called on every create and save. On an entity with [columns from the
    /// request](crate::guide::extra_columns#columns-from-the-request), it is also called on the touch of a load, and
    /// then only these columns are taken from it. If it returns an error, the save is refused with
    /// [`Error::ExtrasFailed`](crate::Error::ExtrasFailed). Columns that the store itself fills (`sid`,
    /// `sess`, `expire`, `created_at`, `last_seen` and `version`) keep the store's value.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod session { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/session.rs")); }
    /// # let db = sea_orm::DatabaseConnection::default();
    /// use sea_orm::ActiveValue::Set;
    ///
    /// let store = session::Store::new(db).with_extras(|session, row| {
    ///     row.note = Set(Some(format!("{} keys", session.data.len())));
    ///     Ok(())
    /// });
    /// ```
    #[must_use]
    pub fn with_extras(
        mut self,
        extras: impl Fn(&SessionRef<'_>, &mut ActiveModel<M>) -> Result<(), BoxError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.extras = Some(Arc::new(extras));
        self
    }

    /// Sets the maximum size of the encoded data, in bytes. A larger session is refused with
    /// [`Error::TooLarge`](crate::Error::TooLarge). The default is 1 MiB.
    ///
    /// A visitor who can make a session grow can fill the table, so keep the limit as low as the
    /// application allows.
    #[must_use]
    pub fn with_max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Stores ids as they are in the cookie, to share a table with another session store.
    ///
    /// <div class="warning">
    ///
    /// Anyone who reads the table, a backup or the database's log can then sign in as any user in it.
    /// By default the column holds the SHA-256 of the id.
    ///
    /// </div>
    ///
    /// On a table with sessions, this signs everyone out.
    #[must_use]
    pub fn with_plain_sid(mut self) -> Self {
        self.sid_form = SidForm::Plain;
        self.templates = Arc::default();
        self.watched = Arc::default();
        self
    }

    /// Takes the time from `clock` instead of the system, so that a test can let sessions expire
    /// without waiting.
    ///
    /// Under [`layer`](Self::layer), everything goes by this clock. Outside of a request, and under a plain
    /// `SessionManagerLayer`, tower-sessions decides when a session expires that is saved, by the system's
    /// clock: see [testing](crate::guide::testing).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_store::DefaultStore;
    /// # let db = sea_orm::DatabaseConnection::default();
    /// use time::{Duration, OffsetDateTime};
    ///
    /// let tomorrow = DefaultStore::new(db).with_clock(|| OffsetDateTime::now_utc() + Duration::DAY);
    /// ```
    #[must_use]
    pub fn with_clock(
        mut self,
        clock: impl Fn() -> OffsetDateTime + Send + Sync + 'static,
    ) -> Self {
        self.clock = Arc::new(clock);
        self.with_own_state()
    }

    /// The statements depend on which timeouts there are, so this store must not share its templates.
    fn with_expiry(mut self, expiry: ExpiryPolicy) -> Self {
        self.expiry = expiry;
        self.templates = Arc::default();
        self.with_own_state()
    }

    /// What has expired depends on the timeouts and the clock, so this store must share neither watches nor
    /// the entries of a cache.
    fn with_own_state(mut self) -> Self {
        self.watched = Arc::default();
        #[cfg(feature = "cache")]
        {
            self = self.with_own_entries();
        }
        self
    }
}
