//! The schedule of `prune_every`, with tokio's clock paused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration as StdDuration;

use sea_orm::{DatabaseConnection, DbBackend};
use session_store::SeaOrmStore;
use tests::database::{execute, take_connections};
use tests::kinds::json_and_offset::Model;
use tests::{create_expiring, on_every_database, row_count, store};
use time::{Duration, OffsetDateTime};

on_every_database!(
    one_thread:
    the_schedule_prunes_within_each_interval,
    the_schedule_continues_after_an_error,
    the_schedule_continues_after_a_panic,
    a_zero_interval_never_prunes,
    a_stopped_or_dropped_task_no_longer_prunes,
    stop_waits_for_the_current_batch_and_then_the_task_ends,
);

/// Pauses tokio's clock until the test advances it.
///
/// A paused clock advances by itself when every task waits, also for a database. A blocking task
/// prevents that.
struct PausedClock {
    db: DatabaseConnection,
    _blocking_task: std::sync::mpsc::Sender<()>,
}

impl PausedClock {
    fn new(db: &DatabaseConnection) -> Self {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || receiver.recv());
        tokio::time::pause();
        Self {
            db: db.clone(),
            _blocking_task: sender,
        }
    }

    async fn advance(&self, by: Duration) {
        // sqlx closes a connection that returns to the pool too late, and with it a database in
        // memory.
        if self.db.get_database_backend() == DbBackend::Sqlite {
            let pool = self.db.get_sqlite_connection_pool();
            while pool.num_idle() < pool.size() as usize {
                wait_in_real_time(StdDuration::from_millis(1)).await;
            }
        }
        tokio::time::advance(by.unsigned_abs()).await;
    }
}

impl Drop for PausedClock {
    fn drop(&mut self) {
        tokio::time::resume();
    }
}

/// Waits, in real time, until the other tasks and the database have reached a state.
async fn wait_until(state: &str, mut is_reached: impl AsyncFnMut() -> bool) {
    for _ in 0..10_000 {
        if is_reached().await {
            return;
        }
        wait_in_real_time(StdDuration::from_millis(2)).await;
    }
    panic!("not reached: {state}");
}

async fn wait_in_real_time(time: StdDuration) {
    tokio::task::spawn_blocking(move || std::thread::sleep(time))
        .await
        .unwrap();
}

/// Waits much longer than a prune takes, before a test asserts that there was none.
async fn wait_for_a_prune() {
    wait_in_real_time(StdDuration::from_millis(50)).await;
}

/// Creates a store with one expired session in its table.
async fn store_with_an_expired_session(db: DatabaseConnection) -> SeaOrmStore<Model> {
    let (store, clock) = store::<Model>(db).await;
    create_expiring(&store, &[clock.now() - Duration::SECOND]).await;
    store
}

async fn the_schedule_prunes_within_each_interval(db: DatabaseConnection) {
    let store = store_with_an_expired_session(db).await;
    let clock = PausedClock::new(store.db());
    let task = store
        .pruner()
        .interval(Duration::minutes(10))
        .jitter(Duration::minutes(4))
        .start();
    wait_for_a_prune().await;
    clock.advance(Duration::minutes(6) - Duration::SECOND).await;
    wait_for_a_prune().await;
    assert_eq!(
        row_count(&store).await,
        1,
        "pruned earlier than the interval minus the jitter"
    );
    for _ in 0..3 {
        wait_until("pruned", async || {
            clock.advance(Duration::MINUTE).await;
            row_count(&store).await == 0
        })
        .await;
        create_expiring(&store, &[OffsetDateTime::now_utc() - Duration::DAY]).await;
    }
    task.stop().await;
}

async fn the_schedule_continues_after_an_error(db: DatabaseConnection) {
    let store = store_with_an_expired_session(db).await;
    // A prune reads the clock once, when it starts.
    let starts = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&starts);
    let counted = store.clone().with_clock(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        OffsetDateTime::now_utc()
    });
    let clock = PausedClock::new(store.db());
    execute(store.db(), "ALTER TABLE session RENAME TO away").await;
    let task = counted.prune_every(Duration::minutes(10));
    // When the second prune starts, the first has failed.
    wait_until("two prunes started", async || {
        clock.advance(Duration::MINUTE).await;
        starts.load(Ordering::SeqCst) >= 2
    })
    .await;
    execute(store.db(), "ALTER TABLE away RENAME TO session").await;
    wait_until("pruned", async || {
        clock.advance(Duration::MINUTE).await;
        row_count(&store).await == 0
    })
    .await;
    task.stop().await;
}

async fn the_schedule_continues_after_a_panic(db: DatabaseConnection) {
    let store = store_with_an_expired_session(db).await;
    let starts = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&starts);
    let panicking = store.clone().with_clock(move || {
        let start = counter.fetch_add(1, Ordering::SeqCst);
        assert_ne!(start, 0, "the first prune panics");
        OffsetDateTime::now_utc()
    });
    let clock = PausedClock::new(store.db());
    let task = panicking.prune_every(Duration::minutes(10));
    wait_until("pruned", async || {
        clock.advance(Duration::MINUTE).await;
        row_count(&store).await == 0
    })
    .await;
    assert!(starts.load(Ordering::SeqCst) >= 2);
    task.stop().await;
}

async fn a_zero_interval_never_prunes(db: DatabaseConnection) {
    let store = store_with_an_expired_session(db).await;
    let clock = PausedClock::new(store.db());
    for interval in [Duration::ZERO, Duration::minutes(-1)] {
        let task = store.prune_every(interval);
        clock.advance(Duration::days(1)).await;
        wait_for_a_prune().await;
        assert_eq!(row_count(&store).await, 1);
        task.stop().await;
    }
}

async fn a_stopped_or_dropped_task_no_longer_prunes(db: DatabaseConnection) {
    let store = store_with_an_expired_session(db).await;
    let clock = PausedClock::new(store.db());
    store.prune_every(Duration::minutes(10)).stop().await;
    drop(store.prune_every(Duration::minutes(10)));
    for _ in 0..3 {
        clock.advance(Duration::minutes(10)).await;
        wait_for_a_prune().await;
    }
    assert_eq!(row_count(&store).await, 1);
}

async fn stop_waits_for_the_current_batch_and_then_the_task_ends(db: DatabaseConnection) {
    let store = store_with_an_expired_session(db).await;
    let has_started = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&has_started);
    let counted = store.clone().with_clock(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        OffsetDateTime::now_utc()
    });
    let panics = count_panics();
    let connections = take_connections(store.db()).await;
    let task = counted
        .pruner()
        .interval(Duration::MILLISECOND)
        .jitter(Duration::ZERO)
        .start();
    wait_until("the prune waits for a connection", async || {
        has_started.load(Ordering::SeqCst) > 0
    })
    .await;
    let stop = tokio::spawn(task.stop());
    wait_for_a_prune().await;
    assert!(!stop.is_finished(), "stopped in the middle of a batch");
    drop(connections);
    stop.await.unwrap();
    assert_eq!(row_count(&store).await, 0);
    assert_eq!(panics.load(Ordering::SeqCst), 0);
}

/// Counts the panics of this thread from now on.
fn count_panics() -> Arc<AtomicU32> {
    let panics = Arc::new(AtomicU32::new(0));
    let (counter, thread) = (Arc::clone(&panics), std::thread::current().id());
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == thread {
            counter.fetch_add(1, Ordering::SeqCst);
        }
        hook(info);
    }));
    panics
}
