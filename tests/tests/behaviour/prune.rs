//! Pruning: what it takes, what it leaves, and its schedule.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration as StdDuration;

use sea_orm::{DatabaseConnection, DbBackend, EntityTrait, QueryOrder};
use session_store::{Error, SeaOrmStore, SessionModel};
use tests::database::execute;
use tests::kinds::json_and_offset::{Column, Entity, Model};
use tests::{
    neighbouring_timestamps, on_every_database, on_every_database_and_kind, record, store,
};
use time::{Duration, OffsetDateTime};
use tower_sessions::SessionStore;

on_every_database_and_kind!(
    prune_takes_what_has_expired_and_nothing_else,
    prune_takes_more_than_a_batch,
);

on_every_database!(
    a_prune_can_be_ended_after_any_batch,
    a_prune_by_batches_goes_on_after_an_error,
    a_prune_ends_where_the_database_keeps_the_rows,
    what_expires_during_a_prune_is_left_to_the_next,
    several_prunes_at_once_are_harmless,
    a_session_touched_during_a_prune_is_not_pruned,
    ends_that_another_program_wrote_are_read_as_time,
    ends_that_another_program_wrote_as_unix_times_are_read_as_time,
    rows_whose_end_nobody_can_read_do_not_stop_the_pruning,
);

on_every_database!(
    one_thread:
    the_schedule_prunes_within_each_interval,
    the_schedule_goes_on_after_an_error,
    a_zero_interval_never_prunes,
    a_stopped_or_dropped_task_prunes_no_more,
);

async fn rows<M: SessionModel>(store: &SeaOrmStore<M>) -> usize {
    M::Entity::find().all(store.db()).await.unwrap().len()
}

async fn create<M: SessionModel>(store: &SeaOrmStore<M>, ends: &[OffsetDateTime]) {
    for end in ends {
        let mut session = record(*end, []);
        session.expiry_date = *end;
        store.create(&mut session).await.unwrap();
    }
}

async fn prune_takes_what_has_expired_and_nothing_else<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let ends = neighbouring_timestamps(clock.now() + Duration::hours(1));
    create(&store, &ends).await;
    let mut left = ends.len();
    for end in ends {
        clock.set(end - Duration::MICROSECOND);
        left -= usize::try_from(store.prune().await.unwrap()).unwrap();
        assert_eq!(rows(&store).await, left);
        assert_eq!(store.count().await.unwrap(), left as u64);
        clock.set(end);
        assert_eq!(store.prune().await.unwrap(), 1, "{end}");
        left -= 1;
        assert_eq!(rows(&store).await, left);
    }
    assert_eq!(left, 0);
}

async fn prune_takes_more_than_a_batch<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    create(&store, &vec![clock.now() + Duration::HOUR; 25]).await;
    create(&store, &[clock.now() + Duration::hours(3); 5]).await;
    clock.advance(Duration::hours(2));
    for batch in [1, 5, 7, 100] {
        let pruned = store.pruner().batch_size(batch).prune().await.unwrap();
        assert_eq!(pruned, if batch == 1 { 25 } else { 0 });
    }
    assert_eq!(rows(&store).await, 5);
}

async fn a_prune_can_be_ended_after_any_batch(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    let first = clock.now() + Duration::HOUR;
    let ends: Vec<_> = (0..12).map(|n| first + Duration::seconds(n)).collect();
    create(&store, &ends).await;
    create(&store, &[clock.now() + Duration::hours(3)]).await;
    clock.advance(Duration::hours(2));
    let pruner = store.pruner().batch_size(4);

    let mut batches = pruner.batches();
    assert_eq!(rows(&store).await, 13, "pruned before it was asked to");
    assert_eq!(batches.next().await.unwrap(), Some(4));
    drop(batches);
    let left = Entity::find().order_by_asc(Column::Expire);
    let left = left.all(store.db()).await.unwrap();
    assert_eq!(left.len(), 9);
    assert_eq!(left[0].expire, ends[4], "the oldest go first");

    let mut batches = pruner.batches();
    assert_eq!(batches.next().await.unwrap(), Some(4));
    assert_eq!(batches.next().await.unwrap(), Some(4));
    assert_eq!(batches.next().await.unwrap(), None);
    assert_eq!(batches.next().await.unwrap(), None);
    assert_eq!(rows(&store).await, 1);
}

async fn a_prune_by_batches_goes_on_after_an_error(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    let first = clock.now() + Duration::HOUR;
    let ends: Vec<_> = (0..5).map(|n| first + Duration::seconds(n)).collect();
    create(&store, &ends).await;
    clock.advance(Duration::hours(2));
    let mut batches = store.pruner().batch_size(2).batches();
    assert_eq!(batches.next().await.unwrap(), Some(2));
    execute(store.db(), "ALTER TABLE session RENAME TO away").await;
    for _ in 0..2 {
        let error = batches.next().await.unwrap_err();
        assert!(matches!(error, Error::MissingTable { .. }), "{error}");
    }
    execute(store.db(), "ALTER TABLE away RENAME TO session").await;
    assert_eq!(rows(&store).await, 3);
    assert_eq!(batches.next().await.unwrap(), Some(2));
    assert_eq!(batches.next().await.unwrap(), Some(1));
    assert_eq!(batches.next().await.unwrap(), None);
}

async fn a_prune_ends_where_the_database_keeps_the_rows(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    create(&store, &[clock.now() + Duration::HOUR; 5]).await;
    clock.advance(Duration::hours(2));
    let keeps: &[&str] = match store.db().get_database_backend() {
        DbBackend::Sqlite => &["CREATE TRIGGER keeps BEFORE DELETE ON session \
             BEGIN SELECT RAISE(IGNORE); END"],
        DbBackend::Postgres => &[
            "CREATE FUNCTION keeps() RETURNS trigger LANGUAGE plpgsql \
             AS 'BEGIN RETURN NULL; END'",
            "CREATE TRIGGER keeps BEFORE DELETE ON session \
             FOR EACH ROW EXECUTE FUNCTION keeps()",
        ],
        _ => return, // MariaDB says an error.
    };
    for statement in keeps {
        execute(store.db(), statement).await;
    }
    let mut batches = store.pruner().batch_size(2).batches();
    assert_eq!(batches.next().await.unwrap(), Some(0));
    assert_eq!(batches.next().await.unwrap(), None);
    assert_eq!(rows(&store).await, 5);
}

async fn what_expires_during_a_prune_is_left_to_the_next(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    let end = clock.now() + Duration::HOUR;
    create(&store, &[end, end, end, end + Duration::MICROSECOND]).await;
    clock.set(end);
    let mut batches = store.pruner().batch_size(2).batches();
    assert_eq!(batches.next().await.unwrap(), Some(2));
    clock.advance(Duration::HOUR);
    assert_eq!(batches.next().await.unwrap(), Some(1));
    assert_eq!(batches.next().await.unwrap(), None);
    assert_eq!(rows(&store).await, 1);
    assert_eq!(store.prune().await.unwrap(), 1);
}

async fn several_prunes_at_once_are_harmless(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    create(&store, &vec![clock.now() + Duration::HOUR; 60]).await;
    create(&store, &[clock.now() + Duration::hours(3); 5]).await;
    clock.advance(Duration::hours(2));
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let pruner = store.pruner().batch_size(7);
            tokio::spawn(async move { pruner.prune().await.unwrap() })
        })
        .collect();
    let mut pruned = 0;
    for task in tasks {
        pruned += task.await.unwrap();
    }
    assert_eq!(pruned, 60);
    assert_eq!(rows(&store).await, 5);
}

async fn a_session_touched_during_a_prune_is_not_pruned(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    let start = clock.now();
    let sliding = store
        .clone()
        .with_idle_timeout(Duration::HOUR)
        .with_touch_after(Duration::ZERO);
    for round in 0..20 {
        clock.set(start);
        let mut sessions = Vec::new();
        for _ in 0..8 {
            let mut session = record(start, []);
            sliding.create(&mut session).await.unwrap();
            sessions.push(session);
        }
        // This clock of the prune is past the sessions' end, the other one is not: as on two
        // machines, or in a prune that began before a touch and deletes after it.
        let late = store.clone().with_clock(move || start + Duration::HOUR);
        clock.set(start + Duration::minutes(30));
        let pruner = late.pruner().batch_size(1 + round % 4);
        let prune = tokio::spawn(async move { pruner.prune().await.unwrap() });
        let mut touched = Vec::new();
        for session in &sessions {
            if sliding.touch(&session.id).await.unwrap() {
                touched.push(session.id);
            }
        }
        prune.await.unwrap();
        for id in touched {
            assert!(
                sliding.find(&id).await.unwrap().is_some(),
                "a touched session was pruned"
            );
        }
        sliding.delete_all().await.unwrap();
    }
}

/// On `SQLite` a timestamp is text, and nothing makes another program write it as this store does.
async fn ends_that_another_program_wrote_are_read_as_time(db: DatabaseConnection) {
    if db.get_database_backend() != DbBackend::Sqlite {
        return;
    }
    let (store, clock) = store::<Model>(db).await;
    let noon = time::macros::datetime!(2030-06-01 12:00 UTC);
    clock.set(noon - Duration::DAY);
    create(&store, &[noon]).await;
    for (text, end) in [
        ("2030-06-01T12:00:00Z", noon),
        ("2030-06-01 12:00:00", noon),
        ("2030-06-01 12:00:00.000", noon),
        (
            "2030-06-01T12:00:00.500Z",
            noon + Duration::milliseconds(500),
        ),
        (
            "2030-06-01T12:00:00.0000001Z",
            noon + Duration::nanoseconds(100),
        ),
        ("2030-06-01T14:00:00+02:00", noon),
        (
            "2030-06-01T14:00:00.25+02:00",
            noon + Duration::milliseconds(250),
        ),
        (
            "2030-05-31T23:59:59.999999999-12:00",
            noon - Duration::NANOSECOND,
        ),
        (
            "2030-06-02 02:00:00.9+14:00",
            noon + Duration::milliseconds(900),
        ),
        (
            "2030-06-01 12:00:00.999999+00:00",
            noon + Duration::microseconds(999_999),
        ),
        ("2030-06-01T12:00:00.5z", noon + Duration::milliseconds(500)),
        ("2030-06-01 12:00", noon),
        ("2030-06-01 14:00+02:00", noon),
        ("2030-06-01T12:00Z", noon),
    ] {
        execute(store.db(), &format!("UPDATE session SET expire = '{text}'")).await;
        for (now, live) in [(end - Duration::NANOSECOND, 1), (end, 0)] {
            clock.set(now);
            assert_eq!(store.count().await.unwrap(), live, "{text} at {now}");
            if live == 1 {
                assert_eq!(store.prune().await.unwrap(), 0, "{text} at {now}");
            }
        }
    }
    // Pruned at once as the store writes them, and within the offset as others may.
    clock.set(noon + Duration::DAY);
    assert_eq!(store.prune().await.unwrap(), 1);
}

/// Pauses tokio's clock, which then stands still until the test advances it. Paused, it would go
/// forward by itself whenever nothing but timers seems to be left to wait for, as while a database
/// works on its answer; a blocking task keeps it from that.
struct PausedClock {
    db: DatabaseConnection,
    _alive: std::sync::mpsc::Sender<()>,
}

impl PausedClock {
    fn new(db: &DatabaseConnection) -> Self {
        let (alive, ended) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || ended.recv());
        tokio::time::pause();
        Self {
            db: db.clone(),
            _alive: alive,
        }
    }

    async fn advance(&self, by: Duration) {
        // sqlx closes a connection that is late in coming back to the pool, and a database in memory
        // ends with it.
        if self.db.get_database_backend() == DbBackend::Sqlite {
            let pool = self.db.get_sqlite_connection_pool();
            while pool.num_idle() < pool.size() as usize {
                pass_real_time(StdDuration::from_millis(1)).await;
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

/// Gives the other tasks and the database time, of the wall's clock, to come to a state.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..10_000 {
        if is_so().await {
            return;
        }
        pass_real_time(StdDuration::from_millis(2)).await;
    }
    panic!("never: {what}");
}

async fn pass_real_time(time: StdDuration) {
    tokio::task::spawn_blocking(move || std::thread::sleep(time))
        .await
        .unwrap();
}

/// For what must not happen: long enough for a prune to have happened many times.
async fn settle() {
    pass_real_time(StdDuration::from_millis(50)).await;
}

const MINUTES: fn(i64) -> Duration = Duration::minutes;

/// A store with one expired session in its table.
async fn store_with_an_expired_session(db: DatabaseConnection) -> SeaOrmStore<Model> {
    let (store, clock) = store::<Model>(db).await;
    create(&store, &[clock.now() - Duration::SECOND]).await;
    store
}

async fn the_schedule_prunes_within_each_interval(db: DatabaseConnection) {
    let store = store_with_an_expired_session(db).await;
    let clock = PausedClock::new(store.db());
    let task = store
        .pruner()
        .interval(MINUTES(10))
        .jitter(MINUTES(4))
        .start();
    settle().await;
    clock.advance(MINUTES(6) - Duration::SECOND).await;
    settle().await;
    assert_eq!(
        rows(&store).await,
        1,
        "pruned before the interval less its jitter"
    );
    for _ in 0..3 {
        until("pruned", async || {
            clock.advance(Duration::MINUTE).await;
            rows(&store).await == 0
        })
        .await;
        create(&store, &[OffsetDateTime::now_utc() - Duration::DAY]).await;
    }
    task.stop().await;
}

async fn the_schedule_goes_on_after_an_error(db: DatabaseConnection) {
    let store = store_with_an_expired_session(db).await;
    // A prune looks at the clock once, when it begins.
    let begun = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&begun);
    let counted = store.clone().with_clock(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        OffsetDateTime::now_utc()
    });
    let clock = PausedClock::new(store.db());
    execute(store.db(), "ALTER TABLE session RENAME TO away").await;
    let task = counted.prune_every(MINUTES(10));
    // When the second has begun, the first has failed.
    until("begun twice", async || {
        clock.advance(Duration::MINUTE).await;
        begun.load(Ordering::SeqCst) >= 2
    })
    .await;
    execute(store.db(), "ALTER TABLE away RENAME TO session").await;
    until("pruned", async || {
        clock.advance(Duration::MINUTE).await;
        rows(&store).await == 0
    })
    .await;
    task.stop().await;
}

async fn a_zero_interval_never_prunes(db: DatabaseConnection) {
    let store = store_with_an_expired_session(db).await;
    let clock = PausedClock::new(store.db());
    for interval in [Duration::ZERO, MINUTES(-1)] {
        let task = store.prune_every(interval);
        clock.advance(Duration::days(1)).await;
        settle().await;
        assert_eq!(rows(&store).await, 1);
        task.stop().await;
    }
}

async fn a_stopped_or_dropped_task_prunes_no_more(db: DatabaseConnection) {
    let store = store_with_an_expired_session(db).await;
    let clock = PausedClock::new(store.db());
    store.prune_every(MINUTES(10)).stop().await;
    drop(store.prune_every(MINUTES(10)));
    for _ in 0..3 {
        clock.advance(MINUTES(10)).await;
        settle().await;
    }
    assert_eq!(rows(&store).await, 1);
}

/// A column without `text` in its type has another affinity, and the driver reads integers in it as
/// Unix times.
async fn ends_that_another_program_wrote_as_unix_times_are_read_as_time(db: DatabaseConnection) {
    if db.get_database_backend() != DbBackend::Sqlite {
        return;
    }
    let sql = "CREATE TABLE session (sid text PRIMARY KEY, sess text NOT NULL, \
               expire datetime NOT NULL, created_at text)";
    execute(&db, sql).await;
    let (store, clock) = store::<Model>(db).await;
    create(&store, &[clock.now()]).await;
    execute(store.db(), "UPDATE session SET expire = 1900000000").await;
    let end = OffsetDateTime::from_unix_timestamp(1_900_000_000).unwrap();
    for (now, live) in [(end - Duration::NANOSECOND, 1), (end, 0)] {
        clock.set(now);
        assert_eq!(store.count().await.unwrap(), live, "at {now}");
        assert_eq!(store.prune().await.unwrap(), 1 - live, "at {now}");
    }
}

async fn rows_whose_end_nobody_can_read_do_not_stop_the_pruning(db: DatabaseConnection) {
    if db.get_database_backend() != DbBackend::MySql {
        return; // MariaDB alone takes a date of zeros.
    }
    let (store, clock) = store::<Model>(db).await;
    for _ in 0..3 {
        store.create(&mut record(clock.now(), [])).await.unwrap();
    }
    execute(
        store.db(),
        "UPDATE session SET expire = '0000-00-00 00:00:00'",
    )
    .await;
    assert_eq!(store.pruner().batch_size(1).prune().await.unwrap(), 3);
}
