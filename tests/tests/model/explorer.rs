//! Runs a program of actors in every order in which their statements can reach the database.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use session_store::SessionModel;

use crate::actor::{Op, Outcome, run};
use crate::gate::{Moves, Verb};
use crate::oracle::{Oracle, Times};
use crate::world::World;

/// What runs at the same time on one session.
#[derive(Clone, Debug)]
pub struct Program {
    pub ops: Vec<Op>,
    /// A load touches the session.
    pub is_due: bool,
    /// When the clock may move to the end of the session as it was first.
    pub clock: Moves,
}

/// What exploring came to.
#[derive(Debug, Default)]
pub struct Explored {
    pub programs: usize,
    pub interleavings: usize,
    pub statements: usize,
    /// How often something happened that is allowed and worth knowing.
    pub notes: BTreeMap<&'static str, usize>,
}

/// The choices of a run, each with the number of those there were.
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
        assert_eq!(of, was_of, "a run that is repeated takes another way");
        self.next += 1;
        chosen
    }

    /// The next run, depth first; false after the last one.
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
    pub async fn explore<M: SessionModel>(&mut self, world: &World<M>, program: &Program) {
        self.programs += 1;
        loop {
            let mut run = Run::new(world, program).await;
            run.finish().await;
            self.interleavings += 1;
            self.statements += run.oracle.end(world.gate.latest());
            for note in run.oracle.notes {
                *self.notes.entry(note).or_default() += 1;
            }
            if !world.gate.next_run() {
                return;
            }
        }
    }
}

struct Run<'a, M: SessionModel> {
    world: &'a World<M>,
    /// None for one that is done.
    actors: Vec<Option<Pin<Box<dyn Future<Output = Outcome>>>>>,
    oracle: Oracle,
}

impl<'a, M: SessionModel> Run<'a, M> {
    async fn new(world: &'a World<M>, program: &Program) -> Self {
        world.reset(program.is_due).await;
        world.gate.begin(program.ops.len(), program.clock);
        let oracle = Oracle::new(program, world, world.table().await);
        let mut run = Self {
            world,
            actors: Vec::new(),
            oracle,
        };
        for (actor, op) in program.ops.iter().enumerate() {
            run.actors
                .push(Some(Box::pin(self::run(*op, actor, world.clone()))));
            run.drive(actor, false).await;
        }
        run
    }

    async fn finish(&mut self) {
        let gate = &self.world.gate;
        loop {
            let waiting = (0..self.actors.len()).filter(|actor| self.actors[*actor].is_some());
            let (ahead, ready): (Vec<_>, Vec<_>) = waiting.partition(|actor| gate.is_ahead(*actor));
            let of = ready.len() + usize::from(!ahead.is_empty());
            if of == 0 {
                return;
            }
            match ready.get(gate.choose(of)) {
                Some(actor) => self.drive(*actor, true).await,
                None => {
                    gate.move_clock();
                    self.oracle.clock_moved();
                }
            }
        }
    }

    /// Runs an actor until it waits to send a statement: a first one, or the one after this.
    async fn drive(&mut self, actor: usize, may_send: bool) {
        let gate = &self.world.gate;
        let made = gate.last_read(actor);
        let now = gate.latest();
        gate.drive(actor, may_send);
        let future = self.actors[actor].as_mut().unwrap();
        let outcome = poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending if gate.is_waiting() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await;
        let sent = gate.take_sent();
        assert_eq!(sent.is_some(), may_send, "one statement for each turn");
        if let Some(verb) = sent {
            let table = match verb {
                Verb::Select => None,
                _ => Some(self.world.table().await),
            };
            self.oracle
                .statement(actor, verb, Times { made, now }, table);
        }
        if let Some(outcome) = outcome {
            self.oracle.outcome(actor, outcome);
            self.actors[actor] = None;
        }
    }
}
