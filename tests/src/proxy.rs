//! A proxy between a pool and a server, which can stop, hold bytes back, and lead somewhere else.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes everything on while it is open.
pub struct Proxy {
    url: String,
    server: Arc<Mutex<String>>,
    pub is_open: watch::Sender<bool>,
}

impl Proxy {
    /// Leads to the server of this URL. `holds` says for each connection, by its number from 0, which bytes of the
    /// client stay here for ever.
    ///
    /// # Panics
    ///
    /// Panics if it cannot listen.
    pub async fn start(url: &str, holds: fn(usize, &[u8]) -> bool) -> Self {
        let (user, server, database) = parts(url);
        let server = Arc::new(Mutex::new(server.to_owned()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let port = listener.local_addr().expect("has a port").port();
        let url = format!("{user}@127.0.0.1:{port}/{database}");
        let (is_open, gate) = watch::channel(true);
        let target = Arc::clone(&server);
        tokio::spawn(async move {
            for connection in 0.. {
                let Ok((client, _)) = listener.accept().await else {
                    return;
                };
                let server = target
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                let Ok(server) = TcpStream::connect(&server).await else {
                    continue;
                };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let holds = move |bytes: &[u8]| holds(connection, bytes);
                tokio::spawn(pass(from_client, to_server, gate.clone(), holds));
                tokio::spawn(pass(from_server, to_client, gate.clone(), |_| false));
            }
        });
        Self {
            url,
            server,
            is_open,
        }
    }

    /// Leads new connections to the server of this URL.
    pub fn lead_to(&self, url: &str) {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        parts(url).1.clone_into(&mut server);
    }

    /// Opens a pool of this many connections.
    ///
    /// # Panics
    ///
    /// Panics if the server does not answer.
    pub async fn connect(&self, connections: u32) -> DatabaseConnection {
        let mut options = ConnectOptions::new(&self.url);
        options
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(1));
        Database::connect(options).await.expect("connects")
    }
}

/// Returns what is before, in and after the address of a URL.
fn parts(url: &str) -> (&str, &str, &str) {
    let (user, address) = url.rsplit_once('@').expect("the URL has a user");
    let (server, database) = address.split_once('/').expect("the URL has a database");
    (user, server, database)
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut gate: watch::Receiver<bool>,
    holds: impl Fn(&[u8]) -> bool,
) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if holds(&bytes[..read]) {
            std::future::pending::<()>().await;
        }
        if gate.wait_for(|is_open| *is_open).await.is_err() {
            return;
        }
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
