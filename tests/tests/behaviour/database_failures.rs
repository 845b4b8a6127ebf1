//! Failing databases: clear errors instead of panics, and retries.

use std::time::Duration as StdDuration;

use sea_orm::sea_query::Query;
use sea_orm::{
    ColumnTrait, ConnectOptions, ConnectionTrait, Database, DatabaseConnection,
    DatabaseTransaction, DbBackend, TransactionTrait,
};
use serde_json::json;
use session_store::Id;
use session_store::{DefaultStore, Error, connect_options, express_session};
use tests::database::execute;
use tests::{ConnectionKiller, layer, new_session, on_every_database, record, store};
use time::{Duration, OffsetDateTime};
use tower_sessions_core::SessionStore;

on_every_database!(
    an_error_for_a_missing_table_says_how_to_create_it,
    a_missing_column_is_named,
    operations_succeed_while_connections_are_killed,
    operations_succeed_after_all_pooled_connections_are_lost,
    sessions_are_read_after_a_column_has_changed_its_type,
);

#[tokio::test]
async fn a_disconnected_store_gives_a_clear_error_and_no_panic() {
    let store = DefaultStore::new(DatabaseConnection::default()).with_idle_timeout(Duration::HOUR);
    let id = Id::default();
    let session = || record(OffsetDateTime::now_utc(), [("n", json!(1))]);
    let condition = || express_session::Column::Sid.eq("x");
    for outcome in [
        store.create_table().await,
        store.prune().await.map(drop),
        store.touch(&id).await.map(drop),
        store.find(&id).await.map(drop),
        store.count().await.map(drop),
        store.delete_all().await.map(drop),
        store.revoke(condition()).await.map(drop),
        store.revoke_others(condition(), &id).await.map(drop),
    ] {
        assert!(matches!(outcome, Err(Error::Disconnected)), "{outcome:?}");
    }
    for outcome in [
        store.create(&mut session()).await,
        store.save(&session()).await,
        store.load(&id).await.map(drop),
        store.delete(&id).await,
    ] {
        let message = outcome.unwrap_err().to_string();
        assert!(
            message.contains("`sea_orm::Database::connect`"),
            "{message}"
        );
    }
    // These need no connection.
    let _ = (
        store.active(),
        store.table(),
        store.indexes(),
        layer(&store),
        format!("{store:?}"),
    );
    store.prune_every(Duration::HOUR).stop().await;
}

#[test]
fn a_schedule_outside_a_runtime_does_not_panic() {
    drop(DefaultStore::new(DatabaseConnection::default()).prune_every(Duration::HOUR));
}

async fn an_error_for_a_missing_table_says_how_to_create_it(db: DatabaseConnection) {
    let store = DefaultStore::new(db.clone());
    let check = |message: String| {
        let help = "the table `express_session` does not exist; create it with `create_table()` or \
                    in a migration (";
        assert!(message.contains(help), "{message}");
    };
    let error = store.count().await.unwrap_err();
    assert!(matches!(error, Error::MissingTable { .. }), "{error:?}");
    check(error.to_string());
    check(store.load(&Id::default()).await.unwrap_err().to_string());

    // The table in the condition is missing.
    store.create_table().await.unwrap();
    let elsewhere = Query::select()
        .column("sid")
        .from("express_session_2")
        .take();
    let condition = express_session::Column::Sid.in_subquery(elsewhere);
    let error = store.revoke(condition).await.unwrap_err();
    assert!(matches!(error, Error::Database { .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.contains("could not revoke sessions"), "{message}");
    assert!(message.contains("express_session_2"), "{message}");
}

async fn a_missing_column_is_named(db: DatabaseConnection) {
    let (store, clock) = store::<express_session::Model>(db).await;
    let mut session = new_session(&store, clock.now(), []).await;
    execute(
        store.db(),
        "ALTER TABLE express_session RENAME COLUMN sess TO data",
    )
    .await;
    for error in [
        store.load(&session.id).await.unwrap_err(),
        store.save(&session).await.unwrap_err(),
        store.create(&mut session).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("sess"), "{error}");
        assert!(
            !error.to_string().contains(&store.sid(&session.id)),
            "{error}"
        );
    }
}

/// Kills all connections to the test's database again and again until the work is done.
async fn while_killing_connections<T>(db: &DatabaseConnection, work: impl Future<Output = T>) -> T {
    let killer = ConnectionKiller::new(db).await;
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            outcome = &mut work => return outcome,
            () = tokio::time::sleep(StdDuration::from_millis(50)) => {}
        }
        killer.kill_all().await;
    }
}

async fn operations_succeed_after_all_pooled_connections_are_lost(db: DatabaseConnection) {
    if db.get_database_backend() == DbBackend::Sqlite {
        return;
    }
    let killer = ConnectionKiller::new(&db).await;
    let mut options = connect_options(&killer.url);
    options.min_connections(30).max_connections(30);
    let pool = Database::connect(options).await.unwrap();
    let (store, clock) = store::<express_session::Model>(pool).await;
    let mut session = record(clock.now(), [("n", json!(1))]);
    for _ in 0..3 {
        store.create(&mut session).await.unwrap();
        killer.kill_all().await;
        let loaded = store.load(&session.id).await.unwrap();
        assert_eq!(loaded.as_ref(), Some(&session));
        killer.kill_all().await;
        store.save(&session).await.unwrap();
        killer.kill_all().await;
        store.delete(&session.id).await.unwrap();
    }
}

async fn operations_succeed_while_connections_are_killed(db: DatabaseConnection) {
    if db.get_database_backend() == DbBackend::Sqlite {
        return;
    }
    let (store, clock) = store::<express_session::Model>(db.clone()).await;
    let work = async {
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let (store, now) = (store.clone(), clock.now());
                tokio::spawn(async move {
                    for _ in 0..20 {
                        let mut session = new_session(&store, now, [("n", json!(0))]).await;
                        for n in 1..10 {
                            session.data.insert("n".into(), json!(n));
                            store.save(&session).await.unwrap();
                            let loaded = store.load(&session.id).await.unwrap().unwrap();
                            assert_eq!(loaded.data["n"], json!(n));
                        }
                        store.delete(&session.id).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    };
    while_killing_connections(&db, work).await;
    assert_eq!(store.count().await.unwrap(), 0);
}

async fn sessions_are_read_after_a_column_has_changed_its_type(db: DatabaseConnection) {
    // SQLite cannot change the type of a column.
    let alter = match db.get_database_backend() {
        DbBackend::Sqlite => return,
        DbBackend::Postgres => [
            "ALTER COLUMN sess TYPE varchar",
            "ALTER COLUMN sess TYPE text",
        ],
        _ => ["MODIFY sess mediumtext", "MODIFY sess longtext"],
    };
    let (store, clock) = store::<express_session::Model>(db).await;
    let session = new_session(&store, clock.now(), [("n", json!(1))]).await;
    let read_on_every_connection = async || {
        let loads = (0..32).map(|_| {
            let (store, id) = (store.clone(), session.id);
            tokio::spawn(async move { (store.load(&id).await, store.find(&id).await) })
        });
        for load in loads.collect::<Vec<_>>() {
            let (loaded, found) = load.await.unwrap();
            assert_eq!(loaded.unwrap().as_ref(), Some(&session));
            assert!(found.unwrap().is_some());
        }
    };
    read_on_every_connection().await;
    for alter in alter.iter().cycle().take(4) {
        execute(store.db(), &format!("ALTER TABLE express_session {alter}")).await;
        read_on_every_connection().await;
        store.save(&session).await.unwrap();
        read_on_every_connection().await;
    }
}

#[tokio::test]
async fn the_store_waits_for_a_busy_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/busy.sqlite?mode=rwc", folder.path().display());
    let connect = async || {
        let mut options = ConnectOptions::new(&url);
        // The store has to wait, not the driver.
        options
            .max_connections(1)
            .map_sqlx_sqlite_opts(|options| options.busy_timeout(StdDuration::ZERO));
        Database::connect(options).await.unwrap()
    };
    let (store, clock) = store::<express_session::Model>(connect().await).await;
    let other = connect().await;
    let writing = other.begin().await.unwrap();
    execute_in(&writing, "DELETE FROM express_session").await;
    let writer = tokio::spawn({
        let (store, now) = (store.clone(), clock.now());
        async move { store.create(&mut record(now, [])).await }
    });
    tokio::time::sleep(StdDuration::from_millis(100)).await;
    assert!(
        !writer.is_finished(),
        "the other connection does not hold the lock"
    );
    writing.commit().await.unwrap();
    writer.await.unwrap().unwrap();
    assert_eq!(store.count().await.unwrap(), 1);

    // A lock that is never released is an error.
    let writing = other.begin().await.unwrap();
    execute_in(&writing, "DELETE FROM express_session").await;
    let error = store
        .create(&mut record(clock.now(), []))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("could not create a session"),
        "{error}"
    );
    assert!(error.to_string().contains("database is locked"), "{error}");
    writing.rollback().await.unwrap();
}

async fn execute_in(transaction: &DatabaseTransaction, sql: &str) {
    transaction.execute_unprepared(sql).await.unwrap();
}
