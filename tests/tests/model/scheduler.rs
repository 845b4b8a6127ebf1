//! Connections that send a statement only when the explorer allows it, and a clock that it moves.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use time::OffsetDateTime;

use super::explorer::Choices;

/// The kind of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementKind {
    /// None: a request begins, which may read from a cache.
    Begin,
    Select,
    Insert,
    /// An update that writes data.
    Save,
    /// An update that writes data and a new id.
    Renew,
    /// An update that writes no data.
    Touch,
    Delete,
}

/// The times before and after the one move of the clock.
#[derive(Clone, Copy, Debug)]
pub struct ClockTimes {
    pub before: OffsetDateTime,
    pub after: OffsetDateTime,
}

/// When the clock may move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockMoves {
    #[default]
    Never,
    /// While a statement is sent.
    BetweenReads,
    /// Also between two reads of the clock by one actor without a statement between them.
    Anytime,
}

/// One actor runs at a time. The others wait for the turn of their next statement.
#[derive(Debug)]
struct State {
    times: ClockTimes,
    moves: ClockMoves,
    has_moved: bool,
    /// The time that each actor has last read. The clock of the run may be behind it.
    read: Vec<OffsetDateTime>,
    driven: usize,
    /// The driven actor has read the clock in this turn.
    has_read: bool,
    /// The time while a run is being prepared. No statement waits then.
    preparing: Option<OffsetDateTime>,
    /// The driven actor may send a statement.
    may_send: bool,
    /// The driven actor waits to send one.
    is_waiting: bool,
    /// A load through a cache runs in a task, which has to be woken, and to wake the explorer.
    wakers: Vec<Option<Waker>>,
    explorer: Option<Waker>,
    /// The statement that the driven actor has sent.
    sent: Option<StatementKind>,
    choices: Choices,
}

#[derive(Clone, Debug)]
pub struct Scheduler(Arc<Mutex<State>>);

impl Scheduler {
    pub fn new(times: ClockTimes) -> Self {
        Self(Arc::new(Mutex::new(State {
            times,
            moves: ClockMoves::Never,
            has_moved: false,
            read: Vec::new(),
            driven: 0,
            has_read: false,
            preparing: Some(times.before),
            may_send: false,
            is_waiting: false,
            wakers: Vec::new(),
            explorer: None,
            sent: None,
            choices: Choices::default(),
        })))
    }

    /// Opens a pool with one connection for one actor. Taking the connection waits for the turn.
    pub async fn connect(&self, actor: usize, url: &str) -> DatabaseConnection {
        let scheduler = self.clone();
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(1)
            .min_connections(1)
            // Another connection would be another actor's turn. Long runs outlast the default.
            .max_lifetime(None)
            .idle_timeout(None)
            .sqlx_logging(false)
            .map_sqlx_sqlite_opts(|sqlite| sqlite.pragma("read_uncommitted", "true"))
            .map_sqlx_sqlite_pool_opts(move |pool| {
                let scheduler = scheduler.clone();
                pool.test_before_acquire(false).before_acquire(move |_, _| {
                    let scheduler = scheduler.clone();
                    Box::pin(async move {
                        scheduler.wait_for_turn(actor).await;
                        Ok(true)
                    })
                })
            });
        let mut db = Database::connect(options).await.unwrap();
        let scheduler = self.clone();
        db.set_metric_callback(move |info| {
            assert!(!info.failed, "{}", info.statement);
            scheduler.state().sent = Some(statement_kind(&info.statement.sql));
        });
        db
    }

    /// Takes a turn without a statement.
    pub async fn begin_request(&self, actor: usize) {
        self.wait_for_turn(actor).await;
        self.state().sent = Some(StatementKind::Begin);
    }

    async fn wait_for_turn(&self, actor: usize) {
        poll_fn(|cx| {
            let mut state = self.state();
            if state.preparing.is_some()
                || state.driven == actor && std::mem::take(&mut state.may_send)
            {
                return Poll::Ready(());
            }
            state.wakers[actor] = Some(cx.waker().clone());
            if state.driven == actor {
                state.is_waiting = true;
                if let Some(explorer) = state.explorer.take() {
                    explorer.wake();
                }
            }
            Poll::Pending
        })
        .await;
    }

    /// Returns the time that the driven actor reads.
    ///
    /// Only a read shows whether the clock has moved, so the choice is made here. If the actor reads
    /// the later time, the explorer moves the clock before the actor continues.
    pub fn now(&self) -> OffsetDateTime {
        let mut state = self.state();
        let State { times, driven, .. } = *state;
        if let Some(now) = state.preparing {
            return now;
        }
        let read = state.read[driven];
        let has_read = std::mem::replace(&mut state.has_read, true);
        let may_move = match state.moves {
            ClockMoves::Never => false,
            ClockMoves::BetweenReads => !has_read,
            ClockMoves::Anytime => true,
        };
        let has_moved = state.has_moved || read == times.after;
        if has_moved || may_move && state.choices.choose(2) == 1 {
            state.read[driven] = times.after;
        }
        state.read[driven]
    }

    /// Returns the time that the actor has last read.
    pub fn last_read(&self, actor: usize) -> OffsetDateTime {
        self.state().read[actor]
    }

    /// Lets all statements through, at this time, until the run starts.
    pub fn prepare(&self, now: OffsetDateTime) {
        self.state().preparing = Some(now);
    }

    /// Starts a run and sets the clock back.
    pub fn begin(&self, actors: usize, moves: ClockMoves) {
        let mut state = self.state();
        state.preparing = None;
        state.sent = None;
        state.wakers = vec![None; actors];
        state.moves = moves;
        state.has_moved = false;
        state.read = vec![state.times.before; actors];
    }

    /// Returns the latest time that an actor has read.
    pub fn latest(&self) -> OffsetDateTime {
        let state = self.state();
        state
            .read
            .iter()
            .copied()
            .max()
            .unwrap_or(state.times.before)
    }

    pub fn move_clock(&self) {
        self.state().has_moved = true;
    }

    /// Returns whether the actor has read a time that the clock has not reached.
    pub fn is_ahead(&self, actor: usize) -> bool {
        let state = self.state();
        !state.has_moved && state.read[actor] == state.times.after
    }

    pub fn drive(&self, actor: usize, may_send: bool) {
        let mut state = self.state();
        state.driven = actor;
        state.has_read = false;
        state.may_send = may_send;
        state.is_waiting = false;
        if let Some(waker) = state.wakers[actor].take() {
            waker.wake();
        }
    }

    /// Returns whether the driven actor waits for its next turn. Otherwise wakes the explorer when it does.
    pub fn is_waiting(&self, explorer: &Waker) -> bool {
        let mut state = self.state();
        state.explorer = Some(explorer.clone());
        state.is_waiting
    }

    pub fn take_sent(&self) -> Option<StatementKind> {
        self.state().sent.take()
    }

    pub fn choose(&self, of: usize) -> usize {
        self.state().choices.choose(of)
    }

    /// Moves to the next run. Returns false after the last one.
    pub fn next_run(&self) -> bool {
        self.state().choices.advance()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn statement_kind(sql: &str) -> StatementKind {
    match sql.split(' ').next() {
        Some("SELECT") => StatementKind::Select,
        Some("INSERT") => StatementKind::Insert,
        Some("DELETE") => StatementKind::Delete,
        Some("UPDATE") if sql.contains(r#"SET "sid" ="#) => StatementKind::Renew,
        Some("UPDATE") if sql.contains(r#""sess" ="#) => StatementKind::Save,
        Some("UPDATE") => StatementKind::Touch,
        _ => panic!("unexpected statement: {sql}"),
    }
}
