//! Events: what has happened to sessions, for listeners of the application.

use std::fmt;
use std::future::pending;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    Condition, DbBackend, EntityTrait, IdenStatic, Iterable, QueryFilter, QueryResult, QueryTrait,
};
use tokio::sync::{OnceCell, mpsc, oneshot};
use tower_sessions::session::Id;
use tracing::Instrument;

use super::SeaOrmStore;
use super::catch_panic::catch_panic;
use crate::error::Result;
use crate::model::{Column, SessionModel, Timestamp};
use crate::sql::DeleteReturning;
use crate::telemetry::Operation;

/// What has happened to a session, for a listener of [`on_event`](crate::SeaOrmStore::on_event).
///
/// Sessions are named by what the [sid column](crate::SeaOrmStore::sid) holds, which nobody can sign in with
/// (unless the sids are [plain](crate::SeaOrmStore::with_plain_sid)).
#[derive(Clone)]
#[non_exhaustive]
pub enum Event<M> {
    /// A session was created.
    Created {
        /// Its sid.
        sid: String,
    },
    /// A session has a new id, as after `Session::cycle_id`.
    Renewed {
        /// Its sid before.
        from: String,
        /// Its sid from now on.
        to: String,
    },
    /// A session has ended, and its row was deleted.
    Ended {
        /// Its sid.
        sid: String,
        /// Why it has ended.
        reason: EndReason,
        /// The row that was deleted. `None` if it could not be read as the model.
        row: Option<M>,
    },
}

/// Why a session has ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum EndReason {
    /// The visitor has signed out: `Session::flush` or `Session::delete`.
    SignedOut,
    /// It was revoked: [`revoke`](crate::SeaOrmStore::revoke),
    /// [`revoke_others`](crate::SeaOrmStore::revoke_others) or
    /// [`delete_all`](crate::SeaOrmStore::delete_all).
    Revoked,
    /// A newer session of the same user has taken its place:
    /// [`revoke_all_but_newest`](crate::SeaOrmStore::revoke_all_but_newest).
    Replaced,
    /// It had expired before its row was deleted, whoever has deleted it.
    Expired,
    /// Its row could not be read as the model, whoever has deleted it.
    Damaged,
}

impl EndReason {
    /// Returns the name of the reason: `signed out`, `revoked`, `replaced`, `expired` or `damaged`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed out",
            Self::Revoked => "revoked",
            Self::Replaced => "replaced",
            Self::Expired => "expired",
            Self::Damaged => "damaged",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<M> fmt::Debug for Event<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither a sid, which can be a plain id, nor the row, which has the session's data.
        match self {
            Self::Created { .. } => f.debug_struct("Created").finish_non_exhaustive(),
            Self::Renewed { .. } => f.debug_struct("Renewed").finish_non_exhaustive(),
            Self::Ended { reason, .. } => f
                .debug_struct("Ended")
                .field("reason", reason)
                .finish_non_exhaustive(),
        }
    }
}

type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The listeners of a store and its clones.
pub(super) struct Events<M> {
    listeners: Vec<Arc<Listener<M>>>,
    /// Whether the database is a MySQL that is not MariaDB, and cannot return the rows that it deletes.
    is_mysql: Arc<OnceCell<bool>>,
}

struct Listener<M> {
    handle: Arc<dyn Fn(Event<M>) -> BoxFuture + Send + Sync>,
    /// Opened by the first event, because a store may be created outside a runtime.
    queue: OnceLock<mpsc::UnboundedSender<Message<M>>>,
}

enum Message<M> {
    Event(Event<M>),
    /// Answered when the listener has handled every event before it.
    Flush(oneshot::Sender<()>),
}

impl<M: SessionModel> Listener<M> {
    fn send(&self, message: Message<M>) {
        let queue = self.queue.get_or_init(|| {
            let (queue, messages) = mpsc::unbounded_channel();
            tokio::spawn(deliver(Arc::clone(&self.handle), messages));
            queue
        });
        // Fails if the runtime has ended meanwhile.
        let _ = queue.send(message);
    }
}

/// Calls a listener, one event after the other, until the store and its clones are dropped.
async fn deliver<M>(
    handle: Arc<dyn Fn(Event<M>) -> BoxFuture + Send + Sync>,
    mut messages: mpsc::UnboundedReceiver<Message<M>>,
) {
    while let Some(message) = messages.recv().await {
        match message {
            Message::Event(event) => {
                if catch_panic(async { handle(event).await }).await.is_err() {
                    tracing::error!("a listener of session events panicked; it gets the next one");
                }
            }
            Message::Flush(flushed) => {
                let _ = flushed.send(());
            }
        }
    }
}

impl<M: SessionModel> SeaOrmStore<M> {
    /// Adds a listener for what happens to sessions: created, renewed, or ended with the reason and the row.
    ///
    /// The listener is called in a task of its own, one event after the other in the order in which they have
    /// happened in this process, after the statement has succeeded. So a listener that is slow or panics
    /// delays no request and no other listener. A panic is logged. Events wait in memory, without a limit.
    ///
    /// - Only what this store and its clones do is told. Add the listener before you clone the store. Of
    ///   several processes, the one that has deleted a row tells of it.
    /// - A session that has expired is told of when its row is deleted, usually by a
    ///   [prune](crate::guide::pruning).
    /// - If the connection is lost while rows are deleted, and the statement had succeeded, no event tells of
    ///   them.
    /// - MySQL cannot return what it deletes (MariaDB can): the rows are read before. One that another process
    ///   deletes between the two statements is told of by both.
    ///
    /// Before the program ends, wait for [`events_delivered`](Self::events_delivered).
    ///
    /// # Examples
    ///
    /// ```
    /// # mod session { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/session.rs")); }
    /// # let db = sea_orm::DatabaseConnection::default();
    /// use session_store::Event;
    ///
    /// let store = session::Store::new(db).on_event(async |event| {
    ///     if let Event::Ended { reason, row: Some(row), .. } = event {
    ///         println!("a session of user {:?} has ended: {reason}", row.user_id);
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn on_event<F, R>(mut self, listener: F) -> Self
    where
        F: Fn(Event<M>) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = Listener {
            handle: Arc::new(move |event| Box::pin(listener(event))),
            queue: OnceLock::new(),
        };
        let before = self.events.as_deref();
        let mut listeners = before.map_or_else(Vec::new, |events| events.listeners.clone());
        listeners.push(Arc::new(listener));
        self.events = Some(Arc::new(Events {
            listeners,
            is_mysql: before.map_or_else(Arc::default, |events| Arc::clone(&events.is_mysql)),
        }));
        self
    }

    /// Waits until the listeners have handled every event so far. Call it before the program ends, after the
    /// server has stopped.
    pub async fn events_delivered(&self) {
        let Some(events) = &self.events else {
            return;
        };
        let flushes = events.listeners.iter().map(|listener| {
            let (flushed, is_flushed) = oneshot::channel();
            listener.send(Message::Flush(flushed));
            is_flushed
        });
        for is_flushed in flushes.collect::<Vec<_>>() {
            // Fails if the listener's task has ended with its runtime.
            let _ = is_flushed.await;
        }
    }

    /// Tells that a session was created.
    pub(super) fn tell_created(&self, id: &Id) {
        if let Some(events) = &self.events {
            events.tell(&Event::Created { sid: self.sid(id) });
        }
    }

    /// Tells that a session has a new id.
    pub(crate) fn tell_renewed(&self, from: &Id, to: &Id) {
        if let Some(events) = &self.events {
            let (from, to) = (self.sid(from), self.sid(to));
            events.tell(&Event::Renewed { from, to });
        }
    }

    /// Deletes the rows that match a condition, and tells which. Returns their number.
    pub(super) async fn end(
        &self,
        operation: Operation,
        condition: Condition,
        reason: EndReason,
    ) -> Result<u64> {
        let Some(events) = self.events.clone() else {
            let delete = M::Entity::delete_many().filter(condition).into_query();
            return self.executor.execute(operation, &delete).await;
        };
        // In a task of its own: a caller that is dropped does not know whether the rows were deleted.
        let store = self.clone();
        let task = async move {
            store
                .end_and_tell(&events, operation, condition, reason)
                .await
        };
        match tokio::spawn(task.in_current_span()).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime has ended, and with it this caller.
                Err(_) => pending().await,
            },
        }
    }

    async fn end_and_tell(
        &self,
        events: &Events<M>,
        operation: Operation,
        condition: Condition,
        reason: EndReason,
    ) -> Result<u64> {
        let delete = M::Entity::delete_many().filter(condition.clone());
        let delete = delete.into_query();
        let rows = self.readable(M::Entity::find());
        let (rows, deleted) = if self.is_mysql(events).await? {
            let select = rows.filter(condition).into_query();
            let rows = self.executor.query_all(operation, &select).await?;
            (rows, self.executor.execute(operation, &delete).await?)
        } else {
            let delete = DeleteReturning::new(delete, rows.into_query());
            let rows = self.executor.query_all(operation, &delete).await?;
            let deleted = rows.len() as u64;
            (rows, deleted)
        };
        for row in &rows {
            events.tell(&self.ended(row, reason));
        }
        Ok(deleted)
    }

    /// Returns the event of a row that was deleted.
    fn ended(&self, row: &QueryResult, reason: EndReason) -> Event<M> {
        let sid = row.try_get("", M::columns().sid.as_str());
        let model = M::from_query_result(row, "").ok();
        let reason = match &model {
            None => EndReason::Damaged,
            Some(_) if self.has_expired(row) => EndReason::Expired,
            Some(_) => reason,
        };
        Event::Ended {
            sid: sid.unwrap_or_default(),
            reason,
            row: model,
        }
    }

    fn has_expired(&self, row: &QueryResult) -> bool {
        let columns = M::columns();
        let index = |column: Column<M>| {
            Column::<M>::iter().position(|other| other.as_str() == column.as_str())
        };
        let read = |timestamp: Timestamp<Column<M>>| {
            let index = index(timestamp.column)?;
            columns.read_timestamp(timestamp, row, index).ok()?
        };
        let created_at = columns.created_at.and_then(read);
        let expire = read(columns.expire);
        expire.is_some_and(|expire| self.expiry.of(None, created_at).limit(expire) <= self.now())
    }

    /// Returns whether the database cannot return the rows that it deletes.
    async fn is_mysql(&self, events: &Events<M>) -> Result<bool> {
        if self.executor.backend() != DbBackend::MySql {
            return Ok(false);
        }
        let is_mysql = events.is_mysql.get_or_try_init(async || {
            let version = Query::select().expr(Expr::cust("VERSION()")).take();
            let row = self
                .executor
                .query_one(Operation::VERSION, &version)
                .await?;
            let version = row.and_then(|row| row.try_get_by_index::<String>(0).ok());
            Ok(!version.is_some_and(|version| version.contains("MariaDB")))
        });
        is_mysql.await.copied()
    }
}

impl<M: SessionModel> Events<M> {
    fn tell(&self, event: &Event<M>) {
        for listener in &self.listeners {
            listener.send(Message::Event(event.clone()));
        }
    }
}
