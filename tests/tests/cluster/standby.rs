//! A PostgreSQL server with a standby that takes over.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use session_store::Id;
use tests::Proxy;
use tests::database::take_connections;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower_sessions_core::SessionStore;

use super::load::{during, found, session};
use super::servers::{Cluster, Store, execute};

/// Replication is synchronous unless a test says otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_takes_over_has_what_was_acknowledged_and_fails_nothing() {
    let Some(cluster) = Cluster::enter().await else {
        return;
    };
    let store = cluster.new_store("postgres-proxy").await;
    let figures = during("PostgreSQL, a standby takes over", &store, async {
        sleep(Duration::from_secs(2)).await;
        cluster.run("postgres 1 kill").await;
        cluster.run("postgres 2 promote").await;
        sleep(Duration::from_secs(3)).await;
    });
    figures.await.assert_perfect();
    swap_back(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_synchronous_standby_names_a_failover_loses_what_was_acknowledged() {
    let Some(cluster) = Cluster::enter().await else {
        return;
    };
    let store = cluster.new_store("postgres-proxy").await;
    let [mut old, new] = [(); 2].map(|()| session(0));
    store.create(&mut old).await.unwrap();
    set(&store, "synchronous_standby_names = ''").await;
    // It is as far behind as a slow network would have it.
    let standby = cluster.store("postgres 2").await;
    set(&standby, "primary_conninfo = ''").await;
    let mut acknowledged = new;
    store.create(&mut acknowledged).await.unwrap();
    store.delete(&old.id).await.unwrap();
    cluster.run("postgres 1 kill").await;
    cluster.run("postgres 2 promote").await;
    let lost = found(&store, &acknowledged.id).await.is_none();
    let back = found(&store, &old.id).await.is_some();
    swap_back(&cluster).await;
    assert_eq!([lost, back], [true, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_a_standby_is_given_up() {
    let Some(cluster) = Cluster::enter().await else {
        return;
    };
    drop(cluster.new_store("postgres 1").await);
    let store = store_of_old_address(&cluster, 4).await;
    let mut session = session(0);
    store.create(&mut session).await.unwrap();
    // The server notices a little later that a connection has ended, and one may be met only by a later write.
    let standby = cluster.store("postgres 2").await;
    let mut writes = 0;
    while clients(&standby).await > 0 && writes < 100 {
        store.create(&mut session).await.unwrap();
        writes += 1;
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(clients(&standby).await, 0, "after {writes} writes");
    // None is left that would serve what has ended.
    execute(standby.db(), "SELECT pg_wal_replay_pause()").await;
    store.delete(&session.id).await.unwrap();
    let mut found = Vec::new();
    for _ in 0..8 {
        found.push(store.load(&session.id).await.unwrap());
    }
    let on_standby = standby.load(&session.id).await.unwrap();
    execute(standby.db(), "SELECT pg_wal_replay_resume()").await;
    assert_eq!(found, vec![None; 8]);
    assert!(on_standby.is_some());
}

/// Returns the number of connections to a server other than this one.
async fn clients(store: &Store) -> i64 {
    let select = "SELECT count(*) FROM pg_stat_activity \
                  WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND state = 'idle' \
                  AND query NOT LIKE '%pg_stat_activity%'";
    let select = Statement::from_string(DbBackend::Postgres, select);
    let row = store.db().query_one_raw(select).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

/// Returns a store whose connections are open and lead to the standby. New ones lead to the primary.
async fn store_of_old_address(cluster: &Cluster, connections: u32) -> Store {
    let proxy = Proxy::start(&cluster.url("postgres 2").await, |_, _| false).await;
    let db = proxy.connect(connections).await;
    drop(take_connections(&db).await);
    let pool = db.get_postgres_connection_pool();
    while pool.num_idle() < usize::try_from(connections).unwrap() {
        sleep(Duration::from_millis(10)).await;
    }
    proxy.lead_to(&cluster.url("postgres 1").await);
    Store::new(db)
}

/// Each statement meets the old server, and each closes connections of the others.
#[tokio::test(flavor = "multi_thread")]
async fn many_statements_at_once_give_up_their_connections_to_a_standby() {
    let Some(cluster) = Cluster::enter().await else {
        return;
    };
    drop(cluster.new_store("postgres 1").await);
    for (connections, statements) in [(1, 2), (4, 4), (16, 64)] {
        let store = store_of_old_address(&cluster, connections).await;
        let mut creating = JoinSet::new();
        for _ in 0..statements {
            let store = store.clone();
            creating.spawn(async move { store.create(&mut session(0)).await });
        }
        while let Some(created) = creating.join_next().await {
            created.unwrap().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_read_only_fails_at_once_and_keeps_its_connections() {
    let Some(cluster) = Cluster::enter().await else {
        return;
    };
    let store = cluster.new_store("postgres 1").await;
    let mut session = session(0);
    store.create(&mut session).await.unwrap();
    let url = cluster.url("postgres 1").await;
    let url = format!("{url}?options=-c%20default_transaction_read_only%3Don");
    let store = Store::new(super::servers::connect(&url).await);
    let start = Instant::now();
    let error = store.delete(&session.id).await.unwrap_err();
    assert!(error.to_string().contains("read-only"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(1));
    assert!(store.load(&session.id).await.unwrap().is_some());
}

/// The one setting with which it is safe to read from a replica: a commit waits until the replica shows it.
#[tokio::test(flavor = "multi_thread")]
async fn with_remote_apply_a_replica_shows_every_change() {
    let Some(cluster) = Cluster::enter().await else {
        return;
    };
    let primary = cluster.new_store("postgres 1").await;
    let replica = cluster.store("postgres 2").await;
    set(&primary, "synchronous_commit = on").await;
    execute(replica.db(), "SELECT pg_wal_replay_pause()").await;
    let is_shown_if_on = is_shown(&primary, &replica).await;
    execute(replica.db(), "SELECT pg_wal_replay_resume()").await;
    assert!(!is_shown_if_on);
    set(&primary, "synchronous_commit = remote_apply").await;
    for _ in 0..300 {
        assert!(is_shown(&primary, &replica).await);
    }
    set(&primary, "synchronous_commit = on").await;
}

async fn set(primary: &Store, setting: &str) {
    execute(primary.db(), &format!("ALTER SYSTEM SET {setting}")).await;
    execute(primary.db(), "SELECT pg_reload_conf()").await;
    sleep(Duration::from_millis(200)).await;
}

/// Returns whether the replica shows at once what the primary has acknowledged.
async fn is_shown(primary: &Store, replica: &Store) -> bool {
    let mut session = session(0);
    primary.create(&mut session).await.unwrap();
    let is_there = replica.load(&session.id).await.unwrap().is_some();
    primary.delete(&session.id).await.unwrap();
    let is_gone = replica.load(&session.id).await.unwrap().is_none();
    is_there && is_gone
}

/// Each of its loads would have to touch the session.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_connected_only_to_a_replica_loads_at_once() {
    let Some(cluster) = Cluster::enter().await else {
        return;
    };
    let primary = cluster.new_store("postgres 1").await;
    let mut session = session(0);
    primary.create(&mut session).await.unwrap();
    let replica = cluster.store("postgres 2").await;
    let replica = replica
        .with_idle_timeout(time::Duration::DAY)
        .with_touch_after(time::Duration::ZERO);
    wait_until_shown(&replica, &session.id).await;
    let start = Instant::now();
    for _ in 0..3 {
        assert!(replica.load(&session.id).await.unwrap().is_some());
    }
    assert!(start.elapsed() < Duration::from_secs(1));
}

async fn wait_until_shown(replica: &Store, id: &Id) {
    while replica.find(id).await.ok().flatten().is_none() {
        sleep(Duration::from_millis(20)).await;
    }
}

/// Makes the first server the primary again, and the second its standby.
async fn swap_back(cluster: &Cluster) {
    cluster.run("postgres 1 follow").await;
    cluster.run("postgres 2 kill").await;
    cluster.run("postgres 1 promote").await;
    cluster.run("postgres 2 follow").await;
}
