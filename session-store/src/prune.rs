//! Deleting expired rows, in batches and on a schedule.

use std::time::Duration as StdDuration;

use sea_orm::{
    ColumnTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Value,
};
use time::{Duration, OffsetDateTime};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::column::TimestampColumn;
use crate::error::Result;
use crate::load::get;
use crate::metrics;
use crate::model::{Columns, SessionModel};
use crate::store::SeaOrmStore;
use crate::telemetry::Operation;

/// Rows that a batch deletes unless [`Pruner::batch_size`] says otherwise.
const DEFAULT_BATCH_SIZE: u32 = 100;

/// A batch binds a value per row, and SQLite takes no more than 32766.
const MAX_BATCH_SIZE: u32 = 10_000;

impl<M: SessionModel> SeaOrmStore<M> {
    /// Deletes the rows of expired sessions and returns how many that were.
    ///
    /// In batches: each reads the sids of up to 100 expired rows by the expire index and deletes
    /// them by primary key if they are still expired. No lock is held from one batch to the next,
    /// and pruning from several processes at once is harmless.
    ///
    /// # Errors
    ///
    /// [`Error::Disconnected`](crate::Error::Disconnected) or
    /// [`Error::Database`](crate::Error::Database). Batches before the error stay deleted.
    pub async fn prune(&self) -> Result<u64> {
        self.pruner().prune().await
    }

    /// Prunes every `interval` in a task of its own, until the returned [`PruneTask`] is stopped or
    /// dropped. [`Duration::ZERO`] gives a schedule that never runs.
    ///
    /// An error is logged and the schedule goes on. [`pruner`](Self::pruner) has more settings.
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

    /// A schedule of pruning, to be set up and [started](Pruner::start).
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

/// A schedule of pruning that has not started; from [`SeaOrmStore::pruner`].
#[derive(Clone, Debug)]
#[must_use = "nothing is pruned until `start` is called"]
pub struct Pruner<M: SessionModel> {
    store: SeaOrmStore<M>,
    interval: Duration,
    jitter: Option<Duration>,
    batch_size: u32,
}

impl<M: SessionModel> Pruner<M> {
    /// The longest time between two prunings. Zero, which it is unless set, never prunes.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Each wait is shorter than the interval by a random time up to this, so that processes which
    /// were started together do not prune together. A tenth of the interval unless set.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = Some(jitter);
        self
    }

    /// How many rows a batch reads and deletes: 100 unless set, at least 1 and at most 10 000.
    pub fn batch_size(mut self, rows: u32) -> Self {
        self.batch_size = rows.clamp(1, MAX_BATCH_SIZE);
        self
    }

    /// Prunes once, now, whatever the interval; see [`SeaOrmStore::prune`].
    ///
    /// # Errors
    ///
    /// [`Error::Disconnected`](crate::Error::Disconnected) or
    /// [`Error::Database`](crate::Error::Database). Batches before the error stay deleted.
    pub async fn prune(&self) -> Result<u64> {
        self.prune_until(|| false).await
    }

    /// Prunes once, batch by batch, as the caller asks for them: to show progress, to wait between
    /// two batches, or to end after any of them.
    ///
    /// [`SeaOrmStore::expired`] tells how many rows there are to delete.
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
            from: None,
            is_done: false,
        }
    }

    /// Starts the schedule on the current tokio runtime. The first pruning comes after the first
    /// wait.
    ///
    /// Outside a tokio runtime an error is logged and nothing runs.
    pub fn start(self) -> PruneTask {
        let (stop, stopped) = oneshot::channel();
        let task = match (self.interval.is_positive(), Handle::try_current()) {
            (false, _) => None,
            (true, Ok(runtime)) => Some(runtime.spawn(self.run_on_schedule(stopped))),
            (true, Err(error)) => {
                tracing::error!(%error, "expired sessions are not pruned");
                None
            }
        };
        PruneTask { stop, task }
    }

    async fn run_on_schedule(self, mut stopped: oneshot::Receiver<()>) {
        loop {
            tokio::select! {
                _ = &mut stopped => return,
                () = tokio::time::sleep(self.wait()) => {}
            }
            let is_stopped = || stopped.try_recv() != Err(oneshot::error::TryRecvError::Empty);
            match self.prune_until(is_stopped).await {
                Ok(0) => {}
                Ok(rows) => tracing::debug!(rows, "expired sessions pruned"),
                Err(error) => tracing::error!(%error, "expired sessions not pruned"),
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

    /// A batch of rows that have expired, the oldest first.
    async fn expired(&self, from: Option<OffsetDateTime>, now: OffsetDateTime) -> Result<Batch> {
        let Columns { sid, expire, .. } = M::columns();
        let expiry = self.store.expiry();
        let select = M::Entity::find()
            .select_only()
            .columns([sid, expire])
            .filter(expiry.found_at_or_before(now))
            .apply_if(from, |select, from| {
                select.filter(expiry.is_at_or_after(from))
            })
            .order_by_asc(expire)
            .limit(u64::from(self.batch_size))
            .into_query();
        let rows = self.store.query_all(Operation::PRUNE_FIND, &select).await?;
        let is_passed_over = self.store.backend() != DbBackend::Sqlite;
        let last = rows.last().filter(|_| is_passed_over);
        Ok(Batch {
            sids: rows
                .iter()
                .map(|row| Ok(get::<M, M::Sid>(row, 0, sid)?.into()))
                .collect::<Result<_>>()?,
            last_end: last
                .and_then(|row| get::<M, M::Expire>(row, 1, expire).ok())
                .map(|end| end.moment()),
        })
    }

    /// Deletes those of the rows that are still expired: one may have been touched meanwhile.
    async fn delete(&self, sids: Vec<Value>, now: OffsetDateTime) -> Result<u64> {
        if sids.is_empty() {
            return Ok(0);
        }
        let delete = M::Entity::delete_many()
            .filter(M::columns().sid.is_in(sids))
            .filter(self.store.expiry().is_at_or_before_without_index(now))
            .into_query();
        self.store.execute(Operation::PRUNE_DELETE, &delete).await
    }
}

/// A prune in progress; from [`Pruner::batches`].
#[derive(Debug)]
#[must_use = "nothing is pruned until `next` is called"]
pub struct PruneBatches<M: SessionModel> {
    pruner: Pruner<M>,
    /// What had expired when the prune began is pruned, so that it ends.
    now: OffsetDateTime,
    from: Option<OffsetDateTime>,
    is_done: bool,
}

impl<M: SessionModel> PruneBatches<M> {
    /// Deletes the next batch and returns how many rows that were; `None` if nothing is left that had
    /// expired when the prune began.
    ///
    /// A batch of which nothing could be deleted is the last too: another prune is ahead of this one,
    /// or the database keeps the rows (by a policy, or a trigger) and would give them again without
    /// end.
    ///
    /// # Errors
    ///
    /// [`Error::Disconnected`](crate::Error::Disconnected) or
    /// [`Error::Database`](crate::Error::Database). Batches before the error stay deleted, and the
    /// next call goes on.
    pub async fn next(&mut self) -> Result<Option<u64>> {
        let result = self.delete_next().await;
        if !matches!(result, Ok(Some(_))) {
            let store = &self.pruner.store;
            metrics::pruned(store.target(), result.is_ok(), store.now());
        }
        result
    }

    async fn delete_next(&mut self) -> Result<Option<u64>> {
        if self.is_done {
            return Ok(None);
        }
        let Self { pruner, now, .. } = self;
        let batch = pruner.expired(self.from, *now).await?;
        let found = batch.sids.len();
        let rows = pruner.delete(batch.sids, *now).await?;
        metrics::rows_pruned(pruner.store.target(), rows);
        self.is_done = found < pruner.batch_size as usize || rows == 0;
        self.from = batch.last_end;
        Ok((found > 0).then_some(rows))
    }
}

struct Batch {
    sids: Vec<Value>,
    /// Where the next begins. PostgreSQL and InnoDB leave what is deleted in the index for a while, and
    /// a search from its beginning passes over it, longer with each batch. SQLite does not. None if the
    /// end cannot be read (MariaDB takes a date of zeros): then the next begins at the beginning.
    last_end: Option<OffsetDateTime>,
}

/// A running schedule of pruning. It ends when it is stopped or dropped.
#[derive(Debug)]
#[must_use = "dropping it stops the pruning; keep it for as long as the application runs"]
pub struct PruneTask {
    // Dropping it ends the task too.
    stop: oneshot::Sender<()>,
    task: Option<JoinHandle<()>>,
}

impl PruneTask {
    /// Ends the schedule and waits until the batch in hand is done.
    pub async fn stop(self) {
        drop(self.stop);
        if let Some(task) = self.task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the pruning task failed");
        }
    }
}
