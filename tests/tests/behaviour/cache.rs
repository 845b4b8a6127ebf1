//! The store's cache: what it saves, what it may serve and for how long, and what it never does.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration as StdDuration;

use axum::http::StatusCode;
use sea_orm::{ColumnTrait, DatabaseConnection, DbBackend, EntityTrait};
use serde_json::json;
use session_store::{Id, SeaOrmStore};
use tests::database::{execute, take_connections};
use tests::{
    Clock, Visitor, count_statements, entity, layer, new_session, on_every_database, row_count,
    session_routes,
};
use time::Duration;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{Instant, sleep};
use tower_sessions_core::SessionStore;

on_every_database!(
    a_page_of_twenty_requests_costs_one_query,
    loads_at_the_same_moment_share_one_query,
    without_a_cache_every_request_reads,
    what_this_process_changes_is_in_effect_at_once,
    what_this_process_ends_is_in_effect_at_once,
    what_ended_elsewhere_is_served_no_longer_than_the_bound,
    a_change_of_another_process_is_merged_and_not_lost,
    a_save_of_what_ended_elsewhere_is_refused_and_then_not_served,
    nothing_expired_is_served,
    a_session_that_was_extended_elsewhere_is_not_expired,
    a_session_slides_while_it_is_read_from_the_cache,
    last_seen_goes_on_while_a_session_is_read_from_the_cache,
    a_session_that_ended_elsewhere_is_noticed_by_the_touch,
    a_change_during_a_load_is_seen_by_the_next,
    a_reader_sees_every_change_that_was_made_before_it_began,
    a_clone_with_other_timeouts_has_its_own_sessions,
    a_clone_from_before_the_cache_reaches_it,
    unknown_ids_displace_no_sessions,
    an_unknown_id_is_not_kept,
    an_error_is_not_kept,
    the_sessions_take_no_more_memory_than_the_limit,
    debug_output_shows_nothing_of_the_cache,
);

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(key = "user")]
    pub user: Option<String>,
    #[session(created_at)]
    pub created_at: TimeDateTimeWithTimeZone,
    #[session(last_seen)]
    pub last_seen: TimeDateTimeWithTimeZone,
    #[session(version)]
    pub version: i64,
});

/// Longer than any test takes: whatever is wrong in the cache stays there.
const LONG: Duration = Duration::HOUR;

type Statements = Arc<Mutex<Vec<String>>>;

/// A process: a store with its own cache, and a visitor of its application.
struct Process {
    store: session::Store,
    visitor: Visitor,
    statements: Statements,
}

impl Process {
    fn new(db: &DatabaseConnection, clock: &Clock, bound: Option<Duration>) -> Self {
        let mut db = db.clone();
        let statements = count_statements(&mut db);
        let mut store = SeaOrmStore::new(db)
            .with_clock(clock.reader())
            .with_idle_timeout(Duration::HOUR);
        if let Some(bound) = bound {
            store = store.with_cache(bound);
        }
        Self {
            visitor: Visitor::new(&session_routes().layer(layer(&store))),
            store,
            statements,
        }
    }

    /// Returns the kinds of the statements since the last call.
    fn sent(&self) -> Vec<String> {
        std::mem::take(&mut *self.statements.lock().unwrap())
    }

    /// Signs in, and reads the session once.
    async fn sign_in(&mut self) {
        self.visitor.ok("/insert/user/ann").await;
        assert_eq!(self.visitor.ok("/get/user").await, "ann");
        self.sent();
    }

    async fn user(&mut self) -> String {
        self.visitor.ok("/get/user").await
    }
}

async fn a_process(db: &DatabaseConnection) -> (Process, Clock) {
    let clock = Clock::new();
    let process = Process::new(db, &clock, Some(LONG));
    process.store.create_table().await.unwrap();
    process.sent();
    (process, clock)
}

/// Two processes that the visitor's requests reach.
async fn two_processes(db: &DatabaseConnection) -> (Process, Process, Clock) {
    let (mut here, clock) = a_process(db).await;
    let mut elsewhere = Process::new(db, &clock, Some(LONG));
    here.sign_in().await;
    elsewhere.visitor.cookie = here.visitor.cookie.clone();
    (here, elsewhere, clock)
}

async fn a_page_of_twenty_requests_costs_one_query(db: DatabaseConnection) {
    let (mut process, _) = a_process(&db).await;
    process.visitor.ok("/insert/user/ann").await;
    process.sent();
    for _ in 0..20 {
        assert_eq!(process.user().await, "ann");
    }
    assert_eq!(process.sent(), ["SELECT"]);
}

async fn loads_at_the_same_moment_share_one_query(db: DatabaseConnection) {
    let (mut process, _) = a_process(&db).await;
    process.visitor.ok("/insert/user/ann").await;
    process.sent();
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        let mut visitor = process.visitor.clone();
        requests.spawn(async move { visitor.ok("/get/user").await });
    }
    // One that is dropped in the middle holds up nobody.
    let mut dropped = process.visitor.clone();
    let _ = tokio::time::timeout(StdDuration::from_micros(50), dropped.get("/get/user")).await;
    assert!(requests.join_all().await.iter().all(|user| user == "ann"));
    assert_eq!(process.sent(), ["SELECT"]);
}

async fn without_a_cache_every_request_reads(db: DatabaseConnection) {
    let clock = Clock::new();
    let mut process = Process::new(&db, &clock, None);
    process.store.create_table().await.unwrap();
    process.sign_in().await;
    for _ in 0..3 {
        assert_eq!(process.user().await, "ann");
    }
    assert_eq!(process.sent(), ["SELECT"; 3]);
}

async fn what_this_process_changes_is_in_effect_at_once(db: DatabaseConnection) {
    let (mut process, _) = a_process(&db).await;
    process.sign_in().await;
    let mut other = process.visitor.clone();
    for n in 0..5 {
        other.ok(&format!("/insert/n/{n}")).await;
        assert_eq!(process.visitor.ok("/get/n").await, n.to_string());
    }
    other.ok("/remove/n").await;
    assert_eq!(process.visitor.ok("/get/n").await, "nothing");
    let mut before = process.visitor.clone();
    other.ok("/cycle").await;
    assert_eq!(before.ok("/get/user").await, "nothing");
    assert_eq!(other.ok("/get/user").await, "ann");
}

async fn what_this_process_ends_is_in_effect_at_once(db: DatabaseConnection) {
    let (mut process, clock) = a_process(&db).await;
    for end in 0..7 {
        process.sign_in().await;
        let (store, id) = (process.store.clone(), process.visitor.id());
        let of_user = session::Column::User.eq("ann");
        match end {
            0 => {
                process.visitor.clone().ok("/flush").await;
            }
            1 => store.delete(&id).await.unwrap(),
            2 => assert_eq!(store.revoke(of_user).await.unwrap(), 1),
            3 => {
                let kept = new_session(&store, clock.now(), [("user", json!("ann"))]).await;
                let revoked = store.revoke_others(of_user, &kept.id).await;
                assert_eq!(revoked.unwrap(), 1);
            }
            4 => {
                let kept = new_session(&store, clock.now(), [("user", json!("ann"))]).await;
                let revoked = store.revoke_all_but_newest(of_user, 1, &kept.id).await;
                assert!(revoked.unwrap() >= 1);
            }
            5 => assert!(store.delete_all().await.unwrap() >= 1),
            _ => {
                // By hand, and then pruned by this process.
                let past = match db.get_database_backend() {
                    DbBackend::MySql => "2001-01-01 00:00:00",
                    _ => "2001-01-01 00:00:00+00:00",
                };
                execute(&db, &format!("UPDATE session SET expire = '{past}'")).await;
                assert!(store.prune().await.unwrap() >= 1);
            }
        }
        assert_eq!(process.user().await, "nothing", "{end}");
    }
}

async fn what_ended_elsewhere_is_served_no_longer_than_the_bound(db: DatabaseConnection) {
    let clock = Clock::new();
    let bound = StdDuration::from_millis(300);
    let mut process = Process::new(&db, &clock, Some(bound.try_into().unwrap()));
    process.store.create_table().await.unwrap();
    for _ in 0..3 {
        process.sign_in().await;
        execute(&db, "DELETE FROM session").await;
        let ended = Instant::now();
        loop {
            let began = ended.elapsed();
            if process.visitor.clone().ok("/get/user").await == "nothing" {
                break;
            }
            assert!(began < bound, "served {began:?} after its end");
            sleep(StdDuration::from_millis(1)).await;
        }
        process.visitor.cookie = None;
    }
}

async fn a_change_of_another_process_is_merged_and_not_lost(db: DatabaseConnection) {
    let (mut here, mut elsewhere, _) = two_processes(&db).await;
    elsewhere.visitor.ok("/insert/n/1").await;
    // It may be seen later, within the bound.
    assert_eq!(here.visitor.ok("/get/n").await, "nothing");
    here.visitor.ok("/insert/m/2").await;
    assert_eq!(here.visitor.ok("/get/n").await, "1");
    let data = here
        .store
        .load(&here.visitor.id())
        .await
        .unwrap()
        .unwrap()
        .data;
    assert_eq!((&data["n"], &data["m"]), (&json!("1"), &json!("2")));
}

async fn a_save_of_what_ended_elsewhere_is_refused_and_then_not_served(db: DatabaseConnection) {
    let (mut here, mut elsewhere, _) = two_processes(&db).await;
    elsewhere.visitor.ok("/flush").await;
    assert_eq!(here.user().await, "ann");
    let refused = here.visitor.clone().get("/insert/n/1").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(here.user().await, "nothing");
    assert_eq!(row_count(&here.store).await, 0);
}

async fn nothing_expired_is_served(db: DatabaseConnection) {
    let clock = Clock::new();
    let process = Process::new(&db, &clock, Some(LONG));
    process.store.create_table().await.unwrap();
    let store = process.store.with_absolute_timeout(Duration::minutes(90));
    let mut visitor = Visitor::new(&session_routes().layer(layer(&store)));
    visitor.ok("/insert/user/ann").await;
    let began = clock.now();
    for minutes in [40, 80] {
        clock.set(began + Duration::minutes(minutes));
        assert_eq!(visitor.ok("/get/user").await, "ann");
        assert_eq!(visitor.ok("/get/user").await, "ann");
    }
    clock.set(began + Duration::minutes(90) - Duration::MICROSECOND);
    assert_eq!(visitor.ok("/get/user").await, "ann");
    clock.advance(Duration::MICROSECOND);
    assert_eq!(visitor.clone().ok("/get/user").await, "nothing");
    // An idle timeout.
    let mut visitor = Visitor::new(&session_routes().layer(layer(&store)));
    visitor.ok("/insert/user/bob").await;
    assert_eq!(visitor.ok("/get/user").await, "bob");
    clock.advance(Duration::HOUR);
    assert_eq!(visitor.ok("/get/user").await, "nothing");
}

async fn a_session_that_was_extended_elsewhere_is_not_expired(db: DatabaseConnection) {
    let (mut here, mut elsewhere, clock) = two_processes(&db).await;
    clock.advance(Duration::minutes(59));
    assert_eq!(elsewhere.user().await, "ann");
    clock.advance(Duration::minutes(59));
    assert_eq!(here.user().await, "ann");
}

async fn a_session_slides_while_it_is_read_from_the_cache(db: DatabaseConnection) {
    let (mut process, clock) = a_process(&db).await;
    process.sign_in().await;
    for _ in 0..10 {
        clock.advance(Duration::minutes(50));
        let read = process.visitor.get("/get/user").await;
        assert_eq!(read.body, "ann");
        let cookie = read.set_cookie.unwrap();
        assert!(cookie.contains("Max-Age=3600"), "{cookie}");
        // Nothing is due.
        assert!(process.visitor.get("/get/user").await.set_cookie.is_none());
        let row = session::Entity::find().one(&db).await.unwrap().unwrap();
        assert_eq!(row.expire, clock.now() + Duration::HOUR);
        assert_eq!(process.sent(), ["UPDATE"]);
    }
}

async fn last_seen_goes_on_while_a_session_is_read_from_the_cache(db: DatabaseConnection) {
    let (process, clock) = a_process(&db).await;
    let mut visitor = process.visitor;
    visitor.ok("/insert/user/ann").await;
    // Its expiry is as late as it can be, so that only `last_seen` is due.
    let end = clock.now() + Duration::minutes(30);
    let store = process.store.with_absolute_timeout(Duration::minutes(30));
    let mut visitor_of_store = Visitor::new(&session_routes().layer(layer(&store)));
    visitor_of_store.cookie = visitor.cookie.clone();
    for _ in 0..2 {
        clock.advance(Duration::minutes(10));
        for _ in 0..3 {
            assert_eq!(visitor_of_store.ok("/get/user").await, "ann");
        }
        let row = session::Entity::find().one(&db).await.unwrap().unwrap();
        assert_eq!(row.last_seen, clock.now());
        assert_eq!(row.expire, end);
    }
    let sent = std::mem::take(&mut *process.statements.lock().unwrap());
    assert_eq!(sent, ["INSERT", "SELECT", "UPDATE", "UPDATE"]);
}

async fn a_session_that_ended_elsewhere_is_noticed_by_the_touch(db: DatabaseConnection) {
    let (mut here, _, clock) = two_processes(&db).await;
    execute(&db, "DELETE FROM session").await;
    assert_eq!(here.user().await, "ann");
    clock.advance(Duration::minutes(10));
    assert_eq!(here.user().await, "nothing");
}

/// Also if the session has left the cache while it was being loaded.
async fn a_change_during_a_load_is_seen_by_the_next(db: DatabaseConnection) {
    let gate = Gate::default();
    let (process, clock) = a_process(&db).await;
    let store = process.store.with_cache_max_bytes(8 * 1024);
    let store = store.with_clock({
        let gate = gate.clone();
        move || {
            gate.pass();
            clock.now()
        }
    });
    let app = session_routes().layer(layer(&store));
    let mut others = Vec::new();
    for _ in 0..20 {
        let mut other = Visitor::new(&app);
        other.ok("/insert/user/bob").await;
        others.push(other);
    }
    for change in ["/insert/user/eve", "/cycle", "/flush"] {
        let mut visitor = Visitor::new(&app);
        visitor.ok("/insert/user/ann").await;
        for _ in 0..5 {
            for other in &mut others {
                other.ok("/get/user").await;
            }
        }
        let before = visitor.clone();
        gate.set(Held::Next);
        let reading = tokio::spawn({
            let mut visitor = visitor.clone();
            async move { visitor.ok("/get/user").await }
        });
        while gate.held() != Held::One {
            sleep(StdDuration::from_millis(1)).await;
        }
        for other in &mut others[..10] {
            other.ok("/get/user").await;
        }
        visitor.ok(change).await;
        gate.set(Held::Nobody);
        reading.await.unwrap();
        let expected = match change {
            "/insert/user/eve" => "eve",
            _ => "nothing",
        };
        assert_eq!(before.clone().ok("/get/user").await, expected, "{change}");
    }
}

/// Holds up one caller.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<Held>, Condvar)>);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Held {
    #[default]
    Nobody,
    Next,
    One,
}

impl Gate {
    fn set(&self, held: Held) {
        *self.0.0.lock().unwrap() = held;
        self.0.1.notify_all();
    }

    fn held(&self) -> Held {
        *self.0.0.lock().unwrap()
    }

    fn pass(&self) {
        let mut held = self.0.0.lock().unwrap();
        if *held == Held::Next {
            *held = Held::One;
            // The other tasks of this thread go on.
            block_in_place(|| drop(self.0.1.wait_while(held, |held| *held == Held::One)));
        }
    }
}

async fn a_reader_sees_every_change_that_was_made_before_it_began(db: DatabaseConnection) {
    let (process, _) = a_process(&db).await;
    // Small, so that sessions leave it while they are being loaded.
    let store = process.store.with_cache_max_bytes(4 * 1024);
    let app = session_routes().layer(layer(&store));
    let mut writer = Visitor::new(&app);
    writer.ok("/insert/n/0").await;
    let written = Arc::new(AtomicUsize::new(0));
    let is_done = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let mut reader = writer.clone();
        let (written, is_done) = (Arc::clone(&written), Arc::clone(&is_done));
        readers.spawn(async move {
            while !is_done.load(Ordering::SeqCst) {
                let at_least = written.load(Ordering::SeqCst);
                let seen: usize = reader.ok("/get/n").await.parse().unwrap();
                assert!(seen >= at_least, "{seen} after {at_least} was written");
            }
        });
    }
    for _ in 0..2 {
        let (app, is_done) = (app.clone(), Arc::clone(&is_done));
        readers.spawn(async move {
            let mut others = vec![Visitor::new(&app); 10];
            while !is_done.load(Ordering::SeqCst) {
                for other in &mut others {
                    if other.ok("/get/n").await == "nothing" {
                        other.ok("/insert/n/0").await;
                    }
                }
            }
        });
    }
    for n in 1..=300 {
        writer.ok(&format!("/insert/n/{n}")).await;
        written.store(n, Ordering::SeqCst);
        if n % 5 == 0 {
            let nobody = session::Column::User.eq("nobody");
            store.revoke(nobody).await.unwrap();
        }
    }
    is_done.store(true, Ordering::SeqCst);
    readers.join_all().await;
}

async fn a_clone_with_other_timeouts_has_its_own_sessions(db: DatabaseConnection) {
    let (mut process, clock) = a_process(&db).await;
    let strict = process.store.clone();
    let strict = strict.with_absolute_timeout(Duration::minutes(30));
    process.visitor.ok("/insert/user/ann").await;
    let mut visitor = process.visitor.clone();
    clock.advance(Duration::minutes(30));
    let mut of_strict = Visitor::new(&session_routes().layer(layer(&strict)));
    of_strict.cookie = visitor.cookie.clone();
    // Both load at the same moment.
    let connections = take_connections(&db).await;
    let of_strict = tokio::spawn(async move { of_strict.ok("/get/user").await });
    sleep(StdDuration::from_millis(50)).await;
    let visitor = tokio::spawn(async move { visitor.ok("/get/user").await });
    sleep(StdDuration::from_millis(50)).await;
    drop(connections);
    assert_eq!(of_strict.await.unwrap(), "nothing");
    assert_eq!(visitor.await.unwrap(), "ann");
    // What one ends is in effect for the other.
    strict.delete_all().await.unwrap();
    assert_eq!(process.user().await, "nothing");
}

async fn a_clone_from_before_the_cache_reaches_it(db: DatabaseConnection) {
    let clock = Clock::new();
    let before = Process::new(&db, &clock, None);
    before.store.create_table().await.unwrap();
    let store = before.store.clone().with_cache(LONG);
    let mut visitor = Visitor::new(&session_routes().layer(layer(&store)));
    for by_condition in [false, true] {
        visitor.ok("/insert/user/ann").await;
        assert_eq!(visitor.ok("/get/user").await, "ann");
        if by_condition {
            before.store.delete_all().await.unwrap();
        } else {
            before.store.delete(&visitor.id()).await.unwrap();
        }
        assert_eq!(visitor.ok("/get/user").await, "nothing");
    }
}

async fn unknown_ids_displace_no_sessions(db: DatabaseConnection) {
    let (process, _) = a_process(&db).await;
    let store = process.store.clone().with_cache_max_bytes(64 * 1024);
    let app = session_routes().layer(layer(&store));
    let mut visitors = Vec::new();
    for _ in 0..50 {
        let mut visitor = Visitor::new(&app);
        visitor.ok("/insert/user/ann").await;
        assert_eq!(visitor.ok("/get/user").await, "ann");
        visitors.push(visitor);
    }
    for _ in 0..500 {
        let id = Id::default().to_string();
        let mut stranger = Visitor::with_cookie(&app, &id);
        assert_eq!(stranger.ok("/get/user").await, "nothing");
    }
    process.sent();
    for visitor in &mut visitors {
        assert_eq!(visitor.ok("/get/user").await, "ann");
    }
    // A few may leave while strangers are looked up.
    let read = process.sent().len();
    assert!(read < 10, "{read} of 50 sessions were read again");
}

async fn an_unknown_id_is_not_kept(db: DatabaseConnection) {
    let (process, clock) = a_process(&db).await;
    let session = tests::record(clock.now(), [("user", json!("ann"))]);
    let mut visitor = Visitor::with_cookie(
        &session_routes().layer(layer(&process.store)),
        &session.id.to_string(),
    );
    assert_eq!(visitor.clone().ok("/get/user").await, "nothing");
    // Another process restores it.
    let other = Process::new(&db, &clock, None);
    let mut restored = session.clone();
    other.store.create(&mut restored).await.unwrap();
    assert_eq!(visitor.ok("/get/user").await, "ann");
}

async fn an_error_is_not_kept(db: DatabaseConnection) {
    let (mut process, _) = a_process(&db).await;
    process.visitor.ok("/insert/user/ann").await;
    execute(&db, "ALTER TABLE session RENAME TO elsewhere").await;
    let visitor = process.visitor.clone();
    let failed = tokio::spawn(async move { visitor.clone().ok("/get/user").await });
    assert!(failed.await.is_err());
    execute(&db, "ALTER TABLE elsewhere RENAME TO session").await;
    assert_eq!(process.user().await, "ann");
}

async fn the_sessions_take_no_more_memory_than_the_limit(db: DatabaseConnection) {
    let (process, _) = a_process(&db).await;
    // Ten sessions of ten thousand bytes and more.
    let store = process.store.clone().with_cache_max_bytes(110_000);
    let text = "x".repeat(10_000);
    let app = session_routes().layer(layer(&store));
    let mut visitors = Vec::new();
    for _ in 0..40 {
        let mut visitor = Visitor::new(&app);
        visitor.ok(&format!("/insert/text/{text}")).await;
        visitors.push(visitor);
    }
    for visitor in &mut visitors {
        assert_eq!(visitor.ok("/get/text").await, text);
    }
    process.sent();
    for visitor in visitors.iter_mut().rev() {
        assert_eq!(visitor.ok("/get/text").await, text);
    }
    let reads = process.sent().len();
    assert!(reads >= 29, "{reads} of 40 sessions were read again");
    assert!(reads < 40, "none of 40 sessions was kept");
}

async fn debug_output_shows_nothing_of_the_cache(db: DatabaseConnection) {
    let (mut process, _) = a_process(&db).await;
    process.sign_in().await;
    let debug = format!("{:?}", process.store);
    let id = process.visitor.id();
    for secret in [id.to_string(), process.store.sid(&id), "ann".to_owned()] {
        assert!(!debug.contains(&secret), "{debug}");
    }
}
