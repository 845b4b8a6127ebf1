//! Telling the application's listeners what has happened to sessions.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use tokio::sync::{OnceCell, mpsc, oneshot};
use tower_sessions::session::Id;

use super::SeaOrmStore;
use super::catch_panic::catch_panic;
use super::event::Event;
use crate::model::SessionModel;

type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The listeners of a store and its clones.
pub(super) struct Events<M> {
    listeners: Vec<Arc<Listener<M>>>,
    /// Whether the database is a MySQL that is not MariaDB, and cannot return the rows that it deletes.
    pub(super) is_mysql: Arc<OnceCell<bool>>,
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
    /// - The listener hears of what this store and its clones do: add it before you clone the store. It does
    ///   not hear of what other processes do.
    /// - The event of a session that has expired comes when its row is deleted, usually by a
    ///   [prune](crate::guide::pruning).
    /// - If the connection is lost while rows are deleted, and the statement had succeeded, no event tells of
    ///   them.
    /// - MySQL cannot return what it deletes (MariaDB can): the rows are read before. One that another process
    ///   deletes between the two statements has an event in both.
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

    /// Tells that a session has a new id. The session with the id before has ended.
    pub(crate) fn tell_renewed(&self, from: &Id, to: &Id) {
        drop(self.ending(from));
        if let Some(events) = &self.events {
            let (from, to) = (self.sid(from), self.sid(to));
            events.tell(&Event::Renewed { from, to });
        }
    }
}

impl<M: SessionModel> Events<M> {
    pub(super) fn tell(&self, event: &Event<M>) {
        for listener in &self.listeners {
            listener.send(Message::Event(event.clone()));
        }
    }
}
