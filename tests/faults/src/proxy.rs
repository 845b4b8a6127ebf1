//! A proxy between a store and its server, which can fail in several ways.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the database is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Open connections are closed, and the port refuses new ones.
    Refuses,
    /// Open connections are closed, and new ones are accepted and closed.
    Closes,
    /// Open connections are closed, and new ones are accepted and never answered.
    IsSilent,
    /// Open connections stay open, but nothing is answered any more.
    Vanishes,
}

impl Fault {
    pub(crate) const ALL: [Self; 4] = [Self::Refuses, Self::Closes, Self::IsSilent, Self::Vanishes];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Refuses => "port refuses",
            Self::Closes => "proxy accepts and closes",
            Self::IsSilent => "host does not answer",
            Self::Vanishes => "host vanishes",
        }
    }
}

/// A proxy on a port of 127.0.0.1. It forwards until it is broken.
pub(crate) struct Proxy {
    port: u16,
    fault: watch::Sender<Option<Fault>>,
    accepted: Arc<AtomicU64>,
}

impl Proxy {
    pub(crate) async fn start(upstream: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let (fault, broken) = watch::channel(None);
        let accepted = Arc::new(AtomicU64::new(0));
        tokio::spawn(accept(listener, upstream, broken, Arc::clone(&accepted)));
        Ok(Self {
            port,
            fault,
            accepted,
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Breaks the proxy for good.
    pub(crate) async fn fail(&self, fault: Fault) -> Result<()> {
        self.accepted.store(0, Ordering::Relaxed);
        self.fault.send_replace(Some(fault));
        if fault == Fault::Refuses {
            // The listener is closed by its task.
            while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
                .await
                .is_ok()
            {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Returns the number of connections that were accepted since the proxy was broken.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }
}

async fn accept(
    listener: TcpListener,
    upstream: u16,
    mut broken: watch::Receiver<Option<Fault>>,
    accepted: Arc<AtomicU64>,
) -> Result<()> {
    let new = broken.clone();
    loop {
        tokio::select! {
            biased;
            refuses = broken.wait_for(|fault| *fault == Some(Fault::Refuses)) => {
                refuses.context("the proxy is dropped")?;
                return Ok(());
            }
            stream = listener.accept() => {
                accepted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(forward(stream?.0, upstream, new.clone()));
            }
        }
    }
}

/// Forwards a connection, or does with it what the fault says.
async fn forward(
    mut stream: TcpStream,
    upstream: u16,
    mut broken: watch::Receiver<Option<Fault>>,
) -> Result<()> {
    let is_new_in_silence = *broken.borrow() == Some(Fault::IsSilent);
    let forwarded = async {
        let mut upstream = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).await?;
        copy_bidirectional(&mut stream, &mut upstream).await
    };
    let fault = tokio::select! {
        biased;
        fault = broken.wait_for(Option::is_some) => *fault?,
        _ = forwarded => return Ok(()),
    };
    if is_new_in_silence || fault == Some(Fault::Vanishes) {
        // Keeps the connection open until the proxy is dropped.
        while broken.changed().await.is_ok() {}
    }
    drop(stream);
    Ok(())
}
