//! Pruning: which rows it deletes, and in which batches.

use sea_orm::{DatabaseConnection, DbBackend, EntityTrait, QueryOrder};
use session_store::{Error, SessionModel};
use tests::database::execute;
use tests::kinds::json_and_offset::{Column, Entity, Model};
use tests::{
    create_expiring, neighbouring_timestamps, new_session, on_every_database,
    on_every_database_and_kind, record, row_count, store,
};
use time::{Duration, OffsetDateTime};
use tower_sessions::SessionStore;

on_every_database_and_kind!(
    prune_deletes_expired_sessions_and_nothing_else,
    prune_deletes_more_than_one_batch,
);

on_every_database!(
    a_prune_can_be_stopped_after_any_batch,
    a_prune_by_batches_continues_after_an_error,
    a_prune_stops_if_the_database_keeps_the_rows,
    sessions_that_expire_during_a_prune_are_left_to_the_next,
    concurrent_prunes_delete_each_row_once,
    sids_that_the_database_pads_are_pruned,
    a_session_touched_during_a_prune_is_not_pruned,
    expiries_that_another_program_wrote_are_compared_as_time,
    expiries_that_another_program_wrote_as_unix_times_are_compared_as_time,
    unreadable_expiries_do_not_stop_pruning,
);

async fn prune_deletes_expired_sessions_and_nothing_else<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let expiries = neighbouring_timestamps(clock.now() + Duration::hours(1));
    create_expiring(&store, &expiries).await;
    let mut left = expiries.len();
    for expiry in expiries {
        clock.set(expiry - Duration::MICROSECOND);
        left -= usize::try_from(store.prune().await.unwrap()).unwrap();
        assert_eq!(row_count(&store).await, left);
        assert_eq!(store.count().await.unwrap(), left as u64);
        clock.set(expiry);
        assert_eq!(store.prune().await.unwrap(), 1, "{expiry}");
        left -= 1;
        assert_eq!(row_count(&store).await, left);
    }
    assert_eq!(left, 0);
}

async fn prune_deletes_more_than_one_batch<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    create_expiring(&store, &vec![clock.now() + Duration::HOUR; 25]).await;
    create_expiring(&store, &[clock.now() + Duration::hours(3); 5]).await;
    clock.advance(Duration::hours(2));
    for batch in [1, 5, 7, 100] {
        let pruned = store.pruner().batch_size(batch).prune().await.unwrap();
        assert_eq!(pruned, if batch == 1 { 25 } else { 0 });
    }
    assert_eq!(row_count(&store).await, 5);
}

async fn a_prune_can_be_stopped_after_any_batch(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    let first = clock.now() + Duration::HOUR;
    let expiries: Vec<_> = (0..12).map(|n| first + Duration::seconds(n)).collect();
    create_expiring(&store, &expiries).await;
    create_expiring(&store, &[clock.now() + Duration::hours(3)]).await;
    clock.advance(Duration::hours(2));
    let pruner = store.pruner().batch_size(4);

    let mut batches = pruner.batches();
    assert_eq!(
        row_count(&store).await,
        13,
        "`batches` alone prunes nothing"
    );
    assert_eq!(batches.next().await.unwrap(), Some(4));
    drop(batches);
    let left = Entity::find().order_by_asc(Column::Expire);
    let left = left.all(store.db()).await.unwrap();
    assert_eq!(left.len(), 9);
    assert_eq!(left[0].expire, expiries[4], "the oldest are deleted first");

    let mut batches = pruner.batches();
    assert_eq!(batches.next().await.unwrap(), Some(4));
    assert_eq!(batches.next().await.unwrap(), Some(4));
    assert_eq!(batches.next().await.unwrap(), None);
    assert_eq!(batches.next().await.unwrap(), None);
    assert_eq!(row_count(&store).await, 1);
}

async fn a_prune_by_batches_continues_after_an_error(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    let first = clock.now() + Duration::HOUR;
    let expiries: Vec<_> = (0..5).map(|n| first + Duration::seconds(n)).collect();
    create_expiring(&store, &expiries).await;
    clock.advance(Duration::hours(2));
    let mut batches = store.pruner().batch_size(2).batches();
    assert_eq!(batches.next().await.unwrap(), Some(2));
    execute(store.db(), "ALTER TABLE session RENAME TO away").await;
    for _ in 0..2 {
        let error = batches.next().await.unwrap_err();
        assert!(matches!(error, Error::MissingTable { .. }), "{error}");
    }
    execute(store.db(), "ALTER TABLE away RENAME TO session").await;
    assert_eq!(row_count(&store).await, 3);
    assert_eq!(batches.next().await.unwrap(), Some(2));
    assert_eq!(batches.next().await.unwrap(), Some(1));
    assert_eq!(batches.next().await.unwrap(), None);
}

async fn a_prune_stops_if_the_database_keeps_the_rows(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    create_expiring(&store, &[clock.now() + Duration::HOUR; 5]).await;
    clock.advance(Duration::hours(2));
    let keep_rows: &[&str] = match store.db().get_database_backend() {
        DbBackend::Sqlite => &["CREATE TRIGGER keep_rows BEFORE DELETE ON session \
             BEGIN SELECT RAISE(IGNORE); END"],
        DbBackend::Postgres => &[
            "CREATE FUNCTION keep_rows() RETURNS trigger LANGUAGE plpgsql \
             AS 'BEGIN RETURN NULL; END'",
            "CREATE TRIGGER keep_rows BEFORE DELETE ON session \
             FOR EACH ROW EXECUTE FUNCTION keep_rows()",
        ],
        _ => return, // A trigger of MariaDB cannot keep a row without an error.
    };
    for statement in keep_rows {
        execute(store.db(), statement).await;
    }
    let mut batches = store.pruner().batch_size(2).batches();
    assert_eq!(batches.next().await.unwrap(), Some(0));
    assert_eq!(batches.next().await.unwrap(), None);
    assert_eq!(row_count(&store).await, 5);
}

async fn sessions_that_expire_during_a_prune_are_left_to_the_next(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    let expiry = clock.now() + Duration::HOUR;
    let later = expiry + Duration::MICROSECOND;
    create_expiring(&store, &[expiry, expiry, expiry, later]).await;
    clock.set(expiry);
    let mut batches = store.pruner().batch_size(2).batches();
    assert_eq!(batches.next().await.unwrap(), Some(2));
    clock.advance(Duration::HOUR);
    assert_eq!(batches.next().await.unwrap(), Some(1));
    assert_eq!(batches.next().await.unwrap(), None);
    assert_eq!(row_count(&store).await, 1);
    assert_eq!(store.prune().await.unwrap(), 1);
}

async fn concurrent_prunes_delete_each_row_once(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    create_expiring(&store, &vec![clock.now() + Duration::HOUR; 60]).await;
    create_expiring(&store, &[clock.now() + Duration::hours(3); 5]).await;
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
    assert_eq!(row_count(&store).await, 5);
}

async fn a_session_touched_during_a_prune_is_not_pruned(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    let start = clock.now();
    let touching = store
        .clone()
        .with_idle_timeout(Duration::HOUR)
        .with_touch_after(Duration::ZERO);
    for round in 0..20 {
        clock.set(start);
        let mut sessions = Vec::new();
        for _ in 0..8 {
            let session = new_session(&touching, start, []).await;
            sessions.push(session);
        }
        // The sessions are expired by the clock of the prune, but not by that of the touches: as on
        // two machines, or when a prune selects rows before a touch and deletes them after it.
        let pruning = store.clone().with_clock(move || start + Duration::HOUR);
        clock.set(start + Duration::minutes(30));
        let pruner = pruning.pruner().batch_size(1 + round % 4);
        let prune = tokio::spawn(async move { pruner.prune().await.unwrap() });
        let mut touched = Vec::new();
        for session in &sessions {
            if touching.touch(&session.id).await.unwrap() {
                touched.push(session.id);
            }
        }
        prune.await.unwrap();
        for id in touched {
            assert!(
                touching.find(&id).await.unwrap().is_some(),
                "a touched session was pruned"
            );
        }
        touching.delete_all().await.unwrap();
    }
}

/// On `SQLite` timestamps are text, and other programs may write them in another format.
async fn expiries_that_another_program_wrote_are_compared_as_time(db: DatabaseConnection) {
    if db.get_database_backend() != DbBackend::Sqlite {
        return;
    }
    let (store, clock) = store::<Model>(db).await;
    let noon = time::macros::datetime!(2030-06-01 12:00 UTC);
    clock.set(noon - Duration::DAY);
    create_expiring(&store, &[noon]).await;
    for (text, expiry) in [
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
        for (now, active) in [(expiry - Duration::NANOSECOND, 1), (expiry, 0)] {
            clock.set(now);
            assert_eq!(store.count().await.unwrap(), active, "{text} at {now}");
            if active == 1 {
                assert_eq!(store.prune().await.unwrap(), 0, "{text} at {now}");
            }
        }
    }
    // A prune finds rows in the format of the store as soon as they expire, and rows with an offset
    // east of UTC later, by that offset.
    clock.set(noon + Duration::DAY);
    assert_eq!(store.prune().await.unwrap(), 1);
}

/// The type `datetime` has numeric affinity on `SQLite`: the driver reads integers as Unix times.
async fn expiries_that_another_program_wrote_as_unix_times_are_compared_as_time(
    db: DatabaseConnection,
) {
    if db.get_database_backend() != DbBackend::Sqlite {
        return;
    }
    let sql = "CREATE TABLE session (sid text PRIMARY KEY, sess text NOT NULL, \
               expire datetime NOT NULL, created_at text)";
    execute(&db, sql).await;
    let (store, clock) = store::<Model>(db).await;
    create_expiring(&store, &[clock.now()]).await;
    execute(store.db(), "UPDATE session SET expire = 1900000000").await;
    let expiry = OffsetDateTime::from_unix_timestamp(1_900_000_000).unwrap();
    for (now, active) in [(expiry - Duration::NANOSECOND, 1), (expiry, 0)] {
        clock.set(now);
        assert_eq!(store.count().await.unwrap(), active, "at {now}");
        assert_eq!(store.prune().await.unwrap(), 1 - active, "at {now}");
    }
}

async fn unreadable_expiries_do_not_stop_pruning(db: DatabaseConnection) {
    if db.get_database_backend() != DbBackend::MySql {
        return; // Only MariaDB accepts a date of zeros.
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

async fn sids_that_the_database_pads_are_pruned(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    let alter = match store.db().get_database_backend() {
        DbBackend::Postgres => "ALTER TABLE session ALTER COLUMN sid TYPE char(80)",
        DbBackend::MySql => "ALTER TABLE session MODIFY sid char(80)",
        // SQLite has one type of text.
        _ => return,
    };
    execute(store.db(), alter).await;
    new_session(&store, clock.now(), []).await;
    clock.advance(Duration::HOUR);
    assert_eq!(store.prune().await.unwrap(), 1);
}
