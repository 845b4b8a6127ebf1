//! Watching sessions until they end. One task of a store asks for all sessions that are watched: by interval,
//! and at once for those to which something has happened.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration as StdDuration;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Value};
use time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tower_sessions::session::Id;

use super::SeaOrmStore;
use super::changes::Notice;
use crate::error::Result;
use crate::model::SessionModel;
use crate::telemetry::Operation;

/// A longer one overflows tokio's clock.
const LONGEST_INTERVAL: Duration = Duration::days(365);

pub(super) const DEFAULT_INTERVAL: Duration = Duration::seconds(5);

/// How long after an error the sessions are asked for again.
const PAUSE: StdDuration = StdDuration::from_secs(1);

/// The sessions that one query asks for.
const CHUNK: usize = 1000;

/// The sessions that are being watched through a store and its clones, which have the same timeouts and clock.
#[derive(Default)]
pub(super) struct Watched {
    state: Mutex<State>,
    /// Something may have happened to sessions that are due.
    wake: Notify,
}

#[derive(Default)]
struct State {
    sessions: HashMap<Notice, WatchedSession>,
    task: Option<AbortHandle>,
}

struct WatchedSession {
    sid: String,
    /// Dropped when the session has ended.
    ended: watch::Sender<()>,
    is_due: bool,
}

impl<M: SessionModel> SeaOrmStore<M> {
    /// Waits until a session has ended: signed out, revoked, renewed under another id, or expired. Returns at
    /// once if it has ended before, or was never saved: in the request that creates it, save it first.
    ///
    /// For connections that outlive their request, such as web sockets and event streams, which no later
    /// request would end.
    ///
    /// - What this process does through the store is noticed at once, unless the call was dropped.
    /// - What other processes and other programs do is noticed within an
    ///   [interval](Self::with_watch_interval), and on PostgreSQL within milliseconds if the store
    ///   [listens](Self::listen).
    /// - That a session expires is noticed within an interval. Watching does not keep a session alive:
    ///   [touch](Self::touch) it for that.
    /// - While the database cannot be reached, no watch ends. The error is logged, and a second later all are
    ///   asked for again.
    ///
    /// Dropping the future ends the watch. It has to be polled in a tokio runtime.
    /// [Watching](crate::guide::watching) has a web socket.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_store::{DefaultStore, Id};
    /// # async fn example(store: DefaultStore, id: Id, mut messages: tokio::sync::mpsc::Receiver<String>) {
    /// let ended = store.watch(&id);
    /// tokio::pin!(ended);
    /// loop {
    ///     tokio::select! {
    ///         () = &mut ended => break,
    ///         message = messages.recv() => println!("{message:?}"),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn watch(&self, id: &Id) -> impl Future<Output = ()> + Send + use<M> {
        let (store, id) = (self.clone(), *id);
        async move {
            let mut ended = store.watched.add(store.sid(&id));
            loop {
                // Each interval, because the task may have ended with its runtime.
                store.start_watching();
                let ended =
                    tokio::time::timeout(store.watch_interval.unsigned_abs(), ended.changed());
                // The sender is dropped when the session has ended.
                if let Ok(Err(_)) = ended.await {
                    return;
                }
            }
        }
    }

    /// Sets how often the sessions that are being [watched](Self::watch) are asked for. The default is 5
    /// seconds. It costs one query per interval and thousand sessions, and none while nothing is watched.
    ///
    /// # Panics
    ///
    /// Panics if `interval` is zero or negative.
    #[must_use]
    #[track_caller]
    pub fn with_watch_interval(mut self, interval: Duration) -> Self {
        assert!(
            interval.is_positive(),
            "the watch interval must be longer than zero"
        );
        self.watch_interval = interval.min(LONGEST_INTERVAL);
        self.watched = Arc::default();
        self
    }

    fn start_watching(&self) {
        let mut state = self.watched.lock();
        if state.task.as_ref().is_none_or(AbortHandle::is_finished) {
            let task = tokio::spawn(self.clone().watch_all());
            state.task = Some(task.abort_handle());
        }
    }

    /// Asks for the watched sessions until there are none.
    async fn watch_all(self) {
        // A task before this one may have ended without an answer.
        self.watched.look_at_all();
        let interval = self.watch_interval.unsigned_abs();
        let mut interval = tokio::time::interval_at(Instant::now() + interval, interval);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = interval.tick() => self.watched.look_at_all(),
                () = self.watched.wake.notified() => {}
            }
            let Some(due) = self.watched.take_due() else {
                return;
            };
            for sids in due.chunks(CHUNK) {
                match self.active_sids(sids).await {
                    Ok(active) => self.watched.end_all_but(sids, &active),
                    Err(error) => {
                        tracing::warn!(%error, "cannot ask whether watched sessions have ended");
                        tokio::time::sleep(PAUSE).await;
                        self.watched.look_at_all();
                        break;
                    }
                }
            }
        }
    }

    /// Returns those of the sids that are active sessions.
    async fn active_sids(&self, sids: &[String]) -> Result<HashSet<String>> {
        let columns = M::columns();
        let select = M::Entity::find()
            .select_only()
            .column(columns.sid)
            .filter(columns.sid.is_in(sids))
            .filter(self.is_active(self.now()))
            .into_query();
        let rows = self.executor.query_all(Operation::WATCH, &select).await?;
        let sid = |row| match columns.read_sid::<M::Sid>(row, 0)? {
            Value::String(Some(sid)) => Ok(sid),
            _ => Err(columns.decode_error(columns.sid, "the column holds no text".into())),
        };
        rows.iter().map(sid).collect()
    }
}

impl Watched {
    pub(super) fn has_any(&self) -> bool {
        !self.lock().sessions.is_empty()
    }

    /// Something may have happened to a session.
    pub(super) fn look_at(&self, notice: &Notice) {
        if let Some(session) = self.lock().sessions.get_mut(notice) {
            session.is_due = true;
            self.wake.notify_one();
        }
    }

    /// Something may have happened to any session.
    pub(super) fn look_at_all(&self) {
        let mut state = self.lock();
        for session in state.sessions.values_mut() {
            session.is_due = true;
        }
        if !state.sessions.is_empty() {
            self.wake.notify_one();
        }
    }

    fn add(&self, sid: String) -> watch::Receiver<()> {
        let mut state = self.lock();
        let session = state.sessions.entry(Notice::of(&sid));
        let session = session.or_insert_with(|| WatchedSession {
            sid,
            ended: watch::Sender::default(),
            is_due: true,
        });
        session.is_due = true;
        self.wake.notify_one();
        session.ended.subscribe()
    }

    /// Returns the sids of the sessions that are due, or `None` if nothing is watched: then the task ends.
    fn take_due(&self) -> Option<Vec<String>> {
        let mut state = self.lock();
        let is_watched = |session: &WatchedSession| session.ended.receiver_count() > 0;
        state.sessions.retain(|_, session| is_watched(session));
        if state.sessions.is_empty() {
            state.task = None;
            return None;
        }
        let due = state.sessions.values_mut();
        let due = due
            .filter_map(|session| std::mem::take(&mut session.is_due).then(|| session.sid.clone()));
        Some(due.collect())
    }

    fn end_all_but(&self, sids: &[String], active: &HashSet<String>) {
        let mut state = self.lock();
        for sid in sids {
            let notice = Notice::of(sid);
            // One that is due again was perhaps created after the question.
            let is_due = |session: &WatchedSession| session.is_due;
            if !active.contains(sid) && !state.sessions.get(&notice).is_some_and(is_due) {
                state.sessions.remove(&notice);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
