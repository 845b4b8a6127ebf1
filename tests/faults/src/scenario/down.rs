//! Takes a database down, and measures when a load returns an error and how often it connects.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use time::OffsetDateTime;
use tokio::task::JoinSet;

use crate::proxy::{Fault, Proxy};
use crate::servers::{Kind, Server};
use crate::subject::{IDLE_TIMEOUT, Store};

/// How long a load may take until it counts as hanging. It is longer than the pool of either store waits.
const LIMIT: Duration = Duration::from_secs(40);

/// How long the connections have until they are idle.
const SETTLE: Duration = Duration::from_millis(200);

/// What one load did while the database was down.
pub(crate) struct Outage {
    pub(crate) kind: Kind,
    pub(crate) fault: Fault,
    pub(crate) store: Store,
    /// When the load returned, if it did.
    pub(crate) waited: Option<Duration>,
    /// The connections that the proxy accepted from it. A port that refuses accepts none.
    pub(crate) accepted: u64,
    pub(crate) error: String,
}

/// Tries every fault with both stores. All of them wait at the same time, each on its own proxy.
pub(crate) async fn run(server: &Server) -> Result<Vec<Outage>> {
    let kind = server.kind();
    let mut running = JoinSet::new();
    for (index, fault) in Fault::ALL.into_iter().enumerate() {
        for store in [Store::Ours, Store::SqlxStore] {
            let name = format!("down_{index}_{store:?}").to_lowercase();
            let proxy = Proxy::start(server.port()).await?;
            let url = server.create_database(&name).await?;
            let url = url.replace(&server.port().to_string(), &proxy.port().to_string());
            running.spawn(async move {
                let (waited, error) = load(store, &url, &proxy, fault).await?;
                let accepted = proxy.accepted();
                anyhow::Ok(Outage {
                    kind,
                    fault,
                    store,
                    waited,
                    accepted,
                    error,
                })
            });
        }
    }
    let mut outages = Vec::new();
    while let Some(outage) = running.join_next().await {
        outages.push(outage??);
    }
    outages.sort_by_key(|outage| {
        let fault = Fault::ALL.iter().position(|fault| *fault == outage.fault);
        (fault, outage.store != Store::Ours)
    });
    Ok(outages)
}

/// Loads a session, breaks the proxy, and loads it again. Returns how long that took, and the error.
async fn load(
    store: Store,
    url: &str,
    proxy: &Proxy,
    fault: Fault,
) -> Result<(Option<Duration>, String)> {
    let subject = store.open_with_recommended_pool(url).await?;
    let id = subject
        .create(OffsetDateTime::now_utc() + IDLE_TIMEOUT)
        .await?;
    subject.load(id).await?.context("missing session")?;
    // The pool takes the connection back in a task of its own.
    tokio::time::sleep(SETTLE).await;
    proxy.fail(fault).await?;
    let start = Instant::now();
    let Ok(loaded) = tokio::time::timeout(LIMIT, subject.load(id)).await else {
        return Ok((None, "none".to_owned()));
    };
    let waited = start.elapsed();
    ensure!(
        loaded.is_err(),
        "a load succeeded although the database is down"
    );
    let error = loaded.err().context("checked")?;
    Ok((Some(waited), format!("{error:#}")))
}
