//! What has to hold after every statement, every answer and at the end, whatever the order.

use std::collections::BTreeSet;
use std::fmt::Write;

use session_store::SessionModel;
use time::OffsetDateTime;

use crate::actor::{Op, Outcome};
use crate::explorer::Program;
use crate::gate::{Moves, Verb};
use crate::table::{Changes, Data, Row, Table};
use crate::world::{Door, ORIGIN, World};

/// Follows one run and panics, with what happened in it, where a promise is broken.
#[derive(Debug)]
pub struct Oracle {
    program: Program,
    door: Door,
    is_merging: bool,
    /// The sid that the visitor's cookie stands for.
    sid: String,
    /// It and those that the session has got by `cycle_id`.
    sids: BTreeSet<String>,
    /// The session was deleted, and not in order to go on under another id.
    is_ended: bool,
    /// A statement that was under way when the session ended came after its end.
    was_late: bool,
    table: Table,
    actors: Vec<Actor>,
    trace: String,
    statements: usize,
    /// What is allowed and worth knowing.
    pub notes: BTreeSet<&'static str>,
}

/// When a statement was made and, to anyone's knowledge, when it was sent.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub made: OffsetDateTime,
    pub now: OffsetDateTime,
}

#[derive(Clone, Debug, Default)]
struct Actor {
    /// The row when the actor first read it, if it has.
    seen: Option<Option<Row>>,
    /// The data as the actor has loaded or last saved it.
    mine: Option<Data>,
    /// The data of the row that the actor's `cycle_id` deleted.
    moved: Option<Data>,
    /// How often the actor wrote data.
    saves: usize,
    /// It has begun another session.
    is_elsewhere: bool,
    is_acknowledged: bool,
}

impl Oracle {
    pub fn new<M: SessionModel>(program: &Program, world: &World<M>, table: Table) -> Self {
        let sid = world.stores[0].sid(&world.id);
        Self {
            program: program.clone(),
            door: world.door,
            is_merging: world.is_merging(),
            sids: BTreeSet::from([sid.clone()]),
            sid,
            is_ended: false,
            was_late: false,
            table,
            actors: vec![Actor::default(); program.ops.len()],
            trace: String::new(),
            statements: 0,
            notes: BTreeSet::new(),
        }
    }

    pub fn clock_moved(&mut self) {
        self.trace
            .push_str("  the clock moves to the first end of the session\n");
    }

    /// A statement of an actor has left the table like this, unless it has only read.
    pub fn statement(&mut self, actor: usize, verb: Verb, times: Times, table: Option<Table>) {
        let table = table.unwrap_or_else(|| self.table.clone());
        let before = std::mem::replace(&mut self.table, table);
        let changes = Changes::between(&before, &self.table);
        let op = self.program.ops[actor];
        self.statements += 1;
        let _ = writeln!(self.trace, "  {actor} {op:?}: {verb:?} {changes}");

        let allowed = match verb {
            Verb::Select => [0, 0, 0],
            Verb::Insert => [1, 0, 0],
            Verb::Touch | Verb::Save => [0, 1, 0],
            Verb::Delete => [0, 0, usize::MAX],
        };
        let is_allowed = changes
            .counts()
            .iter()
            .zip(allowed)
            .all(|(count, most)| *count <= most);
        self.check(is_allowed, "a statement changes what it is for");
        for (old, new) in &changes.updated {
            // By the clock of the request: what was under way when a session ended may come late.
            self.was_late |= old.expire <= times.now;
            self.check(old.expire > times.made, "an expired session stays expired");
            if verb == Verb::Touch {
                self.check(
                    new.data == old.data && new.version == old.version,
                    "a touch writes no data",
                );
                self.check(new.expire > old.expire, "a touch never shortens");
            }
        }
        match verb {
            Verb::Select => self.selected(actor),
            Verb::Touch => {}
            Verb::Save => {
                if let Some((old, new)) = changes.updated.first() {
                    self.saved(actor, old, new);
                }
            }
            Verb::Insert => {
                if let Some((sid, new)) = changes.inserted.first() {
                    self.inserted(actor, sid, new);
                }
            }
            Verb::Delete => {
                for (sid, old) in &changes.deleted {
                    let may_go = op != Op::Prune || old.expire <= times.made;
                    self.check(may_go, "prune never deletes a live session");
                    self.deleted(actor, sid, old, times.made);
                }
            }
        }
        self.check_ended();
    }

    fn selected(&mut self, actor: usize) {
        let row = self.table.get(&self.sid).cloned();
        let op = self.program.ops[actor];
        let actor = &mut self.actors[actor];
        if op.is_request() && actor.seen.is_none() {
            actor.mine = row.as_ref().map(|row| row.data.clone());
            actor.seen = Some(row);
        }
    }

    fn saved(&mut self, actor: usize, old: &Row, new: &Row) {
        let op = self.program.ops[actor];
        let Actor { mine, saves, .. } = &self.actors[actor];
        let base = match mine {
            Some(mine) if !self.is_merging => mine,
            _ => &old.data,
        };
        self.check(
            new.data == op.change(actor, *saves, base),
            "a save is the request's changes over what it should keep",
        );
        let next = old.version.map(|version| version + 1);
        self.check(new.version == next, "a version counts the saves");
        self.wrote(actor, new);
    }

    fn inserted(&mut self, actor: usize, sid: &str, new: &Row) {
        self.check(
            !self.sids.contains(sid),
            "no id that a visitor has brought becomes another session's",
        );
        let op = self.program.ops[actor];
        let Actor {
            mine, moved, saves, ..
        } = &self.actors[actor];
        let changed = |data: &Data| new.data == op.change(actor, *saves, data);
        let is_new = changed(&Data::new());
        let goes_on = match (moved, mine) {
            (Some(moved), _) if self.is_merging => changed(moved),
            (Some(_), Some(mine)) => changed(mine),
            // tower-sessions' own layer does not learn that the session was ended meanwhile.
            (None, Some(mine)) => self.door == Door::Bare && op.is_cycle() && changed(mine),
            (_, None) => false,
        };
        if moved.is_some() {
            self.check(goes_on, "a session goes on under its new id as it was");
        }
        self.check(goes_on || is_new, "a new session is new");
        if goes_on {
            self.sids.insert(sid.to_owned());
        }
        self.actors[actor].is_elsewhere = !goes_on;
        self.wrote(actor, new);
    }

    fn wrote(&mut self, actor: usize, new: &Row) {
        let actor = &mut self.actors[actor];
        actor.saves += 1;
        actor.mine = Some(new.data.clone());
    }

    fn deleted(&mut self, actor: usize, sid: &str, old: &Row, now: OffsetDateTime) {
        let op = self.program.ops[actor];
        if op.is_cycle() && old.expire > now {
            self.check(sid == self.sid, "a request moves its own session alone");
            self.actors[actor].moved = Some(old.data.clone());
        } else if self.sids.contains(sid) {
            let may_end = op.is_end() || op == Op::Prune || old.expire <= now || self.was_late;
            self.check(may_end, "a session that nobody ends is there");
            self.is_ended = true;
        }
    }

    fn check_ended(&mut self) {
        let cycles = self.program.ops.iter().any(|op| op.is_cycle());
        if !self.is_ended || self.door == Door::Bare && cycles {
            return;
        }
        let is_back = self
            .table
            .iter()
            .any(|(sid, row)| self.sids.contains(sid) || row.data.contains_key(ORIGIN));
        self.check(!is_back, "a session that was ended stays ended");
    }

    pub fn outcome(&mut self, actor: usize, outcome: Outcome) {
        let op = self.program.ops[actor];
        let _ = writeln!(self.trace, "  {actor} {op:?}: {outcome:?}");
        let Actor {
            seen, saves, moved, ..
        } = &self.actors[actor];
        self.check(
            op != Op::TooLarge || !outcome.is_acknowledged,
            "what is too large is refused",
        );
        if outcome.is_acknowledged {
            self.check(
                *saves >= op.keys().len(),
                "what is acknowledged was written",
            );
            self.check(
                moved.is_none() || *saves > 0,
                "a session that is moved goes on",
            );
        } else {
            self.check(op.is_request(), "touch, prune and revoke do not fail");
            let earlier = op.keys().len().saturating_sub(1);
            self.check(
                *saves <= earlier && (moved.is_none() || self.was_late),
                "what is refused has written nothing",
            );
            self.check(
                op == Op::TooLarge || self.can_be_refused(actor),
                "nothing is refused without a reason",
            );
        }
        if outcome.saw_session {
            let seen = seen.iter().flatten().next();
            self.check(
                seen.is_some_and(|row| row.expire > outcome.began_at),
                "nothing is served from the moment of its end",
            );
        }
        self.actors[actor].is_acknowledged = outcome.is_acknowledged;
    }

    /// Another actor has ended or moved the session, or the clock has.
    fn can_be_refused(&self, actor: usize) -> bool {
        (self.program.clock != Moves::Never)
            || self.others(actor).any(|op| op.is_end() || op.is_cycle())
    }

    fn others(&self, actor: usize) -> impl Iterator<Item = Op> {
        let ops = self.program.ops.iter().enumerate();
        ops.filter(move |(other, _)| *other != actor)
            .map(|(_, op)| *op)
    }

    /// Returns how many statements there were.
    pub fn end(&mut self, now: OffsetDateTime) -> usize {
        let actors = || self.program.ops.iter().zip(&self.actors);
        let row = self.sids.iter().find_map(|sid| self.table.get(sid));
        let is_ended = actors().any(|(op, actor)| op.is_end() && actor.is_acknowledged);
        let is_served = self
            .table
            .get(&self.sid)
            .is_some_and(|row| row.expire > now);
        self.check(
            !is_ended || self.was_late || !is_served,
            "after a logout the old cookie is worth nothing",
        );
        self.check(
            row.is_some() || self.was_late || self.is_ended,
            "a session that nobody ends is there",
        );
        let overrides = |op: &Op| op.is_clear() || *op == Op::Remove;
        if let Some(row) = row
            && self.is_merging
            && !self.program.ops.iter().any(overrides)
        {
            for (op, actor) in actors() {
                let is_here = actor.is_acknowledged && !actor.is_elsewhere;
                let is_kept = op.keys().iter().all(|key| row.data.contains_key(*key));
                self.check(is_kept || !is_here, "no acknowledged key is lost");
            }
        }
        if is_ended && row.is_some() {
            self.notes
                .insert("a logout came while the session had no id, and it goes on");
        }
        if self.was_late {
            self.notes
                .insert("what was under way when the session ended came after its end");
        }
        self.statements
    }

    fn check(&self, holds: bool, promise: &str) {
        assert!(
            holds,
            "broken: {promise}\n{:?} by {:?}, {}\n{}the table is {:#?}",
            self.program,
            self.door,
            if self.is_merging {
                "merging"
            } else {
                "not merging"
            },
            self.trace,
            self.table
        );
    }
}
