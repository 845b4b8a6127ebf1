//! PgBouncer before a PostgreSQL server.

use std::time::Duration;

use session_store::{Error, Id};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::load::during;
use super::servers::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn session_mode_needs_no_setting() {
    let Some(cluster) = Cluster::enter().await else {
        return;
    };
    let store = cluster.new_store("pgbouncer-session").await;
    let figures = during("PgBouncer, session mode", &store, seconds(3));
    figures.await.assert_perfect();
}

/// A statement may be prepared on one connection and executed on another.
#[tokio::test(flavor = "multi_thread")]
async fn transaction_mode_needs_a_pooler_that_keeps_prepared_statements_and_errors_say_so() {
    let Some(cluster) = Cluster::enter().await else {
        return;
    };
    drop(cluster.new_store("postgres 1").await);
    let store = cluster.store("pgbouncer-transaction").await;
    if keeps_prepared_statements(&cluster).await {
        let figures = during("PgBouncer, transaction mode", &store, seconds(3));
        figures.await.assert_perfect();
        store.create_table().await.unwrap();
        store.health().await.unwrap();
        return;
    }
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let store = store.clone();
        tasks.spawn(async move {
            let mut errors = Vec::new();
            for _ in 0..20 {
                errors.extend(store.count().await.err());
                errors.extend(store.find(&Id::default()).await.err());
            }
            errors
        });
    }
    let errors: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    // Others are of statements that were executed for the wrong client.
    let names_the_setting = |error: &Error| error.to_string().contains("max_prepared_statements");
    assert!(errors.iter().any(names_the_setting), "{errors:?}");
}

async fn keeps_prepared_statements(cluster: &Cluster) -> bool {
    let version = cluster.run("pgbouncer_version").await;
    let minor: u32 = version.split('.').nth(1).unwrap().parse().unwrap();
    minor >= 21
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_hears_in_session_mode_and_says_that_it_does_not_in_transaction_mode() {
    let Some(cluster) = Cluster::enter().await else {
        return;
    };
    let store = cluster.new_store("postgres 1").await;
    store.with_notify_trigger().create_table().await.unwrap();
    for (server, expected) in [
        ("pgbouncer-session", true),
        ("pgbouncer-transaction", false),
    ] {
        let listening = cluster.store(server).await.listen();
        let mut has_heard = false;
        for _ in 0..30 {
            has_heard |= listening.is_hearing();
            sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(has_heard, expected, "{server}");
    }
}

async fn seconds(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}
