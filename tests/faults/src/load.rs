//! Puts a load on a store, and checks what it kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::figures::Figures;
use crate::subject::{IDLE_TIMEOUT, Id, Subject};

/// How long a visitor waits after an error. Without it, a store that returns an error at once would fail
/// more often in the same time than one that waits.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(20);

/// How long a task waits between two prunes, so that sessions can expire.
const PAUSE_AFTER_PRUNE: Duration = Duration::from_millis(10);

/// After this many rounds, a visitor continues with a new session. Every other session is deleted then.
const ROUNDS_PER_SESSION: u64 = 20;

/// How often the final load of a session is tried, with a [`FINAL_LOAD_PAUSE`] after each error, before
/// the session counts as lost.
const FINAL_LOAD_ATTEMPTS: u32 = 100;
const FINAL_LOAD_PAUSE: Duration = Duration::from_millis(100);

/// The tasks that use a store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Tasks that load their session and save it with its count plus one, in a loop, and end it.
    pub(crate) visitors: usize,
    /// Whether each round of a visitor also creates a session that is already expired.
    pub(crate) creates_expired: bool,
    /// Tasks that prune in a loop.
    pub(crate) pruners: usize,
}

/// A session, and what the store has confirmed about it.
#[derive(Debug)]
struct Session {
    id: Id,
    /// The count of the last successful save. `None` once the session is deleted.
    saved: Option<u64>,
    was_missing: bool,
    was_stale: bool,
    was_back: bool,
}

impl Session {
    /// Compares the count that a load found with the last successful save.
    fn check(&mut self, found: Option<u64>) {
        match (found, self.saved) {
            (found, None) => self.was_back |= found.is_some(),
            (None, Some(_)) => self.was_missing = true,
            (Some(count), Some(saved)) => self.was_stale |= count < saved,
        }
    }
}

impl Load {
    /// Sixteen visitors, and nothing that expires.
    pub(crate) const VISITORS: Self = Self {
        visitors: 16,
        creates_expired: false,
        pruners: 0,
    };

    /// Puts the load on a store for `time`, then loads every session once more.
    pub(crate) async fn run_for(
        self,
        subject: &Arc<dyn Subject>,
        time: Duration,
    ) -> Result<Figures> {
        let wait = async {
            sleep(time).await;
            Ok(())
        };
        let (figures, ()) = self.run(subject, wait).await?;
        Ok(figures)
    }

    /// Puts the load on a store until `fault` is done, then loads every session once more.
    pub(crate) async fn run<T>(
        self,
        subject: &Arc<dyn Subject>,
        fault: impl Future<Output = Result<T>>,
    ) -> Result<(Figures, T)> {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..self.visitors {
            let visitor = Visitor::new(Arc::clone(subject));
            tasks.spawn(visitor.run(self.creates_expired, Arc::clone(&is_over)));
        }
        for _ in 0..self.pruners {
            tasks.spawn(prune(Arc::clone(subject), Arc::clone(&is_over)));
        }
        let outcome = fault.await?;
        is_over.store(true, Ordering::Relaxed);
        let mut figures = Figures::default();
        let mut sessions = Vec::new();
        while let Some(done) = tasks.join_next().await {
            let (task_figures, task_sessions) = done?;
            figures.add(task_figures);
            sessions.extend(task_sessions);
        }
        for mut session in sessions {
            session.check(final_load(subject, session.id).await);
            figures.lost += u64::from(session.was_missing);
            figures.stale += u64::from(session.was_stale);
            figures.back += u64::from(session.was_back);
        }
        Ok((figures, outcome))
    }
}

async fn final_load(subject: &Arc<dyn Subject>, id: Id) -> Option<u64> {
    for _ in 0..FINAL_LOAD_ATTEMPTS {
        if let Ok(found) = subject.load(id).await {
            return found;
        }
        sleep(FINAL_LOAD_PAUSE).await;
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

/// A task that uses one session after the other.
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

    async fn run(
        mut self,
        creates_expired: bool,
        is_over: Arc<AtomicBool>,
    ) -> (Figures, Vec<Session>) {
        let mut current = None;
        let mut rounds = 0;
        while !is_over.load(Ordering::Relaxed) {
            current = match current {
                Some(session) => self.round(session).await,
                None => self.create().await,
            };
            rounds += 1;
            if rounds % ROUNDS_PER_SESSION == 0
                && let Some(session) = current.take()
            {
                self.leave(session).await;
            }
            if creates_expired {
                self.create_expired().await;
            }
        }
        self.sessions.extend(current);
        (self.figures, self.sessions)
    }

    async fn create(&mut self) -> Option<Session> {
        let subject = Arc::clone(&self.subject);
        let id = self.time(subject.create(expires_at())).await?;
        Some(Session {
            id,
            saved: Some(0),
            was_missing: false,
            was_stale: false,
            was_back: false,
        })
    }

    /// Loads and saves the session. Returns it unless it is missing.
    async fn round(&mut self, mut session: Session) -> Option<Session> {
        let subject = Arc::clone(&self.subject);
        let Some(found) = self.time(subject.load(session.id)).await else {
            return Some(session);
        };
        session.check(found);
        let Some(count) = found.map(|count| count + 1) else {
            self.sessions.push(session);
            return None;
        };
        if let Some(()) = self
            .time(subject.save(session.id, count, expires_at()))
            .await
        {
            session.saved = Some(count);
        }
        Some(session)
    }

    /// Keeps a session for the final load. Deletes every other one, and loads it once more.
    async fn leave(&mut self, mut session: Session) {
        if self.sessions.len() % 2 == 1 {
            let subject = Arc::clone(&self.subject);
            if self.time(subject.delete(session.id)).await.is_none() {
                // It may have been deleted or not.
                return;
            }
            session.saved = None;
            if let Some(found) = self.time(subject.load(session.id)).await {
                session.check(found);
            }
        }
        self.sessions.push(session);
    }

    async fn create_expired(&mut self) {
        let subject = Arc::clone(&self.subject);
        self.time(subject.create(OffsetDateTime::now_utc())).await;
    }

    /// Counts and times an operation, and returns its value if it succeeded.
    async fn time<T>(&mut self, operation: impl Future<Output = Result<T>>) -> Option<T> {
        let start = Instant::now();
        let outcome = operation.await;
        self.figures.add_latency(start.elapsed());
        self.figures.count(outcome.as_ref().err());
        if outcome.is_err() {
            sleep(PAUSE_AFTER_ERROR).await;
        }
        outcome.ok()
    }
}

/// Returns the expiry of a session that is written now.
fn expires_at() -> OffsetDateTime {
    OffsetDateTime::now_utc() + IDLE_TIMEOUT
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

    /// What a store does wrong with each tenth save of a session.
    #[derive(Clone, Copy)]
    enum Defect {
        None,
        ReturnsError,
        IgnoresSave,
        DeletesSession,
        IgnoresDelete,
    }

    struct InMemory {
        defect: Defect,
        calls: AtomicU64,
        sessions: Mutex<HashMap<Id, u64>>,
    }

    #[async_trait]
    impl Subject for InMemory {
        async fn create(&self, _expires_at: OffsetDateTime) -> Result<Id> {
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

        async fn save(&self, id: Id, count: u64, _expires_at: OffsetDateTime) -> Result<()> {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            match self.defect {
                Defect::ReturnsError if count.is_multiple_of(10) => bail!("refused"),
                Defect::IgnoresSave if count.is_multiple_of(10) => {}
                Defect::DeletesSession if count.is_multiple_of(10) => drop(sessions.remove(&id)),
                _ => drop(sessions.insert(id, count)),
            }
            Ok(())
        }

        async fn delete(&self, id: Id) -> Result<()> {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            if !matches!(self.defect, Defect::IgnoresDelete) {
                sessions.remove(&id);
            }
            Ok(())
        }

        async fn prune(&self) -> Result<()> {
            Ok(())
        }
    }

    async fn figures(defect: Defect) -> Figures {
        let subject: Arc<dyn Subject> = Arc::new(InMemory {
            defect,
            calls: AtomicU64::default(),
            sessions: Mutex::default(),
        });
        let load = Load {
            visitors: 2,
            creates_expired: false,
            pruners: 1,
        };
        let time = Duration::from_millis(500);
        load.run_for(&subject, time).await.unwrap()
    }

    #[tokio::test]
    async fn each_defect_is_counted_as_what_it_is() {
        let figures_of = |figures: &Figures| {
            [figures.failed, figures.lost, figures.stale, figures.back].map(|count| count > 0)
        };
        for (defect, counted) in [
            (Defect::None, [false, false, false, false]),
            (Defect::ReturnsError, [true, false, false, false]),
            (Defect::IgnoresSave, [false, false, true, false]),
            (Defect::DeletesSession, [false, true, false, false]),
            (Defect::IgnoresDelete, [false, false, false, true]),
        ] {
            let figures = figures(defect).await;
            assert!(figures.operations > 100);
            assert_eq!(figures_of(&figures), counted);
        }
    }
}
