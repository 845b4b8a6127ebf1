//! Watching a session until it ends.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration as StdDuration;

use sea_orm::{ColumnTrait, Condition, DatabaseConnection, DbBackend};
use session_store::{Id, SeaOrmStore, SessionModel};
use tests::database::{execute, take_connections};
use tests::kinds::json_and_offset::{self, Model};
use tests::{
    Clock, Visitor, count_statements, entity, layer, new_session, on_database, on_every_database,
    session_routes, store, without_timeouts,
};
use time::Duration;
use tokio::time::{sleep, timeout};
use tower_sessions_core::SessionStore;

on_every_database!(
    what_this_process_ends_ends_a_watch_at_once,
    a_renewal_ends_the_watch_of_the_id_before,
    what_another_process_ends_ends_a_watch_within_an_interval,
    a_session_that_ended_before_ends_its_watch_at_once,
    a_session_that_expires_ends_its_watch,
    a_session_that_is_used_does_not_end_its_watch,
    every_watch_of_a_session_ends,
    one_query_asks_for_all_sessions_that_are_watched,
    nothing_is_asked_while_nothing_is_watched,
    an_error_of_the_database_ends_no_watch,
    the_longest_interval_is_no_interval,
    clones_with_other_timeouts_watch_apart,
    a_sign_out_that_is_dropped_ends_the_watch_if_it_happens,
    a_prune_ends_the_watches_of_what_it_deletes,
    plain_ids_that_differ_only_in_case_are_watched_apart,
    a_sid_that_the_database_pads_does_not_end_its_watch,
);

on_database!(sqlite_memory_runtimes, SqliteMemory: a_watch_outlives_the_runtime_of_another);

entity!(created {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(created_at)]
    pub created_at: TimeDateTimeWithTimeZone,
});

entity!(padded {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
});

const INTERVAL: Duration = Duration::milliseconds(50);

/// Longer than any test takes.
const NEVER: Duration = Duration::HOUR;

async fn a_store(db: DatabaseConnection, interval: Duration) -> (SeaOrmStore<Model>, Clock) {
    let (store, clock) = store::<Model>(db).await;
    (store.with_watch_interval(interval), clock)
}

async fn a_session<M: SessionModel>(store: &SeaOrmStore<M>, clock: &Clock) -> Id {
    new_session(store, clock.now(), []).await.id
}

/// Waits until the watch ends.
async fn ends(watch: impl Future<Output = ()>) {
    let ended = timeout(StdDuration::from_secs(20), watch).await;
    ended.expect("the watch ends");
}

/// Waits for some intervals, in which the watch has to go on.
async fn goes_on(watch: impl Future<Output = ()>) {
    let ended = timeout(6 * INTERVAL.unsigned_abs(), watch).await;
    assert!(ended.is_err(), "the watch has ended");
}

/// Starts a watch, and waits until it has asked once.
async fn watching(store: &SeaOrmStore<Model>, id: &Id) -> tokio::task::JoinHandle<()> {
    let mut watch = Box::pin(store.watch(id));
    // It begins now, and not when its task is run.
    assert!(poll_fn(|cx| Poll::Ready(watch.as_mut().poll(cx).is_pending())).await);
    let watch = tokio::spawn(watch);
    // It has asked when a later one has an answer.
    ends(store.watch(&Id::default())).await;
    assert!(!watch.is_finished());
    watch
}

async fn what_this_process_ends_ends_a_watch_at_once(db: DatabaseConnection) {
    let (store, clock) = a_store(db, NEVER).await;
    for end in 0..4 {
        let id = a_session(&store, &clock).await;
        let watch = watching(&store, &id).await;
        let sid = json_and_offset::Column::Sid.eq(store.sid(&id));
        match end {
            0 => store.delete(&id).await.unwrap(),
            1 => assert_eq!(store.revoke(sid).await.unwrap(), 1),
            2 => {
                let keep = Id::default();
                assert_eq!(store.revoke_others(sid, &keep).await.unwrap(), 1);
            }
            _ => assert_eq!(store.delete_all().await.unwrap(), 1),
        }
        ends(async { watch.await.unwrap() }).await;
    }
}

async fn a_renewal_ends_the_watch_of_the_id_before(db: DatabaseConnection) {
    let (store, _) = a_store(db, NEVER).await;
    let mut visitor = Visitor::new(&session_routes().layer(layer(&store)));
    visitor.ok("/insert/n/1").await;
    let watch = watching(&store, &visitor.id()).await;
    visitor.ok("/cycle").await;
    ends(async { watch.await.unwrap() }).await;
    let watch = watching(&store, &visitor.id()).await;
    visitor.ok("/flush").await;
    ends(async { watch.await.unwrap() }).await;
}

async fn what_another_process_ends_ends_a_watch_within_an_interval(db: DatabaseConnection) {
    let (store, clock) = a_store(db, INTERVAL).await;
    let other = without_timeouts(&store, &clock);
    for by_hand in [false, true] {
        let id = a_session(&store, &clock).await;
        let watch = watching(&store, &id).await;
        if by_hand {
            execute(store.db(), "DELETE FROM session").await;
        } else {
            assert_eq!(other.delete_all().await.unwrap(), 1);
        }
        ends(async { watch.await.unwrap() }).await;
    }
}

async fn a_session_that_ended_before_ends_its_watch_at_once(db: DatabaseConnection) {
    let (store, clock) = a_store(db, NEVER).await;
    let id = a_session(&store, &clock).await;
    let kept = watching(&store, &id).await;
    let ended = a_session(&store, &clock).await;
    let watch = store.watch(&ended);
    execute(
        store.db(),
        &format!("DELETE FROM session WHERE sid = '{}'", store.sid(&ended)),
    )
    .await;
    ends(watch).await;
    ends(store.watch(&Id::default())).await;
    assert!(!kept.is_finished());
    // The last watch has ended, and the next one begins anew.
    execute(store.db(), "DELETE FROM session").await;
    kept.abort();
    ends(store.watch(&id)).await;
}

async fn a_session_that_expires_ends_its_watch(db: DatabaseConnection) {
    let (store, clock) = a_store(db, INTERVAL).await;
    let id = a_session(&store, &clock).await;
    goes_on(store.watch(&id)).await;
    clock.advance(Duration::HOUR);
    ends(store.watch(&id)).await;
}

async fn a_session_that_is_used_does_not_end_its_watch(db: DatabaseConnection) {
    let (store, clock) = a_store(db, INTERVAL).await;
    let store = store.with_idle_timeout(Duration::HOUR);
    let mut session = new_session(&store, clock.now(), []).await;
    let id = session.id;
    let use_it = async {
        for n in 0..5 {
            clock.advance(Duration::minutes(40));
            store.load(&session.id).await.unwrap().expect("is active");
            session.data.insert("n".to_owned(), n.into());
            session.expiry_date = clock.now() + Duration::HOUR;
            store.save(&session).await.unwrap();
            sleep(INTERVAL.unsigned_abs()).await;
        }
    };
    tokio::select! {
        () = store.watch(&id) => panic!("the watch has ended"),
        () = use_it => {}
    }
}

async fn every_watch_of_a_session_ends(db: DatabaseConnection) {
    let (store, clock) = a_store(db, NEVER).await;
    let id = a_session(&store, &clock).await;
    let other = a_session(&store, &clock).await;
    let kept = watching(&store, &other).await;
    let mut watches = Vec::new();
    for _ in 0..3 {
        watches.push(watching(&store.clone(), &id).await);
    }
    let sid = json_and_offset::Column::Sid.eq(store.sid(&id));
    store.revoke(sid).await.unwrap();
    for watch in watches {
        ends(async { watch.await.unwrap() }).await;
    }
    assert!(!kept.is_finished());
}

async fn one_query_asks_for_all_sessions_that_are_watched(mut db: DatabaseConnection) {
    let statements = count_statements(&mut db);
    let (store, clock) = a_store(db, INTERVAL).await;
    let mut watches = tokio::task::JoinSet::new();
    for _ in 0..100 {
        watches.spawn(store.watch(&a_session(&store, &clock).await));
    }
    sleep(2 * INTERVAL.unsigned_abs()).await;
    let before = statements.lock().unwrap().len();
    sleep(10 * INTERVAL.unsigned_abs()).await;
    let asked = statements.lock().unwrap().len() - before;
    assert!((1..=11).contains(&asked), "{asked} statements");
    execute(store.db(), "DELETE FROM session").await;
    ends(async { while watches.join_next().await.is_some() {} }).await;
}

async fn nothing_is_asked_while_nothing_is_watched(mut db: DatabaseConnection) {
    let statements = count_statements(&mut db);
    let (store, clock) = a_store(db, INTERVAL).await;
    let id = a_session(&store, &clock).await;
    goes_on(store.watch(&id)).await;
    sleep(2 * INTERVAL.unsigned_abs()).await;
    let before = statements.lock().unwrap().len();
    sleep(6 * INTERVAL.unsigned_abs()).await;
    assert_eq!(statements.lock().unwrap().len(), before);
    // And it is asked again for the next.
    goes_on(store.watch(&id)).await;
    assert!(statements.lock().unwrap().len() > before);
}

async fn an_error_of_the_database_ends_no_watch(db: DatabaseConnection) {
    let (store, clock) = a_store(db, INTERVAL).await;
    let id = a_session(&store, &clock).await;
    let watch = watching(&store, &id).await;
    execute(store.db(), "ALTER TABLE session RENAME TO elsewhere").await;
    sleep(6 * INTERVAL.unsigned_abs()).await;
    execute(store.db(), "ALTER TABLE elsewhere RENAME TO session").await;
    sleep(6 * INTERVAL.unsigned_abs()).await;
    assert!(!watch.is_finished());
    execute(store.db(), "DELETE FROM session").await;
    ends(async { watch.await.unwrap() }).await;
}

async fn the_longest_interval_is_no_interval(db: DatabaseConnection) {
    let (store, clock) = a_store(db, Duration::MAX).await;
    let id = a_session(&store, &clock).await;
    let watch = watching(&store, &id).await;
    store.delete(&id).await.unwrap();
    ends(async { watch.await.unwrap() }).await;
}

async fn clones_with_other_timeouts_watch_apart(db: DatabaseConnection) {
    let (store, clock) = store::<created::Model>(db).await;
    let store = store.with_watch_interval(INTERVAL);
    let strict = store.clone().with_absolute_timeout(Duration::MINUTE);
    let id = a_session(&store, &clock).await;
    let watch = tokio::spawn(store.watch(&id));
    clock.advance(Duration::MINUTE);
    ends(strict.watch(&id)).await;
    goes_on(store.watch(&id)).await;
    assert!(!watch.is_finished());
}

async fn a_sign_out_that_is_dropped_ends_the_watch_if_it_happens(db: DatabaseConnection) {
    let (store, clock) = a_store(db, NEVER).await;
    let store = store.on_event(async |_| {});
    let id = a_session(&store, &clock).await;
    let watch = watching(&store, &id).await;
    let connections = take_connections(store.db()).await;
    let deleting = timeout(StdDuration::from_millis(50), store.delete(&id));
    assert!(deleting.await.is_err());
    drop(connections);
    ends(async { watch.await.unwrap() }).await;
}

async fn a_prune_ends_the_watches_of_what_it_deletes(db: DatabaseConnection) {
    let (store, clock) = a_store(db, NEVER).await;
    let id = a_session(&store, &clock).await;
    let watch = watching(&store, &id).await;
    clock.advance(Duration::HOUR);
    assert_eq!(store.prune().await.unwrap(), 1);
    ends(async { watch.await.unwrap() }).await;
}

async fn plain_ids_that_differ_only_in_case_are_watched_apart(db: DatabaseConnection) {
    let (store, clock) = a_store(db, INTERVAL).await;
    let store = store.with_plain_sid();
    let mut session = tests::record(clock.now(), []);
    session.id = "AAAAAAAAAAAAAAAAAAAABA".parse().unwrap();
    let other: Id = "aAAAAAAAAAAAAAAAAAAABA".parse().unwrap();
    store.create(&mut session).await.unwrap();
    ends(store.watch(&other)).await;
    goes_on(store.watch(&session.id)).await;
}

async fn a_sid_that_the_database_pads_does_not_end_its_watch(db: DatabaseConnection) {
    let is_sqlite = db.get_database_backend() == DbBackend::Sqlite;
    let (store, clock) = store::<padded::Model>(db).await;
    // SQLite has one type of text.
    if !is_sqlite {
        let alter = match store.db().get_database_backend() {
            DbBackend::Postgres => "ALTER TABLE session ALTER COLUMN sid TYPE char(100)",
            _ => "ALTER TABLE session MODIFY sid char(100)",
        };
        execute(store.db(), alter).await;
    }
    let store = store.with_watch_interval(INTERVAL);
    let id = a_session(&store, &clock).await;
    goes_on(store.watch(&id)).await;
    store.revoke(Condition::all()).await.unwrap();
    ends(store.watch(&id)).await;
}

async fn a_watch_outlives_the_runtime_of_another(db: DatabaseConnection) {
    let (store, clock) = a_store(db, INTERVAL).await;
    let id = a_session(&store, &clock).await;
    let first = store.watch(&id);
    // The task that asks runs on the runtime of the first watch.
    std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(goes_on(first));
        drop(runtime);
    })
    .join()
    .unwrap();
    let watch = watching(&store, &id).await;
    execute(store.db(), "DELETE FROM session").await;
    ends(async { watch.await.unwrap() }).await;
}
