//! The store: what it is built on and how it is configured.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use sea_orm::DatabaseConnection;
use time::{Duration, OffsetDateTime};
use tower_sessions::session::Id;

use crate::column::utc;
use crate::extras::{ExtrasFn, ExtrasOutcome};
use crate::life::Life;
use crate::model::{ActiveModel, Column, CreatedAt, SessionModel, Timestamp};
use crate::moments::Moments;
use crate::prepared::Statements;
use crate::record::Record;
use crate::sid::SidForm;

/// The encoded size that is refused unless [`SeaOrmStore::with_max_bytes`] says otherwise: 1 MiB.
const DEFAULT_MAX_BYTES: usize = 1024 * 1024;

type Clock = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// A session store over the table of your own entity `M`, a [`SessionModel`].
///
/// The derive names it `Store` beside the entity: `session::Store::new(db)`. It is cheap to clone;
/// clones share the connection pool.
///
/// # Examples
///
/// ```
/// use session_store::DefaultStore;
/// use time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let db = sea_orm::Database::connect("sqlite::memory:").await?;
/// let store = DefaultStore::new(db).with_life(Duration::days(14));
/// store.create_table().await?;
/// assert_eq!(store.count().await?, 0);
/// # Ok(()) }
/// ```
pub struct SeaOrmStore<M: SessionModel> {
    db: DatabaseConnection,
    life: Life,
    sid_form: SidForm,
    /// What requests send, built when it is first sent.
    statements: Arc<Statements>,
    max_bytes: usize,
    extras: Option<ExtrasFn<M>>,
    clock: Clock,
    model: PhantomData<fn() -> M>,
}

impl<M: SessionModel> SeaOrmStore<M> {
    /// A store on a connection.
    ///
    /// Nothing is sent to the database yet: call [`create_table`](Self::create_table), or create
    /// the table in a migration. On a `Disconnected` connection every operation returns
    /// [`Error::Disconnected`](crate::Error::Disconnected).
    #[must_use]
    pub fn new(db: DatabaseConnection) -> Self {
        Self {
            db,
            life: Life::default(),
            sid_form: SidForm::default(),
            statements: Arc::default(),
            max_bytes: DEFAULT_MAX_BYTES,
            extras: None,
            clock: Arc::new(OffsetDateTime::now_utc),
            model: PhantomData,
        }
    }

    /// Sessions end this long after they were last *used*, not last changed: loading one moves its
    /// end to `life` from now.
    ///
    /// At most one load per [`touch_after`](Self::with_touch_after) writes. Without a life, or with
    /// one that is not positive, a session ends when tower-sessions said at its last save.
    ///
    /// <div class="warning">
    ///
    /// tower-sessions decides the end of a session that is saved: two weeks on, unless told
    /// otherwise. [`layer`](Self::layer) tells it the life; a
    /// [`SessionManagerLayer`](tower_sessions::SessionManagerLayer) of your own needs
    /// `with_expiry(Expiry::OnInactivity(life))`.
    ///
    /// </div>
    ///
    /// OWASP recommends 15 to 30 minutes for applications of low risk and 2 to 5 for those of high
    /// value ([Session Management Cheat Sheet][owasp]).
    ///
    /// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#session-expiration
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_store::DefaultStore;
    /// # let db = sea_orm::DatabaseConnection::default();
    /// let store = DefaultStore::new(db).with_life(time::Duration::minutes(30));
    /// ```
    #[must_use]
    pub fn with_life(mut self, life: Duration) -> Self {
        self.life = self.life.with_life(life);
        self
    }

    /// A session that was touched less than this ago is not touched again, so a busy visitor costs
    /// one write per `touch_after` and not one per request.
    ///
    /// A save writes the data at once. It moves the end to an earlier one at once too, and to a later
    /// one by the same rule: if it is later by this, or by half of the time that is then left. So the
    /// end of a session is at most this much earlier than a life after its last use.
    ///
    /// Zero touches on every load. Unset, it is a tenth of the life and at most an hour; it is never
    /// more than half the life, or a session could end while it is in use.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_store::DefaultStore;
    /// # use time::Duration;
    /// # let db = sea_orm::DatabaseConnection::default();
    /// let store = DefaultStore::new(db)
    ///     .with_life(Duration::days(14))
    ///     .with_touch_after(Duration::minutes(5));
    /// ```
    #[must_use]
    pub fn with_touch_after(mut self, touch_after: Duration) -> Self {
        self.life = self.life.with_touch_after(touch_after);
        self
    }

    /// Sessions end this long after they were created, however busy they are.
    ///
    /// It needs a column with `#[session(created_at)]`, and does not compile without one. From the
    /// moment it is set, it holds for the sessions that are in the table too; one whose
    /// `created_at` is NULL, so that nobody knows its age, has ended. (Their rows are pruned when
    /// their `expire` is over, as it was written. To be rid of them at once, `revoke` by
    /// `created_at`.)
    ///
    /// [`touch`](Self::touch), a save under a layer of your own, and ending a session unread ask for the
    /// age first: two round trips. A cache in front of the store does not keep the limit.
    ///
    /// Under [`layer`](Self::layer) a session keeps its age when
    /// [`cycle_id`](tower_sessions::Session::cycle_id) moves it to another id, and begins anew after
    /// [`flush`](tower_sessions::Session::flush): call that when a visitor signs in, if the time
    /// before should not count. (Under a
    /// [`SessionManagerLayer`](tower_sessions::SessionManagerLayer) of your own `cycle_id` makes a
    /// new session, and `flush` one of the id that the visitor came with: do not sign in by that.)
    ///
    /// A duration that is not positive is none. OWASP recommends 4 to 8 hours where people work
    /// through an office day ([Session Management Cheat Sheet][owasp]).
    ///
    /// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#absolute-timeout
    ///
    /// # Examples
    ///
    /// ```
    /// # mod session {
    /// #     use sea_orm::entity::prelude::*;
    /// #     use session_store::SessionModel;
    /// #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
    /// #     #[sea_orm(table_name = "session")]
    /// #     pub struct Model {
    /// #         #[sea_orm(primary_key, auto_increment = false)]
    /// #         pub sid: String,
    /// #         pub sess: Json,
    /// #         pub expire: TimeDateTimeWithTimeZone,
    /// #         #[session(created_at)]
    /// #         pub created_at: TimeDateTimeWithTimeZone,
    /// #     }
    /// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    /// #     pub enum Relation {}
    /// #     impl ActiveModelBehavior for ActiveModel {}
    /// # }
    /// # use time::Duration;
    /// # let db = sea_orm::DatabaseConnection::default();
    /// let store = session::Store::new(db)
    ///     .with_life(Duration::minutes(30))
    ///     .with_absolute_life(Duration::hours(8));
    /// ```
    #[must_use]
    pub fn with_absolute_life(mut self, absolute_life: Duration) -> Self
    where
        M: CreatedAt,
    {
        self.life = self.life.with_absolute_life(absolute_life);
        self
    }

    /// Fills columns by a function at run time, after the derived sources have filled theirs.
    ///
    /// It is called on every create and save, and may return nothing or a `Result`, whose error
    /// refuses the save with [`Error::Extras`](crate::Error::Extras). What it sets in the `sid`, `sess` or `expire`
    /// column, or one with a role, is not used.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod session {
    /// #     use sea_orm::entity::prelude::*;
    /// #     use session_store::SessionModel;
    /// #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
    /// #     #[sea_orm(table_name = "session")]
    /// #     pub struct Model {
    /// #         #[sea_orm(primary_key, auto_increment = false)]
    /// #         pub sid: String,
    /// #         pub sess: Json,
    /// #         pub expire: TimeDateTimeWithTimeZone,
    /// #         #[session(skip)]
    /// #         pub cart_size: i32,
    /// #     }
    /// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    /// #     pub enum Relation {}
    /// #     impl ActiveModelBehavior for ActiveModel {}
    /// # }
    /// # let db = sea_orm::DatabaseConnection::default();
    /// use sea_orm::ActiveValue::Set;
    ///
    /// let store = session::Store::new(db).with_extras(|record, row| {
    ///     let cart = record.data.get("cart").and_then(|cart| cart.as_array());
    ///     row.cart_size = Set(i32::try_from(cart.map_or(0, Vec::len))?);
    ///     Ok::<_, std::num::TryFromIntError>(())
    /// });
    /// ```
    #[must_use]
    pub fn with_extras<F, R>(mut self, extras: F) -> Self
    where
        F: Fn(&Record<'_>, &mut ActiveModel<M>) -> R + Send + Sync + 'static,
        R: ExtrasOutcome,
    {
        self.extras = Some(Arc::new(move |record, row| {
            extras(record, row).into_result()
        }));
        self
    }

    /// The size in bytes of the encoded data above which a save is refused with
    /// [`Error::TooLarge`](crate::Error::TooLarge). 1 MiB unless set here.
    ///
    /// Whoever can make a session grow can fill the table, so keep this as small as the
    /// application allows.
    #[must_use]
    pub fn with_max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Keeps ids as they are in the cookie, to share a table with another session store.
    ///
    /// <div class="warning">
    ///
    /// Whoever reads the table, a backup or the database's log can then sign in as anyone in it.
    /// Without this the column holds the SHA-256 of the id.
    ///
    /// </div>
    #[must_use]
    pub fn with_plain_sid(mut self) -> Self {
        self.sid_form = SidForm::Plain;
        self.statements = Arc::default();
        self
    }

    /// Takes the time from `clock` instead of the system, to let sessions expire in a test without
    /// waiting. (The end of a session that is *saved* is tower-sessions' to say, which takes it from
    /// the system's clock: see [testing](crate::guide::testing).)
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
        self
    }

    /// The connection the store was built on.
    #[must_use]
    pub fn db(&self) -> &DatabaseConnection {
        &self.db
    }

    /// What the sid column holds for an id: 64 characters of lower-case hex, the SHA-256 of the
    /// cookie's value, or the id itself [with plain sids](Self::with_plain_sid).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_store::DefaultStore;
    /// # use tower_sessions::session::Id;
    /// # let store = DefaultStore::new(sea_orm::DatabaseConnection::default());
    /// assert_eq!(store.sid(&Id::default()).len(), 64);
    /// ```
    #[must_use]
    pub fn sid(&self, id: &Id) -> String {
        self.sid_form.sid(id)
    }

    pub(crate) fn life(&self) -> Life {
        self.life
    }

    pub(crate) fn sid_form(&self) -> SidForm {
        self.sid_form
    }

    pub(crate) fn statements(&self) -> &Statements {
        &self.statements
    }

    pub(crate) fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    pub(crate) fn extras(&self) -> Option<&ExtrasFn<M>> {
        self.extras.as_ref()
    }

    pub(crate) fn expiry(&self) -> Moments<Column<M>> {
        Timestamp::<M>::of::<M::Expire>(M::columns().expire).moments(self.backend())
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        utc((self.clock)())
    }
}

impl<M: SessionModel> Clone for SeaOrmStore<M> {
    fn clone(&self) -> Self {
        Self {
            db: self.db.clone(),
            life: self.life,
            sid_form: self.sid_form,
            statements: Arc::clone(&self.statements),
            max_bytes: self.max_bytes,
            extras: self.extras.clone(),
            clock: Arc::clone(&self.clock),
            model: PhantomData,
        }
    }
}

impl<M: SessionModel> fmt::Debug for SeaOrmStore<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeaOrmStore")
            .field("db", &self.db)
            .field("life", &self.life)
            .field("sid_form", &self.sid_form)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}
