//! A database that is down: how long a statement waits, and how often it tries to connect.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration as StdDuration;

use sea_orm::Database;
use session_store::{DefaultStore, Error, connect_options};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// Tries to read a session table that is reached through this port, and returns the error.
async fn error_behind(port: u16, scheme: &str) -> Error {
    let mut options = connect_options(format!("{scheme}://root@127.0.0.1:{port}/test"));
    options.connect_lazy(true);
    let db = Database::connect(options).await.unwrap();
    DefaultStore::new(db).count().await.unwrap_err()
}

/// Listens on a port, hands every connection to `answer`, and counts the connections.
async fn listen<T: Send + 'static>(
    answer: impl Fn(TcpStream) -> T + Send + 'static,
) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepted = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&accepted);
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::Relaxed);
            kept.push(answer(stream));
        }
    });
    (port, accepted)
}

fn assert_gives_up_on_connecting(error: &Error, started: Instant) {
    let message = error.to_string();
    assert!(message.contains("`acquire_timeout`"), "{message}");
    let waited = started.elapsed();
    let patience = StdDuration::from_secs(5);
    assert!(waited >= patience && waited < 2 * patience, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_port_is_an_error_after_five_seconds() {
    for scheme in ["postgres", "mysql"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let started = Instant::now();
        let error = error_behind(port, scheme).await;
        assert_gives_up_on_connecting(&error, started);
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_answer_is_an_error_after_five_seconds() {
    for scheme in ["postgres", "mysql"] {
        let (port, _) = listen(|stream| stream).await;
        let started = Instant::now();
        let error = error_behind(port, scheme).await;
        assert_gives_up_on_connecting(&error, started);
    }
}

#[tokio::test]
async fn a_proxy_that_accepts_and_closes_gets_a_few_connections_with_pauses() {
    let tries = ["postgres", "mysql"].map(|scheme| {
        tokio::spawn(async move {
            let (port, accepted) = listen(drop).await;
            let started = Instant::now();
            let error = error_behind(port, scheme).await;
            (error, accepted.load(Ordering::Relaxed), started.elapsed())
        })
    });
    for tried in tries {
        let (error, accepted, waited) = tried.await.unwrap();
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        // Five pauses from 10 ms on, each twice as long as the last, then pauses of 320 ms, and half of each random.
        assert!((10..=22).contains(&accepted), "{accepted}");
        assert!(waited >= StdDuration::from_millis(2500), "{waited:?}");
    }
}
