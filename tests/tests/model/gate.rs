//! Connections that send a statement only when the explorer lets them, and the clock it moves.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use time::OffsetDateTime;

use crate::explorer::Choices;

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Select,
    Insert,
    /// An update that writes data.
    Save,
    /// An update that writes none.
    Touch,
    Delete,
}

/// The time before and after the clock moves, which it may do once, at any moment.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub before: OffsetDateTime,
    pub after: OffsetDateTime,
}

/// When the clock may move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Moves {
    #[default]
    Never,
    /// While a statement is under way.
    BetweenReads,
    /// Also between two readings by one actor without a statement between them.
    Anywhen,
}

/// One actor at a time is driven; the others wait, each for the turn of its next statement.
#[derive(Debug)]
struct State {
    times: Times,
    moves: Moves,
    has_moved: bool,
    /// What each actor has last read from the clock, which may be ahead of time.
    read: Vec<OffsetDateTime>,
    driven: usize,
    /// The driven actor has read the clock.
    has_read: bool,
    /// Nothing waits: the connections are being opened.
    is_open: bool,
    /// The driven actor may send a statement.
    may_send: bool,
    /// The driven actor waits to send one.
    is_waiting: bool,
    /// What the driven actor has sent.
    sent: Option<Verb>,
    choices: Choices,
}

#[derive(Clone, Debug)]
pub struct Gate(Arc<Mutex<State>>);

impl Gate {
    pub fn new(times: Times) -> Self {
        Self(Arc::new(Mutex::new(State {
            times,
            moves: Moves::Never,
            has_moved: false,
            read: Vec::new(),
            driven: 0,
            has_read: false,
            is_open: true,
            may_send: false,
            is_waiting: false,
            sent: None,
            choices: Choices::default(),
        })))
    }

    /// A connection for one actor: a pool of one, which asks the gate whenever it gives that out.
    pub async fn connect(&self, url: &str) -> DatabaseConnection {
        let gate = self.clone();
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(1)
            .min_connections(1)
            .sqlx_logging(false)
            .map_sqlx_sqlite_opts(|sqlite| sqlite.pragma("read_uncommitted", "true"))
            .map_sqlx_sqlite_pool_opts(move |pool| {
                let gate = gate.clone();
                pool.test_before_acquire(false).before_acquire(move |_, _| {
                    let gate = gate.clone();
                    Box::pin(async move {
                        gate.turn().await;
                        Ok(true)
                    })
                })
            });
        let mut db = Database::connect(options).await.unwrap();
        let gate = self.clone();
        db.set_metric_callback(move |info| {
            assert!(!info.failed, "{}", info.statement);
            gate.state().sent = Some(verb(&info.statement.sql));
        });
        db
    }

    async fn turn(&self) {
        poll_fn(|_| {
            let mut state = self.state();
            if state.is_open || std::mem::take(&mut state.may_send) {
                return Poll::Ready(());
            }
            state.is_waiting = true;
            Poll::Pending
        })
        .await;
    }

    /// The time as the driven actor reads it.
    ///
    /// Only such a reading tells whether the clock has moved. So this is where it does; or it will
    /// have when the actor goes on, which is for the explorer to see to.
    pub fn now(&self) -> OffsetDateTime {
        let mut state = self.state();
        let State { times, driven, .. } = *state;
        let Some(read) = state.read.get(driven).copied() else {
            return times.before;
        };
        let has_read = std::mem::replace(&mut state.has_read, true);
        let may_move = match state.moves {
            Moves::Never => false,
            Moves::BetweenReads => !has_read,
            Moves::Anywhen => true,
        };
        let has_moved = state.has_moved || read == times.after;
        if has_moved || may_move && state.choices.choose(2) == 1 {
            state.read[driven] = times.after;
        }
        state.read[driven]
    }

    /// The time that the actor has last read.
    pub fn last_read(&self, actor: usize) -> OffsetDateTime {
        self.state().read[actor]
    }

    /// Before a run: the clock is back.
    pub fn begin(&self, actors: usize, moves: Moves) {
        let mut state = self.state();
        state.is_open = false;
        state.moves = moves;
        state.has_moved = false;
        state.read = vec![state.times.before; actors];
    }

    /// The latest time that an actor has read.
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

    /// Whether the actor has read a time that is still to come.
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
    }

    pub fn is_waiting(&self) -> bool {
        self.state().is_waiting
    }

    pub fn take_sent(&self) -> Option<Verb> {
        self.state().sent.take()
    }

    pub fn choose(&self, of: usize) -> usize {
        self.state().choices.choose(of)
    }

    /// The next run; false after the last one.
    pub fn next_run(&self) -> bool {
        self.state().choices.advance()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn verb(sql: &str) -> Verb {
    match sql.split(' ').next() {
        Some("SELECT") => Verb::Select,
        Some("INSERT") => Verb::Insert,
        Some("DELETE") => Verb::Delete,
        Some("UPDATE") if sql.contains(r#""sess" ="#) => Verb::Save,
        Some("UPDATE") => Verb::Touch,
        _ => panic!("an unexpected statement: {sql}"),
    }
}
