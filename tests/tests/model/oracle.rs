//! The promises that hold after every statement, after every response and at the end of a run.

use std::collections::BTreeSet;
use std::fmt::Write;

use session_store::SessionModel;
use time::OffsetDateTime;

use super::actor::{END, EXPIRY, Op, Outcome};
use super::explorer::Program;
use super::fixture::{Fixture, Middleware, ORIGIN};
use super::scheduler::{ClockMoves, StatementKind};
use super::table::{Changes, Data, Row, Table};

/// Follows one run. Panics with a trace of the run if a promise is broken.
#[derive(Debug)]
pub struct Oracle {
    program: Program,
    middleware: Middleware,
    is_merging: bool,
    is_cached: bool,
    /// The sid that the visitor's cookie stands for.
    sid: String,
    /// This sid, and those that `cycle_id` has given the session.
    sids: BTreeSet<String>,
    /// The session was deleted, and not by `cycle_id`.
    is_deleted: bool,
    /// A statement that was created before the session expired was sent after it.
    was_late: bool,
    table: Table,
    actors: Vec<Actor>,
    trace: String,
    statements: usize,
    /// Allowed events that are worth counting.
    pub notes: BTreeSet<&'static str>,
}

/// The times when a statement was created and when it was sent.
#[derive(Clone, Copy, Debug)]
pub struct StatementTimes {
    /// The last time that its actor has read.
    pub created: OffsetDateTime,
    /// The latest time that any actor has read.
    pub sent: OffsetDateTime,
}

#[derive(Clone, Debug, Default)]
struct Actor {
    /// The row at the first read of the actor, if it has read.
    first_read: Option<Option<Row>>,
    /// The data that the actor has loaded or last saved.
    loaded: Option<Data>,
    /// The actor has sent a statement other than a touch, and so has loaded the session.
    has_loaded: bool,
    /// The actor has given the session a new id, or under a plain layer deleted the old one.
    has_renewed: bool,
    /// The number of writes of data.
    saves: usize,
    /// The actor has created another session.
    has_new_session: bool,
    is_acknowledged: bool,
}

impl Actor {
    fn read(&mut self, row: Option<Row>) {
        self.loaded = row.as_ref().map(|row| row.data.clone());
        self.first_read = Some(row);
    }
}

impl Oracle {
    pub fn new<M: SessionModel>(program: &Program, fixture: &Fixture<M>, table: Table) -> Self {
        let sid = fixture.unscheduled.sid(&fixture.id);
        let mut actor = Actor::default();
        if fixture.is_cached() {
            actor.read(table.get(&sid).cloned());
        }
        Self {
            program: program.clone(),
            middleware: fixture.middleware,
            is_merging: fixture.is_merging(),
            is_cached: fixture.is_cached(),
            sids: BTreeSet::from([sid.clone()]),
            sid,
            is_deleted: false,
            was_late: false,
            table,
            actors: vec![actor; program.ops.len()],
            trace: String::new(),
            statements: 0,
            notes: BTreeSet::new(),
        }
    }

    pub fn clock_moved(&mut self) {
        self.trace
            .push_str("  the clock moves to the first expiry of the session\n");
    }

    /// Checks a statement of an actor and the table after it. A read leaves the table as it was.
    pub fn statement(
        &mut self,
        actor: usize,
        kind: StatementKind,
        times: StatementTimes,
        table: Option<Table>,
    ) {
        let table = table.unwrap_or_else(|| self.table.clone());
        let before = std::mem::replace(&mut self.table, table);
        let mut changes = Changes::between(&before, &self.table);
        let renewed = match kind {
            StatementKind::Renew => changes.take_renewal(),
            _ => None,
        };
        let op = self.program.ops[actor];
        self.statements += 1;
        let _ = writeln!(self.trace, "  {actor} {op:?}: {kind:?} {changes}");

        let allowed = match kind {
            StatementKind::Begin | StatementKind::Select => [0, 0, 0],
            StatementKind::Insert => [1, 0, 0],
            StatementKind::Touch | StatementKind::Save | StatementKind::Renew => [0, 1, 0],
            StatementKind::Delete => [0, 0, usize::MAX],
        };
        let is_allowed = changes
            .counts()
            .iter()
            .zip(allowed)
            .all(|(count, most)| *count <= most);
        self.check(is_allowed, "a statement changes only the rows it is for");
        for (old, new) in &changes.updated {
            // The clock may pass the expiry between the creation of a statement and its arrival.
            self.was_late |= old.expire <= times.sent;
            self.check(
                old.expire > times.created,
                "an expired session stays expired",
            );
            if kind == StatementKind::Touch {
                self.check(
                    new.data == old.data && new.version == old.version,
                    "a touch writes no data",
                );
                // Under a plain layer, a save goes by the system's clock, which is ahead of the model's.
                self.check(
                    new.expire > old.expire || self.middleware == Middleware::PlainLayer,
                    "a touch never moves the expiry back",
                );
                self.check(
                    !old.data.contains_key(EXPIRY),
                    "a session that has an end does not slide",
                );
            }
            self.check(
                !new.data.contains_key(EXPIRY) || new.expire == END,
                "a session that has an end expires then",
            );
        }
        match kind {
            StatementKind::Select => self.selected(actor),
            StatementKind::Begin | StatementKind::Touch => {}
            StatementKind::Renew | StatementKind::Save => {
                if let Some((from, to)) = renewed {
                    self.renewed(actor, &from, to);
                }
                if let Some((old, new)) = changes.updated.first() {
                    self.saved(actor, old, new);
                }
            }
            StatementKind::Insert => {
                if let Some((sid, new)) = changes.inserted.first() {
                    self.inserted(actor, sid, new);
                }
            }
            StatementKind::Delete => {
                for (sid, old) in &changes.deleted {
                    let is_allowed = op != Op::Prune || old.expire <= times.created;
                    self.check(is_allowed, "prune never deletes an active session");
                    self.deleted(actor, sid, old, times.created);
                }
            }
        }
        self.actors[actor].has_loaded |=
            !matches!(kind, StatementKind::Begin | StatementKind::Touch);
        self.check_deleted();
    }

    fn selected(&mut self, actor: usize) {
        let row = self.table.get(&self.sid).cloned();
        let op = self.program.ops[actor];
        let actor = &mut self.actors[actor];
        // What the cache has may not be served, because it has expired or cannot be touched.
        if op.is_request() && !actor.has_loaded {
            actor.read(row);
        }
    }

    fn renewed(&mut self, actor: usize, from: &str, to: String) {
        self.check(
            self.program.ops[actor].cycles_id() && from == self.sid,
            "a request cycles only the id of its session",
        );
        self.actors[actor].has_renewed = true;
        let is_new = self.sids.insert(to);
        self.check(is_new, "a renewed id is a new one");
    }

    fn saved(&mut self, actor: usize, old: &Row, new: &Row) {
        let op = self.program.ops[actor];
        let Actor { loaded, saves, .. } = &self.actors[actor];
        let nothing = Data::new();
        let seen = loaded.as_ref().unwrap_or(&nothing);
        let base = if self.is_merging { &old.data } else { seen };
        self.check(
            new.data == op.change(actor, *saves, base, seen),
            "a save applies the changes of the request to the right data",
        );
        let next = old.version.map(|version| version + 1);
        self.check(new.version == next, "a version counts the saves");
        self.wrote(actor, new);
    }

    fn inserted(&mut self, actor: usize, sid: &str, new: &Row) {
        self.check(
            !self.sids.contains(sid),
            "no new session gets an id from a cookie",
        );
        let op = self.program.ops[actor];
        let Actor {
            loaded,
            has_renewed,
            saves,
            ..
        } = &self.actors[actor];
        let changed = |data: &Data| new.data == op.change(actor, *saves, data, data);
        let is_new = changed(&Data::new());
        // A plain layer inserts a row for a new id. It does not learn whether the session was deleted
        // meanwhile.
        let continues = self.middleware == Middleware::PlainLayer
            && op.cycles_id()
            && loaded.as_ref().is_some_and(changed);
        if *has_renewed {
            self.check(continues, "a session keeps its data under its new id");
        }
        self.check(continues || is_new, "a new session has no old data");
        if continues {
            self.sids.insert(sid.to_owned());
        }
        self.actors[actor].has_new_session = !continues;
        self.wrote(actor, new);
    }

    fn wrote(&mut self, actor: usize, new: &Row) {
        let actor = &mut self.actors[actor];
        actor.saves += 1;
        actor.loaded = Some(new.data.clone());
    }

    fn deleted(&mut self, actor: usize, sid: &str, old: &Row, now: OffsetDateTime) {
        let op = self.program.ops[actor];
        let renews = self.middleware == Middleware::PlainLayer && op.cycles_id();
        if renews && old.expire > now {
            self.check(
                sid == self.sid,
                "a request cycles only the id of its session",
            );
            self.actors[actor].has_renewed = true;
        } else if self.sids.contains(sid) {
            let is_allowed =
                op.deletes_session() || op == Op::Prune || old.expire <= now || self.was_late;
            self.check(is_allowed, "an active session is deleted only on request");
            self.is_deleted = true;
        }
    }

    fn check_deleted(&mut self) {
        let cycles = self.program.ops.iter().any(|op| op.cycles_id());
        if !self.is_deleted || self.middleware == Middleware::PlainLayer && cycles {
            return;
        }
        let is_back = self
            .table
            .iter()
            .any(|(sid, row)| self.sids.contains(sid) || row.data.contains_key(ORIGIN));
        self.check(!is_back, "a deleted session stays deleted");
    }

    pub fn outcome(&mut self, actor: usize, outcome: Outcome) {
        let op = self.program.ops[actor];
        let _ = writeln!(self.trace, "  {actor} {op:?}: {outcome:?}");
        let Actor {
            first_read,
            saves,
            has_renewed,
            ..
        } = &self.actors[actor];
        self.check(
            op != Op::TooLarge || !outcome.is_acknowledged,
            "data over the limit is refused",
        );
        if outcome.is_acknowledged {
            self.check(
                *saves >= op.inserted_keys().len(),
                "an acknowledged change is written",
            );
            let must_renew = self.middleware == Middleware::StoreLayer && op.cycles_id();
            self.check(
                *has_renewed || !must_renew || !outcome.saw_session,
                "an acknowledged `cycle_id` gives the session a new id",
            );
            self.check(
                !has_renewed || *saves > 0,
                "an acknowledged new id has a row",
            );
        } else {
            self.check(op.is_request(), "touch, prune and revoke do not fail");
            let earlier = op.inserted_keys().len().saturating_sub(1);
            self.check(
                *saves <= earlier && (!has_renewed || self.was_late),
                "a refused save writes nothing",
            );
            self.check(
                op == Op::TooLarge || self.can_be_refused(actor),
                "a request is refused only for a reason",
            );
        }
        if outcome.saw_session {
            let first_read = first_read.iter().flatten().next();
            self.check(
                first_read.is_some_and(|row| row.expire > outcome.began_at),
                "no session is served at or after its expiry",
            );
            if self.is_cached && self.is_deleted && !self.actors[actor].has_loaded {
                self.notes
                    .insert("a session that has ended elsewhere was read from the cache");
            }
        }
        self.actors[actor].is_acknowledged = outcome.is_acknowledged;
    }

    /// Returns whether another actor or the clock can have ended the session or changed its id.
    fn can_be_refused(&self, actor: usize) -> bool {
        (self.program.clock != ClockMoves::Never)
            || self
                .others(actor)
                .any(|op| op.deletes_session() || op.cycles_id())
    }

    fn others(&self, actor: usize) -> impl Iterator<Item = Op> {
        let ops = self.program.ops.iter().enumerate();
        ops.filter(move |(other, _)| *other != actor)
            .map(|(_, op)| *op)
    }

    /// Checks the end of the run and returns the number of statements.
    pub fn end(&mut self, now: OffsetDateTime) -> usize {
        let actors = || self.program.ops.iter().zip(&self.actors);
        let row = self.sids.iter().find_map(|sid| self.table.get(sid));
        let is_signed_out =
            actors().any(|(op, actor)| op.deletes_session() && actor.is_acknowledged);
        let is_served = self
            .table
            .get(&self.sid)
            .is_some_and(|row| row.expire > now);
        self.check(
            !is_signed_out || self.was_late || !is_served,
            "after a logout the old cookie has no session",
        );
        self.check(
            row.is_some() || self.was_late || self.is_deleted,
            "a session that was not deleted has a row",
        );
        let overrides = |op: &Op| op.clears_data() || *op == Op::Remove;
        if let Some(row) = row
            && self.is_merging
            && !self.program.ops.iter().any(overrides)
        {
            for (op, actor) in actors() {
                let is_expected = actor.is_acknowledged && !actor.has_new_session;
                let is_kept = op
                    .inserted_keys()
                    .iter()
                    .all(|key| row.data.contains_key(*key));
                self.check(is_kept || !is_expected, "no acknowledged key is lost");
                let has_end =
                    *op != Op::SetEnd || actor.saves == 0 || row.data.contains_key(EXPIRY);
                self.check(has_end || !is_expected, "no acknowledged expiry is lost");
            }
        }
        if is_signed_out && row.is_some() {
            self.notes
                .insert("a logout while the id was cycled did not delete the session");
        }
        if self.was_late {
            self.notes
                .insert("a statement arrived after the session expired");
        }
        self.statements
    }

    fn check(&self, holds: bool, promise: &str) {
        assert!(
            holds,
            "broken promise: {promise}\n{:?} under {:?}, {}\n{}the table is {:#?}",
            self.program,
            self.middleware,
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
