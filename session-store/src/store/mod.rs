//! The store: a session table, and what happens to the sessions in it.

#[cfg(feature = "cache")]
mod cache;
mod catch_panic;
mod changes;
mod configuration;
mod end;
mod event;
mod expiry;
mod health;
mod index;
#[cfg(feature = "listen")]
mod listen;
mod listeners;
mod load;
mod notify_trigger;
mod predicate;
mod prune;
mod query;
mod revoke;
mod row;
mod schema;
mod task;
mod touch;
mod watch;
mod write;

use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use sea_orm::{ActiveModelTrait, ActiveValue, DatabaseConnection, EntityName, Iterable, Value};
use time::{Duration, OffsetDateTime};
use tower_sessions::session::Id;

#[cfg(feature = "cache")]
use self::cache::{Editions, SessionCache};
use self::configuration::{Clock, DEFAULT_MAX_BYTES, ExtrasFn};
pub use self::event::{EndReason, Event};
use self::expiry::ExpiryPolicy;
#[cfg(feature = "listen")]
pub use self::listen::ListenTask;
use self::listeners::Events;
pub(crate) use self::load::LoadedSession;
pub use self::prune::{PruneBatches, PruneTask, Pruner};
use self::watch::Watched;
use crate::model::{ActiveModel, Column, SessionModel, SessionRef, SidForm};
use crate::sql::{Executor, Template, utc};
use crate::telemetry::Target;

/// A session store over the table of the entity whose model is `M`, a [`SessionModel`].
///
/// The derive names it `Store`, next to the entity: `session::Store::new(db)`. It is cheap to clone.
/// Clones share the connection pool.
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
/// let store = DefaultStore::new(db).with_idle_timeout(Duration::days(14));
/// store.create_table().await?;
/// assert_eq!(store.count().await?, 0);
/// # Ok(()) }
/// ```
pub struct SeaOrmStore<M: SessionModel> {
    executor: Executor,
    expiry: ExpiryPolicy,
    sid_form: SidForm,
    max_bytes: usize,
    extras: Option<ExtrasFn<M>>,
    /// The columns that come from the request, in the store of a request.
    of_request: Option<Arc<ColumnValues<M>>>,
    /// `None` without a listener.
    events: Option<Arc<Events<M>>>,
    #[cfg(feature = "cache")]
    cache: Option<Arc<SessionCache>>,
    #[cfg(feature = "cache")]
    editions: Arc<Editions>,
    watched: Arc<Watched>,
    watch_interval: Duration,
    has_notify_trigger: bool,
    clock: Clock,
    templates: Arc<Templates>,
}

type ColumnValues<M> = [(Column<M>, Value)];

/// The statements that requests send.
#[derive(Default)]
struct Templates {
    select: Template,
    insert: Template,
    update: Template,
    update_version: Template,
    renew: Template,
    renew_version: Template,
    touch: Template,
    touch_last_seen: Template,
    delete: Template,
}

impl<M: SessionModel> SeaOrmStore<M> {
    /// Creates a store on a connection.
    ///
    /// This sends nothing to the database: call [`create_table`](Self::create_table), or create the
    /// table in a migration. On a `Disconnected` connection, every operation returns
    /// [`Error::Disconnected`](crate::Error::Disconnected).
    #[must_use]
    pub fn new(db: DatabaseConnection) -> Self {
        Self {
            executor: Executor::new(
                db,
                M::Entity::default().table_name(),
                schema::key_names::<M>,
            ),
            expiry: ExpiryPolicy::default(),
            sid_form: SidForm::default(),
            max_bytes: DEFAULT_MAX_BYTES,
            extras: None,
            of_request: None,
            events: None,
            #[cfg(feature = "cache")]
            cache: None,
            #[cfg(feature = "cache")]
            editions: Arc::default(),
            watched: Arc::default(),
            watch_interval: watch::DEFAULT_INTERVAL,
            has_notify_trigger: false,
            clock: Arc::new(OffsetDateTime::now_utc),
            templates: Arc::default(),
        }
    }

    /// Returns the connection that the store was created on.
    #[must_use]
    pub fn db(&self) -> &DatabaseConnection {
        self.executor.db()
    }

    /// Returns what the sid column holds for an id: the SHA-256 of the cookie's value, as 64 characters
    /// of lower-case hex, or the id itself [with plain sids](Self::with_plain_sid).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_store::DefaultStore;
    /// # let store = DefaultStore::new(sea_orm::DatabaseConnection::default());
    /// use session_store::Id;
    ///
    /// assert_eq!(store.sid(&Id::default()).len(), 64);
    /// ```
    #[must_use]
    pub fn sid(&self, id: &Id) -> String {
        self.sid_form.sid(id)
    }

    pub(crate) fn expiry(&self) -> ExpiryPolicy {
        self.expiry
    }

    /// Returns when a session expires that is saved at `now`.
    pub(crate) fn expires_at(
        &self,
        session: &SessionRef<'_>,
        created_at: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> OffsetDateTime {
        let began = session.authenticated_at().or(created_at);
        self.expiry.of(session.expiry, began).expires_at(now)
    }

    /// Returns the store of one request: what it writes has the columns that come from the request.
    pub(crate) fn for_request(mut self, request: &Parts) -> Self {
        let mut row = <ActiveModel<M> as ActiveModelTrait>::default();
        M::fill_from_request(request, &mut row);
        let columns = Column::<M>::iter().filter_map(|column| match row.get(column) {
            ActiveValue::Set(value) => Some((column, value)),
            _ => None,
        });
        self.of_request = Some(columns.collect());
        self
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        utc((self.clock)())
    }

    pub(crate) fn target(&self) -> Target {
        self.executor.target()
    }
}

impl<M: SessionModel> Clone for SeaOrmStore<M> {
    fn clone(&self) -> Self {
        Self {
            executor: self.executor.clone(),
            expiry: self.expiry,
            sid_form: self.sid_form,
            max_bytes: self.max_bytes,
            extras: self.extras.clone(),
            of_request: self.of_request.clone(),
            events: self.events.clone(),
            #[cfg(feature = "cache")]
            cache: self.cache.clone(),
            #[cfg(feature = "cache")]
            editions: Arc::clone(&self.editions),
            watched: Arc::clone(&self.watched),
            watch_interval: self.watch_interval,
            has_notify_trigger: self.has_notify_trigger,
            clock: Arc::clone(&self.clock),
            templates: Arc::clone(&self.templates),
        }
    }
}

impl<M: SessionModel> fmt::Debug for SeaOrmStore<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeaOrmStore")
            .field("db", self.db())
            .field("expiry", &self.expiry)
            .field("sid_form", &self.sid_form)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}
