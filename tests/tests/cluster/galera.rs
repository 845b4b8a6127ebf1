//! A Galera cluster of three MariaDB nodes.

use std::time::Duration;

use axum::http::StatusCode;
use sea_orm::{ConnectionTrait, Database, TransactionTrait};
use session_store::{Id, SeaOrmStore, connect_options};
use tests::entity;
use tokio::time::{Instant, sleep};
use tower_sessions_core::SessionStore;

use super::load::{during, session};
use super::servers::{Cluster, Store, execute};

entity!(owned {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    pub user_id: i64,
});

const ROUNDS: usize = 600;

#[tokio::test(flavor = "multi_thread")]
async fn requests_from_node_to_node_see_every_change() {
    let Some(cluster) = Cluster::enter().await else {
        return;
    };
    let stores = cluster.galera().await;
    let [mut unseen_sign_ins, mut unseen_saves, mut served] = [0; 3];
    for round in 0..ROUNDS {
        let node = |number: usize| &stores[(round + number) % 3];
        let mut session = session(0);
        node(0).create(&mut session).await.unwrap();
        let id = session.id;
        unseen_sign_ins += usize::from(node(1).load(&id).await.unwrap().is_none());
        session.data.insert("number".to_owned(), round.into());
        // This node has not been asked before.
        node(2).save(&session).await.unwrap();
        let loaded = node(0).load(&id).await.unwrap();
        unseen_saves += usize::from(loaded.is_none_or(|loaded| loaded.data != session.data));
        node(1).delete(&id).await.unwrap();
        served += usize::from(node(2).load(&id).await.unwrap().is_some());
    }
    assert_eq!([unseen_sign_ins, unseen_saves, served], [0; 3]);
}

/// A user who has just signed up is signed in by another node.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_refers_to_a_row_that_another_node_has_just_inserted() {
    let Some(cluster) = Cluster::enter().await else {
        return;
    };
    let stores = cluster.galera().await;
    let stores = stores.map(|store| SeaOrmStore::<owned::Model>::new(store.db().clone()));
    for sql in [
        "DROP TABLE session",
        "CREATE OR REPLACE TABLE user (id bigint PRIMARY KEY)",
    ] {
        execute(stores[0].db(), sql).await;
    }
    stores[0].create_table().await.unwrap();
    let references = "ALTER TABLE session ADD FOREIGN KEY (user_id) REFERENCES user (id)";
    execute(stores[0].db(), references).await;
    for round in 0..ROUNDS {
        let insert = format!("INSERT INTO user VALUES ({round})");
        execute(stores[round % 3].db(), &insert).await;
        let mut session = session(0);
        session.data.insert("user_id".to_owned(), round.into());
        let other = &stores[(round + 1) % 3];
        other.create(&mut session).await.unwrap();
    }
    execute(stores[0].db(), "DROP TABLE session, user").await;
}

/// A node that waits for the others in vain returns the same error.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_was_waited_for_in_vain_is_waited_for_again() {
    let Some(cluster) = Cluster::enter().await else {
        return;
    };
    let store = cluster.new_store("galera 1").await;
    let mut session = session(0);
    store.create(&mut session).await.unwrap();
    let set_timeout = async |seconds| {
        let set = format!("SET GLOBAL innodb_lock_wait_timeout = {seconds}");
        execute(store.db(), &set).await;
    };
    set_timeout(1).await;
    let saving = cluster.store("galera 1").await;
    let lock = store.db().begin().await.unwrap();
    lock.execute_unprepared("SELECT * FROM session FOR UPDATE")
        .await
        .unwrap();
    let saved = tokio::spawn(async move { saving.save(&session).await });
    // InnoDB looks at its timeouts once per second.
    sleep(Duration::from_secs(3)).await;
    lock.rollback().await.unwrap();
    set_timeout(50).await;
    saved.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_fails_nothing() {
    let Some(cluster) = Cluster::enter().await else {
        return;
    };
    let store = cluster.new_store("galera-proxy").await;
    let figures = during("Galera, a node killed", &store, async {
        sleep(Duration::from_secs(2)).await;
        cluster.run("galera 2 kill").await;
        sleep(Duration::from_secs(4)).await;
        cluster.run("galera 2 start").await;
        sleep(Duration::from_secs(2)).await;
    });
    figures.await.assert_perfect();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stands_still_for_ten_seconds_fails_nothing() {
    let Some(cluster) = Cluster::enter().await else {
        return;
    };
    let store = cluster.new_store("galera-proxy").await;
    let figures = during("Galera, a node that stands still", &store, freeze(&cluster));
    figures.await.assert_perfect();
}

/// The whole cluster stands still until it has given up the node, after `evs.suspect_timeout`, which is five seconds
/// by default. For as long, nobody gives a connection back, and others wait for one.
#[tokio::test(flavor = "multi_thread")]
async fn with_fewer_connections_than_requests_the_acquire_timeout_is_longer_than_the_suspect_timeout()
 {
    let Some(cluster) = Cluster::enter().await else {
        return;
    };
    drop(cluster.new_store("galera-proxy").await);
    let mut options = connect_options(cluster.url("galera-proxy").await);
    options
        .max_connections(4)
        .sqlx_logging(false)
        .acquire_timeout(Duration::from_secs(30));
    let store = Store::new(Database::connect(options).await.unwrap());
    let name = "Galera, a node that stands still, four connections";
    let figures = during(name, &store, freeze(&cluster));
    figures.await.assert_perfect();
}

async fn freeze(cluster: &Cluster) {
    sleep(Duration::from_secs(2)).await;
    cluster.run("galera 3 freeze").await;
    sleep(Duration::from_secs(10)).await;
    cluster.run("galera 3 thaw").await;
    sleep(Duration::from_secs(1)).await;
    cluster.run("galera 3 wait").await;
    sleep(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_fails_nothing_and_serves_nothing_old() {
    let Some(cluster) = Cluster::enter().await else {
        return;
    };
    let store = cluster.new_store("galera-proxy").await;
    let [majority, minority] = [
        cluster.store("galera 1").await,
        cluster.store("galera 3").await,
    ];
    let figures = during("Galera, a node cut off", &store, async {
        sleep(Duration::from_secs(2)).await;
        let ids = sessions(&majority).await;
        cluster.run("galera 3 isolate").await;
        for id in &ids {
            majority.delete(id).await.unwrap();
        }
        let isolated = Instant::now();
        while isolated.elapsed() < Duration::from_secs(8) {
            for id in &ids {
                match minority.find(id).await {
                    Ok(found) => assert_eq!(found, None, "it is served after its end"),
                    Err(error) => assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE),
                }
            }
        }
        cluster.run("galera 3 join").await;
        sleep(Duration::from_secs(1)).await;
        cluster.run("galera 3 wait").await;
        for id in &ids {
            assert_eq!(minority.load(id).await.unwrap(), None);
        }
    });
    figures.await.assert_perfect();
}

async fn sessions(store: &impl SessionStore) -> Vec<Id> {
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut session = session(0);
        store.create(&mut session).await.unwrap();
        ids.push(session.id);
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_fails_nothing() {
    let Some(cluster) = Cluster::enter().await else {
        return;
    };
    let store = cluster.new_store("galera-proxy").await;
    let figures = during("Galera, a rolling restart", &store, async {
        for node in 1..=3 {
            sleep(Duration::from_secs(2)).await;
            cluster.run(&format!("galera {node} stop")).await;
            cluster.run(&format!("galera {node} start")).await;
        }
        sleep(Duration::from_secs(2)).await;
    });
    figures.await.assert_perfect();
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_created_and_pruned_from_three_nodes_at_once() {
    let Some(cluster) = Cluster::enter().await else {
        return;
    };
    let stores = cluster.galera().await;
    execute(stores[0].db(), "DROP TABLE session").await;
    let [a, b, c] = &stores;
    let created = tokio::join!(a.create_table(), b.create_table(), c.create_table());
    for created in [created.0, created.1, created.2] {
        created.unwrap();
    }
    for _ in 0..3 {
        for store in stores.iter().cycle().take(300) {
            let mut session = session(0);
            session.expiry_date = time::OffsetDateTime::now_utc();
            store.create(&mut session).await.unwrap();
        }
        let pruned = tokio::join!(a.prune(), b.prune(), c.prune());
        let pruned = pruned.0.unwrap() + pruned.1.unwrap() + pruned.2.unwrap();
        assert_eq!(pruned, 300);
        assert_eq!(b.count().await.unwrap(), 0);
    }
}
