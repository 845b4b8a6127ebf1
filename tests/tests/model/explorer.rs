//! Runs a program of actors in every order in which their statements can reach the database.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use session_store::SessionModel;

use super::actor::{Op, Outcome, run};
use super::fixture::Fixture;
use super::oracle::{Oracle, StatementTimes};
use super::scheduler::{ClockMoves, StatementKind};

/// What runs at the same time on one session.
#[derive(Clone, Debug)]
pub struct Program {
    pub ops: Vec<Op>,
    /// A load has to touch the session.
    pub is_due: bool,
    /// When the clock may move to the first expiry of the session.
    pub clock: ClockMoves,
}

/// What was explored.
#[derive(Debug, Default)]
pub struct Explored {
    pub programs: usize,
    pub interleavings: usize,
    pub statements: usize,
    /// The counts of allowed events that are worth knowing.
    pub notes: BTreeMap<&'static str, usize>,
}

/// The choices of a run, each with the number of options.
#[derive(Debug, Default)]
pub struct Choices {
    path: Vec<(usize, usize)>,
    next: usize,
}

impl Choices {
    pub fn choose(&mut self, of: usize) -> usize {
        if self.next == self.path.len() {
            self.path.push((0, of));
        }
        let (chosen, was_of) = self.path[self.next];
        assert_eq!(of, was_of, "the repeated run differs");
        self.next += 1;
        chosen
    }

    /// Moves to the next run, depth first. Returns false after the last one.
    pub fn advance(&mut self) -> bool {
        self.next = 0;
        while let Some((chosen, of)) = self.path.pop() {
            if chosen + 1 < of {
                self.path.push((chosen + 1, of));
                return true;
            }
        }
        false
    }
}

impl Explored {
    pub async fn explore<M: SessionModel>(&mut self, fixture: &Fixture<M>, program: &Program) {
        self.programs += 1;
        loop {
            let mut run = Run::new(fixture, program).await;
            run.finish().await;
            self.interleavings += 1;
            self.statements += run.oracle.end(fixture.scheduler.latest());
            for note in run.oracle.notes {
                *self.notes.entry(note).or_default() += 1;
            }
            if !fixture.scheduler.next_run() {
                return;
            }
        }
    }
}

struct Run<'a, M: SessionModel> {
    fixture: &'a Fixture<M>,
    /// `None` for actors that are done.
    actors: Vec<Option<Pin<Box<dyn Future<Output = Outcome>>>>>,
    oracle: Oracle,
}

impl<'a, M: SessionModel> Run<'a, M> {
    async fn new(fixture: &'a Fixture<M>, program: &Program) -> Self {
        fixture.reset(program.is_due).await;
        let stores = fixture.stores(program.is_due).await;
        fixture.scheduler.begin(program.ops.len(), program.clock);
        let oracle = Oracle::new(program, fixture, fixture.table().await);
        let mut run = Self {
            fixture,
            actors: Vec::new(),
            oracle,
        };
        for (actor, op) in program.ops.iter().enumerate() {
            run.actors.push(Some(Box::pin(self::run(
                *op,
                actor,
                fixture.clone(),
                stores[actor].clone(),
            ))));
            run.drive(actor, false).await;
        }
        run
    }

    async fn finish(&mut self) {
        let scheduler = &self.fixture.scheduler;
        loop {
            let waiting = (0..self.actors.len()).filter(|actor| self.actors[*actor].is_some());
            let (ahead, ready): (Vec<_>, Vec<_>) =
                waiting.partition(|actor| scheduler.is_ahead(*actor));
            let of = ready.len() + usize::from(!ahead.is_empty());
            if of == 0 {
                return;
            }
            match ready.get(scheduler.choose(of)) {
                Some(actor) => self.drive(*actor, true).await,
                None => {
                    scheduler.move_clock();
                    self.oracle.clock_moved();
                }
            }
        }
    }

    /// Runs an actor until it waits to send its next statement.
    async fn drive(&mut self, actor: usize, may_send: bool) {
        let scheduler = &self.fixture.scheduler;
        let times = StatementTimes {
            created: scheduler.last_read(actor),
            sent: scheduler.latest(),
        };
        scheduler.drive(actor, may_send);
        let future = self.actors[actor].as_mut().unwrap();
        let outcome = poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending if scheduler.is_waiting(cx.waker()) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await;
        let sent = scheduler.take_sent();
        assert_eq!(
            sent.is_some(),
            may_send,
            "expected one statement in each turn"
        );
        if let Some(kind) = sent {
            let table = match kind {
                StatementKind::Begin | StatementKind::Select => None,
                _ => Some(self.fixture.table().await),
            };
            self.oracle.statement(actor, kind, times, table);
        }
        if let Some(outcome) = outcome {
            self.oracle.outcome(actor, outcome);
            self.actors[actor] = None;
        }
    }
}
