//! Visitors who sign in, come back, and sign out, and what the store has told them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use session_store::Id;
use tests::record;
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower_sessions_core::SessionStore;
use tower_sessions_core::session::Record;

use super::servers::Store;

const VISITORS: usize = 16;

/// How often a visitor comes back before signing out.
const VISITS: u64 = 5;

const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(20);

/// What happened. `lost`, `stale` and `back` count sessions.
#[derive(Debug, Default)]
pub struct Figures {
    pub operations: usize,
    pub failed: usize,
    pub errors: BTreeMap<String, usize>,
    /// Not found, although nobody has ended them.
    pub lost: usize,
    /// Found without a save that had succeeded.
    pub stale: usize,
    /// Found after they were ended.
    pub back: usize,
    pub longest: Duration,
}

impl Figures {
    fn add(&mut self, other: Self) {
        self.operations += other.operations;
        self.failed += other.failed;
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
        self.lost += other.lost;
        self.stale += other.stale;
        self.back += other.back;
        self.longest = self.longest.max(other.longest);
    }

    #[track_caller]
    pub fn assert_nothing_is_lost_or_back(&self) {
        assert_eq!([self.lost, self.stale, self.back], [0; 3], "{self:?}");
        assert!(self.operations > 100, "{self:?}");
    }

    #[track_caller]
    pub fn assert_perfect(&self) {
        self.assert_nothing_is_lost_or_back();
        assert_eq!(self.failed, 0, "{self:?}");
    }
}

/// Puts a load on the store until the fault is over. Then looks at every session once more.
pub async fn during(name: &str, store: &Store, fault: impl Future<Output = ()>) -> Figures {
    let is_over = Arc::new(AtomicBool::new(false));
    let mut visitors = JoinSet::new();
    for _ in 0..VISITORS {
        let mut visitor = Visitor::new(store.clone());
        let is_over = Arc::clone(&is_over);
        visitors.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                visitor.visit().await;
            }
            visitor
        });
    }
    fault.await;
    is_over.store(true, Ordering::Relaxed);
    let mut figures = Figures::default();
    while let Some(visitor) = visitors.join_next().await {
        let mut visitor = visitor.unwrap();
        visitor.look_back().await;
        figures.add(visitor.figures);
    }
    println!(
        "{name}: {} operations, {} failed, {} lost, {} stale, {} back, longest {:?}",
        figures.operations,
        figures.failed,
        figures.lost,
        figures.stale,
        figures.back,
        figures.longest
    );
    figures
}

struct Visitor {
    store: Store,
    figures: Figures,
    /// The sessions that nobody has ended.
    active: Vec<Id>,
    ended: Vec<Id>,
}

impl Visitor {
    fn new(store: Store) -> Self {
        Self {
            store,
            figures: Figures::default(),
            active: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Signs in, comes back a few times, and signs out. Signs in once more, and stays.
    async fn visit(&mut self) {
        let store = self.store.clone();
        let mut session = session(0);
        if self.count(store.create(&mut session)).await.is_none() {
            return;
        }
        let mut saved = 0;
        for number in 1..=VISITS {
            let Some(loaded) = self.count(store.load(&session.id)).await else {
                continue;
            };
            let Some(mut loaded) = loaded else {
                self.figures.lost += 1;
                return;
            };
            if number_in(&loaded) < saved {
                self.figures.stale += 1;
                return;
            }
            loaded.data.insert("number".to_owned(), json!(number));
            if self.count(store.save(&loaded)).await.is_some() {
                saved = number;
            }
        }
        if self.count(store.delete(&session.id)).await.is_none() {
            return;
        }
        match self.count(store.load(&session.id)).await {
            Some(Some(_)) => self.figures.back += 1,
            _ => self.ended.push(session.id),
        }
        let mut left = self::session(0);
        if self.count(store.create(&mut left)).await.is_some() {
            self.active.push(left.id);
        }
    }

    async fn look_back(&mut self) {
        for id in &self.active {
            self.figures.lost += usize::from(found(&self.store, id).await.is_none());
        }
        for id in &self.ended {
            self.figures.back += usize::from(found(&self.store, id).await.is_some());
        }
    }

    async fn count<T, E: Debug>(
        &mut self,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Option<T> {
        let start = Instant::now();
        let result = operation.await;
        self.figures.operations += 1;
        self.figures.longest = self.figures.longest.max(start.elapsed());
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.figures.failed += 1;
                let error = format!("{error:?}");
                *self.figures.errors.entry(error).or_default() += 1;
                sleep(PAUSE_AFTER_ERROR).await;
                None
            }
        }
    }
}

pub fn session(number: u64) -> Record {
    record(OffsetDateTime::now_utc(), [("number", json!(number))])
}

fn number_in(session: &Record) -> u64 {
    session.data["number"].as_u64().unwrap()
}

/// Loads until the database answers.
pub async fn found(store: &Store, id: &Id) -> Option<Record> {
    for _ in 0..20 {
        if let Ok(found) = store.load(id).await {
            return found;
        }
        sleep(Duration::from_millis(500)).await;
    }
    panic!("the database does not answer");
}
