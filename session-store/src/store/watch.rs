//! Watching sessions until they end. One task of a store asks for all sessions that are watched: by interval,
//! and at once for those to which something has happened.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration as StdDuration;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Value};
use sha2::{Digest, Sha256};
use time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tower_sessions::session::Id;

use super::SeaOrmStore;
use crate::error::Result;
use crate::model::SessionModel;
use crate::telemetry::Operation;

pub(super) const DEFAULT_INTERVAL: Duration = Duration::seconds(5);

/// How long after an error the sessions are asked for again.
const PAUSE: StdDuration = StdDuration::from_secs(1);

/// The sessions that one query asks for.
const CHUNK: usize = 1000;

/// The sessions that are being watched through a store and its clones.
#[derive(Default)]
pub(super) struct Watched {
    state: Mutex<State>,
    /// Something may have happened to sessions that are due.
    wake: Notify,
}

#[derive(Default)]
struct State {
    /// By [`notice`].
    sessions: HashMap<String, WatchedSession>,
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
    /// once if it has ended before.
    ///
    /// For connections that outlive their request, such as web sockets and event streams, which no later
    /// request would end.
    ///
    /// - What this process does is noticed at once.
    /// - What other processes and other programs do is noticed within an
    ///   [interval](Self::with_watch_interval), and on PostgreSQL within milliseconds if the store
    ///   [listens](Self::listen).
    /// - That a session expires is noticed within an interval. Watching is no activity: to keep a session
    ///   alive, [touch](Self::touch) it.
    /// - While the database cannot be reached, no watch ends. The error is logged, and a second later all are
    ///   asked for again.
    ///
    /// Dropping the future ends the watch. [Watching sessions](crate::guide::watching) has a web socket.
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
                store.start_watching();
                // The task may have ended with its runtime.
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
        self.watch_interval = interval;
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
        let sid =
            |row| match columns.read::<M::Sid>(columns.sid, row, 0)?.into() {
                // A CHAR column that is longer than the sid is filled with spaces.
                Value::String(Some(sid)) => Ok(sid.trim_end_matches(' ').to_owned()),
                _ => Err(columns
                    .decode_error(columns.sid, "the type of the column holds no text".into())),
            };
        rows.iter().map(sid).collect()
    }
}

impl Watched {
    /// Something may have happened to a session.
    pub(super) fn look_at(&self, sid: &str) {
        // Without the lock, every request that ends a session would compute a hash for nobody.
        if !self.lock().sessions.is_empty() {
            self.look_at_notice(&notice(sid));
        }
    }

    pub(super) fn look_at_notice(&self, notice: &str) {
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
        let session = state.sessions.entry(notice(&sid));
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
            if !active.contains(sid) {
                state.sessions.remove(&notice(sid));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a notification says of a session: a hash of what the sid column holds, because that can be a plain
/// id, and every user of the database may listen.
fn notice(sid: &str) -> String {
    format!("{:x}", Sha256::digest(sid))
}
