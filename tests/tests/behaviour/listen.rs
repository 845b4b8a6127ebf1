//! Hearing, on PostgreSQL, of what other processes do to sessions.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration as StdDuration;

use sea_orm::sqlx::postgres::PgListener;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement,
};
use serde_json::json;
use session_store::{Id, ListenTask, SeaOrmStore, SessionModel};
use tests::database::{database_url, execute, take_connections};
use tests::{
    Clock, ConnectionKiller, Proxy, Visitor, entity, layer, new_session, on_database,
    on_every_database, record, session_routes,
};
use time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tower_sessions_core::SessionStore;

on_database!(
    on_postgres,
    Postgres: what_another_process_ends_is_heard_of,
    what_is_done_by_hand_is_heard_of,
    what_another_process_changes_leaves_the_cache_at_once,
    a_touch_notifies_of_nothing,
    a_plain_id_is_in_no_notification,
    a_listener_whose_connection_is_killed_comes_back,
    what_ended_while_nothing_was_heard_ends_its_watch,
    a_connection_that_no_longer_answers_is_given_up,
    a_listener_needs_no_connection_of_the_pool,
    a_listen_that_gets_no_answer_is_given_up,
    an_answer_from_before_a_session_ends_no_later_watch,
    a_listener_whose_runtime_has_ended_does_not_hear,
    a_store_whose_pool_is_closed_does_not_hear,
    tables_with_long_names_have_a_trigger_each,
    a_column_may_change_its_type_under_the_trigger,
    the_names_of_others_in_the_search_path_change_nothing,
    a_trigger_that_is_there_is_not_created_again,
    a_table_without_the_trigger_is_not_heard,
    a_trigger_that_is_dropped_or_disabled_is_noticed,
    the_trigger_of_a_table_in_another_schema_is_heard,
    names_with_quotes_and_capitals_are_heard,
    a_listener_that_is_dropped_closes_its_connection,
    the_listener_takes_no_connection_of_the_pool,
    the_trigger_can_be_created_again_and_at_the_same_time,
);

on_every_database!(a_store_that_cannot_listen_watches_by_interval);

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(key = "user")]
    pub user: Option<String>,
    #[session(last_seen)]
    pub last_seen: TimeDateTimeWithTimeZone,
});

entity!(versioned {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(version)]
    pub version: i64,
});

mod elsewhere {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
    #[sea_orm(schema_name = "tenant", table_name = "session")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sid: String,
        pub sess: Json,
        pub expire: TimeDateTimeWithTimeZone,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod quoted {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
    #[sea_orm(
        schema_name = "the \"schema\" `of` 'session store' $$",
        table_name = "Session ' ?"
    )]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false, column_name = "Sid '")]
        pub sid: String,
        pub sess: Json,
        #[sea_orm(column_name = "the expire $$")]
        pub expire: TimeDateTimeWithTimeZone,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

entity!(one in "a_table_whose_name_is_as_long_as_the_name_of_another_one" {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
});

entity!(two in "a_table_whose_name_is_as_long_as_the_name_of_another_two" {
    pub sess: Json,
    #[session(expire)]
    pub expires_at: TimeDateTimeWithTimeZone,
});

/// Longer than any test takes.
const NEVER: Duration = Duration::HOUR;

/// A store whose sessions are watched only when something is heard, and another process's store.
async fn two_stores<M: SessionModel>(
    db: &DatabaseConnection,
) -> (SeaOrmStore<M>, SeaOrmStore<M>, Clock) {
    let clock = Clock::new();
    let other = SeaOrmStore::new(db.clone())
        .with_clock(clock.reader())
        .with_notify_trigger();
    other.create_table().await.unwrap();
    let store = SeaOrmStore::new(connect(db).await)
        .with_clock(clock.reader())
        .with_watch_interval(NEVER);
    (store, other, clock)
}

async fn connect(db: &DatabaseConnection) -> DatabaseConnection {
    Database::connect(database_url(db).await).await.unwrap()
}

async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let waited = timeout(StdDuration::from_secs(20), async {
        while !is().await {
            sleep(StdDuration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "waited for 20 s until {what}");
}

async fn hears(listening: &ListenTask) {
    until("it hears", async || listening.is_hearing()).await;
}

async fn is_deaf(listening: &ListenTask) {
    until("it does not hear", async || !listening.is_hearing()).await;
}

async fn watching<M: SessionModel>(store: &SeaOrmStore<M>, clock: &Clock) -> (Id, JoinHandle<()>) {
    let id = new_session(store, clock.now(), []).await.id;
    let mut watch = Box::pin(store.watch(&id));
    // It begins now, and not when its task is run.
    assert!(poll_fn(|cx| Poll::Ready(watch.as_mut().poll(cx).is_pending())).await);
    let watch = tokio::spawn(watch);
    // It has asked when a later one has an answer.
    store.watch(&Id::default()).await;
    assert!(!watch.is_finished());
    (id, watch)
}

async fn ends(watch: JoinHandle<()>) {
    let ended = timeout(StdDuration::from_secs(20), watch).await;
    ended.expect("the watch ends").unwrap();
}

async fn what_another_process_ends_is_heard_of(db: DatabaseConnection) {
    let (store, other, clock) = two_stores::<session::Model>(&db).await;
    let listening = store.listen();
    hears(&listening).await;
    let (_, kept) = watching(&store, &clock).await;
    for _ in 0..10 {
        let (id, watch) = watching(&store, &clock).await;
        other.delete(&id).await.unwrap();
        ends(watch).await;
    }
    assert!(!kept.is_finished());
    other.delete_all().await.unwrap();
    ends(kept).await;
    drop(listening);
}

async fn what_is_done_by_hand_is_heard_of(db: DatabaseConnection) {
    let (store, _, clock) = two_stores::<session::Model>(&db).await;
    let listening = store.listen();
    hears(&listening).await;
    for sql in [
        "DELETE FROM session",
        "TRUNCATE session",
        "UPDATE session SET expire = '2001-01-01'",
        "UPDATE session SET expire = '-infinity'",
        "UPDATE session SET sid = 'x'",
    ] {
        let (_, watch) = watching(&store, &clock).await;
        execute(&db, sql).await;
        ends(watch).await;
        execute(&db, "DELETE FROM session").await;
    }
    drop(listening);
}

/// An hour: only a notification ends it earlier.
async fn what_another_process_changes_leaves_the_cache_at_once(db: DatabaseConnection) {
    let (store, other, _) = two_stores::<versioned::Model>(&db).await;
    let store = store.with_cache(Duration::HOUR);
    let listening = store.listen();
    hears(&listening).await;
    let mut here = Visitor::new(&session_routes().layer(layer(&store)));
    let mut elsewhere = Visitor::new(&session_routes().layer(layer(&other)));
    here.ok("/insert/user/ann").await;
    elsewhere.cookie = here.cookie.clone();
    let sees = async |key: &str, value: &str| {
        let path = format!("/get/{key}");
        until("it sees the change", async || {
            here.clone().ok(&path).await == value
        })
        .await;
    };
    sees("user", "ann").await;
    for n in 0..5 {
        elsewhere.ok(&format!("/insert/n/{n}")).await;
        sees("n", &n.to_string()).await;
    }
    elsewhere.ok("/flush").await;
    sees("user", "nothing").await;
    drop(listening);
}

/// Returns the notifications that statements have sent.
async fn heard(listener: &mut PgListener, db: &DatabaseConnection) -> Vec<String> {
    execute(db, "NOTIFY session_store, 'end'").await;
    let mut heard = Vec::new();
    loop {
        let notification = listener.recv().await.unwrap();
        match notification.payload() {
            "end" => return heard,
            // A store asks whether notifications arrive.
            payload if payload.starts_with("probe ") => {}
            payload => heard.push(payload.to_owned()),
        }
    }
}

async fn listener(db: &DatabaseConnection) -> PgListener {
    let mut listener = PgListener::connect(&database_url(db).await).await.unwrap();
    listener.listen("session_store").await.unwrap();
    listener
}

async fn a_touch_notifies_of_nothing(db: DatabaseConnection) {
    let (_, other, clock) = two_stores::<session::Model>(&db).await;
    let other = other.with_idle_timeout(Duration::HOUR);
    let mut listener = listener(&db).await;
    let mut session = new_session(&other, clock.now(), [("user", json!("ann"))]).await;
    clock.advance(Duration::minutes(30));
    assert!(other.touch(&session.id).await.unwrap());
    execute(&db, "UPDATE session SET last_seen = now()").await;
    execute(&db, "UPDATE session SET sid = sid, \"user\" = 'bob'").await;
    assert_eq!(heard(&mut listener, &db).await, [""; 0]);
    session.data.insert("n".to_owned(), json!(1));
    other.save(&session).await.unwrap();
    assert_eq!(heard(&mut listener, &db).await.len(), 1);
    for sql in [
        "UPDATE session SET sess = '{}'",
        "UPDATE session SET expire = expire - interval '1 microsecond'",
        "DELETE FROM session",
    ] {
        execute(&db, sql).await;
        assert_eq!(heard(&mut listener, &db).await.len(), 1, "{sql}");
    }
    execute(&db, "TRUNCATE session").await;
    assert_eq!(heard(&mut listener, &db).await, [""]);
}

async fn a_plain_id_is_in_no_notification(db: DatabaseConnection) {
    let (store, other, clock) = two_stores::<session::Model>(&db).await;
    let (store, other) = (store.with_plain_sid(), other.with_plain_sid());
    let mut listener = listener(&db).await;
    let listening = store.listen();
    hears(&listening).await;
    let (id, watch) = watching(&store, &clock).await;
    other.delete_all().await.unwrap();
    ends(watch).await;
    let heard = heard(&mut listener, &db).await;
    // In hexadecimal: printf %s "$id" | sha256sum, which is what the column holds without plain sids.
    let hash = SeaOrmStore::<session::Model>::new(db.clone()).sid(&id);
    assert_eq!(heard, [hash]);
    drop(listening);
}

async fn a_listener_whose_connection_is_killed_comes_back(db: DatabaseConnection) {
    let (store, other, clock) = two_stores::<session::Model>(&db).await;
    let killer = ConnectionKiller::new(&db).await;
    let listening = store.listen();
    for _ in 0..3 {
        hears(&listening).await;
        let (id, watch) = watching(&store, &clock).await;
        other.delete(&id).await.unwrap();
        ends(watch).await;
        killer.kill_all().await;
        is_deaf(&listening).await;
    }
    drop(listening);
}

async fn what_ended_while_nothing_was_heard_ends_its_watch(db: DatabaseConnection) {
    let (store, _, clock) = two_stores::<session::Model>(&db).await;
    execute(&db, "ALTER TABLE session DISABLE TRIGGER ALL").await;
    let listening = store.listen();
    let (_, watch) = watching(&store, &clock).await;
    execute(&db, "DELETE FROM session").await;
    sleep(StdDuration::from_millis(200)).await;
    assert!(!watch.is_finished() && !listening.is_hearing());
    execute(&db, "ALTER TABLE session ENABLE TRIGGER ALL").await;
    hears(&listening).await;
    ends(watch).await;
    drop(listening);
}

async fn a_connection_that_no_longer_answers_is_given_up(db: DatabaseConnection) {
    let (_, other, clock) = two_stores::<session::Model>(&db).await;
    let proxy = Proxy::start(&database_url(&db).await, |_, _| false).await;
    let store = SeaOrmStore::<session::Model>::new(proxy.connect(2).await)
        .with_clock(clock.reader())
        .with_watch_interval(NEVER);
    let listening = store.listen();
    hears(&listening).await;
    let (_, watch) = watching(&store, &clock).await;
    proxy.is_open.send_replace(false);
    let stopped = Instant::now();
    is_deaf(&listening).await;
    assert!(stopped.elapsed() < StdDuration::from_secs(5));
    other.delete_all().await.unwrap();
    proxy.is_open.send_replace(true);
    hears(&listening).await;
    ends(watch).await;
    drop(listening);
}

async fn a_listener_needs_no_connection_of_the_pool(db: DatabaseConnection) {
    let _ = two_stores::<session::Model>(&db).await;
    let proxy = Proxy::start(&database_url(&db).await, |_, _| false).await;
    let store = SeaOrmStore::<session::Model>::new(proxy.connect(1).await);
    let taken = take_connections(store.db()).await;
    let listening = store.listen();
    hears(&listening).await;
    drop((listening, taken));
}

async fn a_listen_that_gets_no_answer_is_given_up(db: DatabaseConnection) {
    let _ = two_stores::<session::Model>(&db).await;
    // The first LISTEN stays unanswered.
    let url = database_url(&db).await;
    let proxy = Proxy::start(&url, |connection, bytes| {
        connection == 1 && bytes.windows(6).any(|text| text == b"LISTEN")
    });
    let proxy = proxy.await;
    let store = SeaOrmStore::<session::Model>::new(proxy.connect(1).await);
    let listening = store.listen();
    hears(&listening).await;
    drop(listening);
}

async fn an_answer_from_before_a_session_ends_no_later_watch(db: DatabaseConnection) {
    let (_, other, clock) = two_stores::<session::Model>(&db).await;
    let proxy = Proxy::start(&database_url(&db).await, |_, _| false).await;
    let store = SeaOrmStore::<session::Model>::new(proxy.connect(1).await)
        .with_clock(clock.reader())
        .with_watch_interval(NEVER);
    store.watch(&Id::default()).await;
    proxy.is_open.send_replace(false);
    let mut session = record(clock.now(), []);
    let before = tokio::spawn(store.watch(&session.id));
    sleep(StdDuration::from_millis(100)).await;
    other.create(&mut session).await.unwrap();
    let watch = tokio::spawn(store.watch(&session.id));
    sleep(StdDuration::from_millis(100)).await;
    proxy.is_open.send_replace(true);
    // It has asked when a later one has an answer.
    store.watch(&Id::default()).await;
    assert!(!watch.is_finished());
    other.delete_all().await.unwrap();
    store.delete_all().await.unwrap();
    drop(before);
}

async fn a_table_without_the_trigger_is_not_heard(db: DatabaseConnection) {
    let (store, clock) = tests::store::<session::Model>(db.clone()).await;
    let store = store.with_watch_interval(NEVER);
    let listening = store.listen();
    sleep(StdDuration::from_millis(500)).await;
    assert!(!listening.is_hearing());
    let trigger = store.notify_trigger().unwrap();
    execute(&db, &trigger.sql).await;
    hears(&listening).await;
    let (_, watch) = watching(&store, &clock).await;
    execute(&db, "DELETE FROM session").await;
    ends(watch).await;
    drop(listening);
}

async fn a_trigger_that_is_dropped_or_disabled_is_noticed(db: DatabaseConnection) {
    let (store, other, _) = two_stores::<session::Model>(&db).await;
    let listening = store.listen();
    for sql in [
        "DROP TRIGGER session_store_notify ON session",
        "DROP TRIGGER session_store_notify_truncate ON session",
        "CREATE OR REPLACE TRIGGER session_store_notify AFTER INSERT ON session \
         FOR EACH ROW EXECUTE FUNCTION session_store_notify_session()",
        "CREATE OR REPLACE FUNCTION session_store_notify_session() RETURNS trigger \
         LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "ALTER TABLE session DISABLE TRIGGER session_store_notify",
        "ALTER TABLE session RENAME TO elsewhere",
    ] {
        hears(&listening).await;
        execute(&db, sql).await;
        is_deaf(&listening).await;
        other.create_table().await.unwrap();
        execute(&db, "ALTER TABLE session ENABLE TRIGGER ALL").await;
    }
    drop(listening);
}

async fn the_trigger_of_a_table_in_another_schema_is_heard(db: DatabaseConnection) {
    execute(&db, "CREATE SCHEMA tenant").await;
    let (store, other, clock) = two_stores::<elsewhere::Model>(&db).await;
    let listening = store.listen();
    hears(&listening).await;
    let (_, watch) = watching(&store, &clock).await;
    other.delete_all().await.unwrap();
    ends(watch).await;
    drop(listening);
    // By the search path of the connections.
    let mut options = ConnectOptions::new(database_url(&db).await);
    options.set_schema_search_path("tenant");
    let tenant = Database::connect(options).await.unwrap();
    let store = SeaOrmStore::<session::Model>::new(tenant)
        .with_notify_trigger()
        .with_clock(clock.reader())
        .with_watch_interval(NEVER);
    execute(&db, "DROP TABLE tenant.session").await;
    store.create_table().await.unwrap();
    let listening = store.listen();
    hears(&listening).await;
    let (_, watch) = watching(&store, &clock).await;
    execute(&db, "TRUNCATE tenant.session").await;
    ends(watch).await;
    drop(listening);
}

async fn names_with_quotes_and_capitals_are_heard(db: DatabaseConnection) {
    let schema = "the \"\"schema\"\" `of` 'session store' $$";
    execute(&db, &format!("CREATE SCHEMA \"{schema}\"")).await;
    let (store, other, clock) = two_stores::<quoted::Model>(&db).await;
    let listening = store.listen();
    hears(&listening).await;
    let (_, watch) = watching(&store, &clock).await;
    other.delete_all().await.unwrap();
    ends(watch).await;
    drop(listening);
}

async fn a_listener_whose_runtime_has_ended_does_not_hear(db: DatabaseConnection) {
    let _ = two_stores::<session::Model>(&db).await;
    let url = database_url(&db).await;
    let listening = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let store = SeaOrmStore::<session::Model>::new(Database::connect(url).await.unwrap());
            let listening = store.listen();
            hears(&listening).await;
            listening
        })
    });
    assert!(!listening.join().unwrap().is_hearing());
}

async fn a_store_whose_pool_is_closed_does_not_hear(db: DatabaseConnection) {
    let (store, _, _) = two_stores::<session::Model>(&db).await;
    let listening = store.listen();
    hears(&listening).await;
    let before = connections(&db).await;
    store.db().clone().close().await.unwrap();
    is_deaf(&listening).await;
    // The pool's, and its own.
    until("it is closed", async || connections(&db).await < before - 1).await;
}

async fn tables_with_long_names_have_a_trigger_each(db: DatabaseConnection) {
    let (watching_one, one, clock) = two_stores::<one::Model>(&db).await;
    let (watching_two, two, _) = two_stores::<two::Model>(&db).await;
    let listening = (watching_one.listen(), watching_two.listen());
    hears(&listening.0).await;
    hears(&listening.1).await;
    let (id, watch) = watching(&watching_one, &clock).await;
    one.delete(&id).await.unwrap();
    ends(watch).await;
    let (id, watch) = watching(&watching_two, &clock).await;
    two.delete(&id).await.unwrap();
    ends(watch).await;
    drop(listening);
}

/// On a connection that has executed the trigger before.
async fn a_column_may_change_its_type_under_the_trigger(db: DatabaseConnection) {
    let (store, _, clock) = two_stores::<session::Model>(&db).await;
    let mut options = ConnectOptions::new(database_url(&db).await);
    options.max_connections(1);
    let other = SeaOrmStore::<session::Model>::new(Database::connect(options).await.unwrap())
        .with_clock(clock.reader());
    let listening = store.listen();
    hears(&listening).await;
    for alter in [
        "sid TYPE text",
        "sid TYPE char(100)",
        "sess TYPE jsonb USING sess::jsonb",
        "expire TYPE timestamptz(3)",
    ] {
        for is_altered in [false, true] {
            let (id, watch) = watching(&store, &clock).await;
            if is_altered {
                execute(&db, &format!("ALTER TABLE session ALTER COLUMN {alter}")).await;
            }
            let mut session = other.load(&id).await.unwrap().unwrap();
            session.data.insert("n".to_owned(), json!(1));
            other.save(&session).await.unwrap();
            other.delete(&id).await.unwrap();
            ends(watch).await;
        }
    }
    drop(listening);
}

async fn the_names_of_others_in_the_search_path_change_nothing(db: DatabaseConnection) {
    let (store, _, clock) = two_stores::<session::Model>(&db).await;
    let listening = store.listen();
    hears(&listening).await;
    execute(
        &db,
        "CREATE FUNCTION public.sha256(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT $1'",
    )
    .await;
    for end in ["UPDATE session SET sid = 'x'", "DELETE FROM session"] {
        let (_, watch) = watching(&store, &clock).await;
        let end = format!("BEGIN; SET LOCAL search_path = public, pg_catalog; {end}; COMMIT");
        execute(&db, &end).await;
        ends(watch).await;
    }
    drop(listening);
}

/// Creating it locks the table.
async fn a_trigger_that_is_there_is_not_created_again(db: DatabaseConnection) {
    let (_, other, _) = two_stores::<session::Model>(&db).await;
    let created_by = async || {
        let select =
            "SELECT xmin::text AS n FROM pg_proc WHERE proname = 'session_store_notify_session'";
        let select = Statement::from_string(DbBackend::Postgres, select);
        let row = db.query_one_raw(select).await.unwrap().unwrap();
        row.try_get::<String>("", "n").unwrap()
    };
    let before = created_by().await;
    other.create_table().await.unwrap();
    assert_eq!(created_by().await, before);
    execute(&db, "DROP TRIGGER session_store_notify_truncate ON session").await;
    other.create_table().await.unwrap();
    assert_ne!(created_by().await, before);
}

async fn connections(db: &DatabaseConnection) -> i64 {
    let select = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()";
    let select = Statement::from_string(DbBackend::Postgres, select);
    let row = db.query_one_raw(select).await;
    row.unwrap().unwrap().try_get("", "n").unwrap()
}

async fn a_listener_that_is_dropped_closes_its_connection(db: DatabaseConnection) {
    let (store, _, _) = two_stores::<session::Model>(&db).await;
    // The pools open no other connection meanwhile.
    let before = connections(&db).await;
    let listening = store.listen();
    hears(&listening).await;
    assert_eq!(connections(&db).await, before + 1);
    drop(listening);
    until("it is closed", async || connections(&db).await == before).await;
}

async fn the_listener_takes_no_connection_of_the_pool(db: DatabaseConnection) {
    let (_, other, clock) = two_stores::<session::Model>(&db).await;
    let mut options = ConnectOptions::new(database_url(&db).await);
    options.max_connections(1);
    let one = Database::connect(options).await.unwrap();
    let store = SeaOrmStore::<session::Model>::new(one)
        .with_clock(clock.reader())
        .with_watch_interval(NEVER);
    let listening = store.listen();
    hears(&listening).await;
    let (_, watch) = watching(&store, &clock).await;
    other.delete_all().await.unwrap();
    ends(watch).await;
    drop(listening);
}

async fn the_trigger_can_be_created_again_and_at_the_same_time(db: DatabaseConnection) {
    let (store, other, clock) = two_stores::<session::Model>(&db).await;
    let mut creating = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let other = other.clone();
        creating.spawn(async move { other.create_table().await });
    }
    while let Some(created) = creating.join_next().await {
        created.unwrap().unwrap();
    }
    let mut listener = listener(&db).await;
    let mut session = record(clock.now(), []);
    store.create(&mut session).await.unwrap();
    store.delete(&session.id).await.unwrap();
    assert_eq!(heard(&mut listener, &db).await.len(), 1);
}

async fn a_store_that_cannot_listen_watches_by_interval(db: DatabaseConnection) {
    let (store, clock) = tests::store::<session::Model>(db.clone()).await;
    let store = store.with_watch_interval(Duration::milliseconds(50));
    let listening = store.listen();
    let (_, watch) = watching(&store, &clock).await;
    execute(&db, "DELETE FROM session").await;
    ends(watch).await;
    assert!(!listening.is_hearing());
}
