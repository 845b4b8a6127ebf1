//! What do the visitors of a store do, and what do they find afterwards?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::figures::Figures;
use crate::subject::{Id, LIFE, Subject};

/// A visitor who got an error comes back after this. Without it, a store that fails at once would
/// fail more often in the same time than one that waits.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(20);

/// Between two prunes of one task there is time for something to expire.
const PAUSE_AFTER_PRUNE: Duration = Duration::from_millis(10);

/// After this many rounds a visitor leaves and another one, with a new session, comes.
const ROUNDS_PER_SESSION: u64 = 20;

/// How often a session is looked for at the end, a [`LAST_LOOK_PAUSE`] apart, before an error
/// means that it cannot be loaded.
const LAST_LOOKS: u32 = 100;
const LAST_LOOK_PAUSE: Duration = Duration::from_millis(100);

/// How many tasks do what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Each with a session of its own at a time: load it, save it with its count plus one, again.
    pub(crate) visitors: usize,
    /// Whether each of their rounds also creates a session that has expired at once.
    pub(crate) expiring: bool,
    /// Each pruning in a loop.
    pub(crate) pruners: usize,
}

/// A session, and what the store has promised about it.
#[derive(Debug)]
struct Session {
    id: Id,
    /// The count of the last save that succeeded.
    acknowledged: u64,
    was_missing: bool,
    was_stale: bool,
}

impl Session {
    fn look(&mut self, found: Option<u64>) {
        match found {
            None => self.was_missing = true,
            Some(count) => self.was_stale |= count < self.acknowledged,
        }
    }
}

impl Load {
    /// Puts the load on a store for as long as `fault` takes, then loads every session once more.
    pub(crate) async fn run<T>(
        self,
        subject: &Arc<dyn Subject>,
        fault: impl Future<Output = Result<T>>,
    ) -> Result<(Figures, T)> {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..self.visitors {
            let visitor = Visitor::new(Arc::clone(subject));
            tasks.spawn(visitor.run(self.expiring, Arc::clone(&is_over)));
        }
        for _ in 0..self.pruners {
            tasks.spawn(prune(Arc::clone(subject), Arc::clone(&is_over)));
        }
        let fault = fault.await?;
        is_over.store(true, Ordering::Relaxed);
        let mut figures = Figures::default();
        let mut sessions = Vec::new();
        while let Some(done) = tasks.join_next().await {
            let (part, left) = done?;
            figures.add(part);
            sessions.extend(left);
        }
        for mut session in sessions {
            session.look(last_look(subject, session.id).await);
            figures.lost += u64::from(session.was_missing);
            figures.stale += u64::from(session.was_stale);
        }
        Ok((figures, fault))
    }
}

async fn last_look(subject: &Arc<dyn Subject>, id: Id) -> Option<u64> {
    for _ in 0..LAST_LOOKS {
        if let Ok(found) = subject.load(id).await {
            return found;
        }
        sleep(LAST_LOOK_PAUSE).await;
    }
    None
}

async fn prune(subject: Arc<dyn Subject>, is_over: Arc<AtomicBool>) -> (Figures, Vec<Session>) {
    let mut figures = Figures::default();
    while !is_over.load(Ordering::Relaxed) {
        figures.count(subject.prune().await.err().as_ref());
        sleep(PAUSE_AFTER_PRUNE).await;
    }
    (figures, Vec::new())
}

/// One task's visitors, one after the other.
struct Visitor {
    subject: Arc<dyn Subject>,
    figures: Figures,
    sessions: Vec<Session>,
}

impl Visitor {
    fn new(subject: Arc<dyn Subject>) -> Self {
        Self {
            subject,
            figures: Figures::default(),
            sessions: Vec::new(),
        }
    }

    async fn run(mut self, expiring: bool, is_over: Arc<AtomicBool>) -> (Figures, Vec<Session>) {
        let mut current = None;
        let mut rounds = 0;
        while !is_over.load(Ordering::Relaxed) {
            current = match current {
                Some(session) => self.round(session).await,
                None => self.begin().await,
            };
            rounds += 1;
            if rounds % ROUNDS_PER_SESSION == 0 {
                self.sessions.extend(current.take());
            }
            if expiring {
                self.leave_expired().await;
            }
        }
        self.sessions.extend(current);
        (self.figures, self.sessions)
    }

    async fn begin(&mut self) -> Option<Session> {
        let subject = Arc::clone(&self.subject);
        let id = self.time(subject.create(end())).await?;
        Some(Session {
            id,
            acknowledged: 0,
            was_missing: false,
            was_stale: false,
        })
    }

    /// Returns the session unless it is missing: then the visitor needs another one.
    async fn round(&mut self, mut session: Session) -> Option<Session> {
        let subject = Arc::clone(&self.subject);
        let Some(found) = self.time(subject.load(session.id)).await else {
            return Some(session);
        };
        session.look(found);
        let Some(count) = found.map(|count| count + 1) else {
            self.sessions.push(session);
            return None;
        };
        if let Some(()) = self.time(subject.save(session.id, count, end())).await {
            session.acknowledged = count;
        }
        Some(session)
    }

    async fn leave_expired(&mut self) {
        let subject = Arc::clone(&self.subject);
        self.time(subject.create(OffsetDateTime::now_utc())).await;
    }

    /// Counts and times an operation; returns what it returned if that is no error.
    async fn time<T>(&mut self, operation: impl Future<Output = Result<T>>) -> Option<T> {
        let start = Instant::now();
        let outcome = operation.await;
        self.figures.took(start.elapsed());
        self.figures.count(outcome.as_ref().err());
        if outcome.is_err() {
            sleep(PAUSE_AFTER_ERROR).await;
        }
        outcome.ok()
    }
}

/// When a session ends that is created or saved now.
fn end() -> OffsetDateTime {
    OffsetDateTime::now_utc() + LIFE
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::Duration;

    use anyhow::{Result, bail};
    use async_trait::async_trait;
    use time::OffsetDateTime;

    use super::Load;
    use crate::figures::Figures;
    use crate::subject::{Id, Subject};

    /// What a store does wrong with a session's tenth save; a session is left after twenty rounds.
    #[derive(Clone, Copy)]
    enum Wrong {
        Nothing,
        Refuse,
        Forget,
        Lose,
    }

    struct InMemory {
        wrong: Wrong,
        calls: AtomicU64,
        sessions: Mutex<HashMap<Id, u64>>,
    }

    #[async_trait]
    impl Subject for InMemory {
        async fn create(&self, _end: OffsetDateTime) -> Result<Id> {
            let id = Id::from(self.calls.fetch_add(1, Ordering::Relaxed));
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.insert(id, 0);
            Ok(id)
        }

        async fn load(&self, id: Id) -> Result<Option<u64>> {
            tokio::task::yield_now().await;
            let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(sessions.get(&id).copied())
        }

        async fn save(&self, id: Id, count: u64, _end: OffsetDateTime) -> Result<()> {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            match self.wrong {
                Wrong::Refuse if count.is_multiple_of(10) => bail!("refused"),
                Wrong::Forget if count.is_multiple_of(10) => {}
                Wrong::Lose if count.is_multiple_of(10) => drop(sessions.remove(&id)),
                _ => drop(sessions.insert(id, count)),
            }
            Ok(())
        }

        async fn prune(&self) -> Result<()> {
            Ok(())
        }
    }

    async fn figures(wrong: Wrong) -> Figures {
        let subject: Arc<dyn Subject> = Arc::new(InMemory {
            wrong,
            calls: AtomicU64::default(),
            sessions: Mutex::default(),
        });
        let load = Load {
            visitors: 2,
            expiring: false,
            pruners: 1,
        };
        let over = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            Ok(())
        };
        load.run(&subject, over).await.unwrap().0
    }

    #[tokio::test]
    async fn each_fault_is_counted_as_what_it_is() {
        let figures_of = |figures: &Figures| {
            [figures.failed, figures.lost, figures.stale].map(|count| count > 0)
        };
        for (wrong, counted) in [
            (Wrong::Nothing, [false, false, false]),
            (Wrong::Refuse, [true, false, false]),
            (Wrong::Forget, [false, false, true]),
            (Wrong::Lose, [false, true, false]),
        ] {
            let figures = figures(wrong).await;
            assert!(figures.operations > 100);
            assert_eq!(figures_of(&figures), counted);
        }
    }
}
