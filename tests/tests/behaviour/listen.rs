//! Hearing, on PostgreSQL, of what other processes do to sessions.

use std::time::Duration as StdDuration;

use sea_orm::sqlx::postgres::PgListener;
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbBackend, Statement};
use serde_json::json;
use session_store::{Id, ListenTask, SeaOrmStore, SessionModel};
use tests::database::{database_url, execute};
use tests::{Clock, ConnectionKiller, entity, new_session, on_database, on_every_database, record};
use time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tower_sessions_core::SessionStore;

on_database!(
    on_postgres,
    Postgres: what_another_process_ends_is_heard_of,
    what_is_done_by_hand_is_heard_of,
    a_touch_notifies_of_nothing,
    a_plain_id_is_in_no_notification,
    a_listener_whose_connection_is_killed_comes_back,
    what_ended_while_nothing_was_heard_ends_its_watch,
    a_connection_that_no_longer_answers_is_given_up,
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
    let watch = tokio::spawn(store.watch(&id));
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

/// Returns the notifications that statements have sent.
async fn heard(listener: &mut PgListener, db: &DatabaseConnection) -> Vec<String> {
    execute(db, "NOTIFY session_store, 'end'").await;
    let mut heard = Vec::new();
    loop {
        let notification = listener.recv().await.unwrap();
        if notification.payload() == "end" {
            return heard;
        }
        heard.push(notification.payload().to_owned());
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
    execute(&db, "UPDATE session SET sid = sid").await;
    assert_eq!(heard(&mut listener, &db).await, [""; 0]);
    session.data.insert("n".to_owned(), json!(1));
    other.save(&session).await.unwrap();
    assert_eq!(heard(&mut listener, &db).await.len(), 1);
    for sql in [
        "UPDATE session SET \"user\" = 'bob'",
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
    let url = database_url(&db).await;
    let (before, address) = url.rsplit_once('@').unwrap();
    let (address, database) = address.split_once('/').unwrap();
    let (address, database) = (address.to_owned(), database.to_owned());
    // A proxy that passes on everything, until it stands still.
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = proxy.local_addr().unwrap().port();
    let (stop, is_stopped) = tokio::sync::watch::channel(false);
    let passing = tokio::spawn(async move {
        while let Ok((mut client, _)) = proxy.accept().await {
            let (address, mut is_stopped) = (address.clone(), is_stopped.clone());
            tokio::spawn(async move {
                let mut server = TcpStream::connect(address).await.unwrap();
                let is_stopped = is_stopped.wait_for(|stopped| *stopped);
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut server) => return,
                    stopped = is_stopped => drop(stopped),
                }
                // Both ends stay open.
                sleep(StdDuration::from_secs(60)).await;
            });
        }
    });
    let mut options = ConnectOptions::new(format!("{before}@127.0.0.1:{port}/{database}"));
    options
        .max_connections(2)
        .acquire_timeout(StdDuration::from_secs(1));
    let store = SeaOrmStore::<session::Model>::new(Database::connect(options).await.unwrap())
        .with_clock(clock.reader())
        .with_watch_interval(NEVER);
    let listening = store.listen();
    hears(&listening).await;
    let (_, watch) = watching(&store, &clock).await;
    stop.send_replace(true);
    let stopped = Instant::now();
    is_deaf(&listening).await;
    assert!(stopped.elapsed() < StdDuration::from_secs(5));
    other.delete_all().await.unwrap();
    stop.send_replace(false);
    hears(&listening).await;
    ends(watch).await;
    drop(listening);
    passing.abort();
}

async fn a_table_without_the_trigger_is_not_heard(db: DatabaseConnection) {
    let (store, clock) = tests::store::<session::Model>(db.clone()).await;
    let listening = store.listen();
    sleep(StdDuration::from_millis(500)).await;
    assert!(!listening.is_hearing());
    let trigger = store.notify_trigger().unwrap();
    execute(&db, &trigger.sql).await;
    hears(&listening).await;
    let (_, watch) = watching(&store.clone().with_watch_interval(NEVER), &clock).await;
    execute(&db, "DELETE FROM session").await;
    ends(watch).await;
    drop(listening);
}

async fn a_trigger_that_is_dropped_or_disabled_is_noticed(db: DatabaseConnection) {
    let (store, other, _) = two_stores::<session::Model>(&db).await;
    let listening = store.listen();
    for sql in [
        "DROP TRIGGER session_store_notify ON session",
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

async fn connections(db: &DatabaseConnection) -> i64 {
    let select = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()";
    let select = Statement::from_string(DbBackend::Postgres, select);
    let row = sea_orm::ConnectionTrait::query_one_raw(db, select).await;
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
