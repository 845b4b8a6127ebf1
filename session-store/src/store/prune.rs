//! Deleting expired sessions, in batches and on a schedule.

use std::time::Duration as StdDuration;

use sea_orm::{
    ColumnTrait, Condition, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Value,
};
use time::{Duration, OffsetDateTime};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::SeaOrmStore;
use super::catch_panic::catch_panic;
use super::changes::Changed;
use super::event::EndReason;
use crate::error::Result;
use crate::model::SessionModel;
use crate::telemetry::{Operation, metrics};

/// The rows that a batch deletes unless [`Pruner::batch_size`] sets another number.
const DEFAULT_BATCH_SIZE: u32 = 100;

/// A batch binds one value per row, and SQLite allows 32766.
const MAX_BATCH_SIZE: u32 = 10_000;

impl<M: SessionModel> SeaOrmStore<M> {
    /// Deletes expired sessions in batches. Returns the number of rows.
    ///
    /// Each batch reads the sids of up to 100 expired rows by the index on `expire`, and deletes them by
    /// primary key if they are still expired. No lock is held between batches. Several processes may
    /// prune at once.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Disconnected`](crate::Error::Disconnected),
    /// [`Error::MissingTable`](crate::Error::MissingTable),
    /// [`Error::Unreachable`](crate::Error::Unreachable) or
    /// [`Error::Database`](crate::Error::Database). Batches before the error stay deleted.
    pub async fn prune(&self) -> Result<u64> {
        self.pruner().prune().await
    }

    /// Starts a task that prunes every `interval`, until the returned [`PruneTask`] is stopped or
    /// dropped. With an interval of zero or less it never prunes.
    ///
    /// The first prune comes after the first interval. An error or a panic is logged, and the schedule
    /// goes on.
    /// [`pruner`](Self::pruner) has more settings. Call this inside a tokio runtime: outside one, it logs
    /// an error and never prunes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_store::DefaultStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let db = sea_orm::DatabaseConnection::default();
    /// let store = DefaultStore::new(db);
    /// let prune = store.prune_every(time::Duration::minutes(15));
    /// // … serve …
    /// prune.stop().await;
    /// # }
    /// ```
    pub fn prune_every(&self, interval: Duration) -> PruneTask {
        self.pruner().interval(interval).start()
    }

    /// Creates a pruner, to be configured and then [started](Pruner::start) or
    /// [run once](Pruner::prune).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_store::DefaultStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let db = sea_orm::DatabaseConnection::default();
    /// use time::Duration;
    ///
    /// let prune = DefaultStore::new(db)
    ///     .pruner()
    ///     .interval(Duration::hours(1))
    ///     .jitter(Duration::minutes(20))
    ///     .batch_size(200)
    ///     .start();
    /// # prune.stop().await;
    /// # }
    /// ```
    pub fn pruner(&self) -> Pruner<M> {
        Pruner {
            store: self.clone(),
            interval: Duration::ZERO,
            jitter: None,
            batch_size: DEFAULT_BATCH_SIZE,
        }
    }
}

/// The settings of a prune schedule. Created by [`SeaOrmStore::pruner`].
#[derive(Clone, Debug)]
#[must_use = "a `Pruner` does nothing until you call `start`, `prune` or `batches`"]
pub struct Pruner<M: SessionModel> {
    store: SeaOrmStore<M>,
    interval: Duration,
    jitter: Option<Duration>,
    batch_size: u32,
}

impl<M: SessionModel> Pruner<M> {
    /// Sets the longest time between two prunes. The default is zero, which never prunes.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets the maximum random time by which each interval is shortened, so that processes that were
    /// started together do not prune together. The default is a tenth of the interval.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = Some(jitter);
        self
    }

    /// Sets the number of rows that a batch reads and deletes: from 1 to 10 000, and 100 by default.
    pub fn batch_size(mut self, rows: u32) -> Self {
        self.batch_size = rows.clamp(1, MAX_BATCH_SIZE);
        self
    }

    /// Prunes once, immediately. See [`SeaOrmStore::prune`].
    ///
    /// # Errors
    ///
    /// Returns [`Error::Disconnected`](crate::Error::Disconnected),
    /// [`Error::MissingTable`](crate::Error::MissingTable),
    /// [`Error::Unreachable`](crate::Error::Unreachable) or
    /// [`Error::Database`](crate::Error::Database). Batches before the error stay deleted.
    pub async fn prune(&self) -> Result<u64> {
        self.prune_until(|| false).await
    }

    /// Returns a prune that deletes one batch for each call of [`next`](PruneBatches::next): to show
    /// progress, to pause between batches, or to stop early.
    ///
    /// [`SeaOrmStore::expired`] selects the rows that there are to delete.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_store::DefaultStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = DefaultStore::new(sea_orm::Database::connect("sqlite::memory:").await?);
    /// # store.create_table().await?;
    /// use std::time::Duration;
    ///
    /// let mut batches = store.pruner().batch_size(500).batches();
    /// while let Some(rows) = batches.next().await? {
    ///     println!("{rows} deleted");
    ///     tokio::time::sleep(Duration::from_millis(50)).await;
    /// }
    /// # Ok(()) }
    /// ```
    pub fn batches(&self) -> PruneBatches<M> {
        PruneBatches {
            pruner: self.clone(),
            now: self.store.now(),
            start: None,
            is_done: false,
        }
    }

    /// Starts the schedule on the current tokio runtime. The first prune comes after the first interval.
    ///
    /// Outside a tokio runtime, it logs an error and nothing runs.
    pub fn start(self) -> PruneTask {
        let (stop, stopped) = oneshot::channel();
        let task = match (self.interval.is_positive(), Handle::try_current()) {
            (false, _) => None,
            (true, Ok(runtime)) => Some(runtime.spawn(self.run_on_schedule(stopped))),
            (true, Err(error)) => {
                tracing::error!(%error, "cannot prune on a schedule outside a tokio runtime");
                None
            }
        };
        PruneTask { stop, task }
    }

    async fn run_on_schedule(self, mut stopped: oneshot::Receiver<()>) {
        let mut has_pruned = false;
        loop {
            tokio::select! {
                stopped = &mut stopped => {
                    if stopped.is_err() && !has_pruned {
                        tracing::warn!(
                            "the `PruneTask` was dropped before the first prune, so nothing is \
                             pruned; bind it to a named variable"
                        );
                    }
                    return;
                }
                () = tokio::time::sleep(self.wait()) => {}
            }
            has_pruned = true;
            let mut is_stopped = false;
            let pruned = self.prune_until(|| {
                is_stopped = stopped.try_recv() != Err(oneshot::error::TryRecvError::Empty);
                is_stopped
            });
            match catch_panic(pruned).await {
                Ok(Ok(0)) => {}
                Ok(Ok(rows)) => tracing::debug!(rows, "expired sessions pruned"),
                Ok(Err(error)) => tracing::error!(%error, "expired sessions not pruned"),
                Err(_) => tracing::error!("a prune panicked; the schedule goes on"),
            }
            // The channel must not be polled again.
            if is_stopped {
                return;
            }
        }
    }

    fn wait(&self) -> StdDuration {
        let interval = self.interval.unsigned_abs();
        let jitter = self
            .jitter
            .map_or(interval / 10, |jitter| {
                jitter.max(Duration::ZERO).unsigned_abs()
            })
            .min(interval);
        interval.saturating_sub(jitter.mul_f64(fastrand::f64()))
    }

    async fn prune_until(&self, mut is_stopped: impl FnMut() -> bool) -> Result<u64> {
        let mut batches = self.batches();
        let mut deleted = 0;
        while let Some(rows) = batches.next().await? {
            deleted += rows;
            if is_stopped() {
                break;
            }
        }
        Ok(deleted)
    }

    /// Finds a batch of expired rows, the oldest first.
    async fn find(&self, start: Option<OffsetDateTime>, now: OffsetDateTime) -> Result<Batch> {
        let (columns, expire) = (M::columns(), self.store.expire());
        let select = M::Entity::find()
            .select_only()
            .columns([columns.sid, columns.expire.column])
            .filter(expire.is_at_or_before_by_index(now))
            .apply_if(start, |select, start| {
                select.filter(expire.is_at_or_after(expire.key(start)))
            })
            .order_by_asc(columns.expire.column)
            .limit(u64::from(self.batch_size));
        let select = self.store.readable(select).into_query();
        let executor = &self.store.executor;
        let rows = executor.query_all(Operation::PRUNE_FIND, &select).await?;
        let sid = |row| columns.read_sid::<M::Sid>(row, 0);
        let keeps_deleted_entries = executor.backend() != DbBackend::Sqlite;
        let last = rows.last().filter(|_| keeps_deleted_entries);
        Ok(Batch {
            sids: rows.iter().map(sid).collect::<Result<_>>()?,
            last_expire: last
                .and_then(|row| columns.read_expire(row, 1).ok())
                .filter(|expire| expire.year() > 1),
        })
    }

    /// Deletes the rows that are still expired: one may have been touched meanwhile.
    async fn delete(&self, sids: Vec<Value>, now: OffsetDateTime) -> Result<u64> {
        if sids.is_empty() {
            return Ok(0);
        }
        let text = |sid: &Value| match sid {
            Value::String(sid) => sid.clone(),
            _ => None,
        };
        let named = sids.iter().map(text).collect();
        let changed = Option::map_or(named, Changed::Any, Changed::EndedSids);
        let expire = self.store.expire();
        let expired = Condition::all()
            .add(M::columns().sid.is_in(sids))
            .add(expire.is_at_or_before_without_index(expire.key(now)));
        self.store
            .end(
                Operation::PRUNE_DELETE,
                expired,
                EndReason::Expired,
                changed,
            )
            .await
    }
}

/// A prune in progress. Created by [`Pruner::batches`].
#[derive(Debug)]
#[must_use = "`PruneBatches` does nothing until you call `next`"]
pub struct PruneBatches<M: SessionModel> {
    pruner: Pruner<M>,
    /// Only rows that had expired when the prune began are deleted, so that it ends.
    now: OffsetDateTime,
    /// The `expire` at which the next batch starts.
    start: Option<OffsetDateTime>,
    is_done: bool,
}

impl<M: SessionModel> PruneBatches<M> {
    /// Deletes the next batch. Returns the number of rows, or `None` if nothing is left that had expired
    /// when the prune began.
    ///
    /// A batch of which no row could be deleted is also the last. Either another prune was faster, or
    /// the database keeps the rows, by a policy or a trigger, and would return them forever.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Disconnected`](crate::Error::Disconnected),
    /// [`Error::MissingTable`](crate::Error::MissingTable),
    /// [`Error::Unreachable`](crate::Error::Unreachable) or
    /// [`Error::Database`](crate::Error::Database). Batches before the error stay deleted, and the next
    /// call continues after them.
    pub async fn next(&mut self) -> Result<Option<u64>> {
        let result = self.delete_next().await;
        if !matches!(result, Ok(Some(_))) {
            let store = &self.pruner.store;
            metrics::record_prune(store.target(), result.is_ok(), store.now());
        }
        result
    }

    async fn delete_next(&mut self) -> Result<Option<u64>> {
        if self.is_done {
            return Ok(None);
        }
        let Self { pruner, now, .. } = self;
        let batch = pruner.find(self.start, *now).await?;
        let found = batch.sids.len();
        let rows = pruner.delete(batch.sids, *now).await?;
        metrics::record_pruned_rows(pruner.store.target(), rows);
        self.is_done = found < pruner.batch_size as usize || rows == 0;
        self.start = batch.last_expire;
        Ok((found > 0).then_some(rows))
    }
}

struct Batch {
    sids: Vec<Value>,
    /// Where the next batch starts. PostgreSQL and InnoDB keep deleted entries in the index for a while,
    /// and a search from its beginning would pass over more of them with each batch. SQLite does not
    /// keep them. `None` if the last `expire` cannot be read (MariaDB allows a date of zeros), or is read
    /// as the year 1 (PostgreSQL's `-infinity`): then the next batch starts at the beginning.
    last_expire: Option<OffsetDateTime>,
}

/// A running prune schedule. Call [`stop`](Self::stop), or drop it, to end the schedule.
#[derive(Debug)]
#[must_use = "dropping a `PruneTask` stops pruning: bind it to a named variable (`let prune = …`, not \
              `let _ = …`) that lives as long as the application"]
pub struct PruneTask {
    // Dropping it ends the task too.
    stop: oneshot::Sender<()>,
    task: Option<JoinHandle<()>>,
}

impl PruneTask {
    /// Stops the schedule and waits until the current batch is done.
    pub async fn stop(self) {
        // Fails if the task has ended.
        let _ = self.stop.send(());
        if let Some(task) = self.task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the prune task panicked");
        }
    }
}
