//! The interface through which both stores are used.

mod node_to_node;
mod ours;
mod sqlx_store;

pub(crate) use node_to_node::NodeToNode;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use serde_json::Value;
use time::OffsetDateTime;

/// The idle timeout. It is longer than any run, so these sessions stay active.
pub(crate) const IDLE_TIMEOUT: time::Duration = time::Duration::hours(1);

/// The options of both stores' pools. By default, both also test a connection before each use.
const POOL_CONNECTIONS: u32 = 16;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// The session key whose value each save increases by one.
const COUNT: &str = "count";

/// A session id, as both versions of tower-sessions-core have it.
pub(crate) type Id = i128;

/// A store under test, through its implementation of tower-sessions' traits.
#[async_trait]
pub(crate) trait Subject: Send + Sync {
    /// Creates a session with a count of zero, and returns its id.
    async fn create(&self, expires_at: OffsetDateTime) -> Result<Id>;

    /// Loads a session and returns its count.
    async fn load(&self, id: Id) -> Result<Option<u64>>;

    /// Saves a session with a count.
    async fn save(&self, id: Id, count: u64, expires_at: OffsetDateTime) -> Result<()>;

    /// Deletes a session.
    async fn delete(&self, id: Id) -> Result<()>;

    /// Deletes the rows of expired sessions.
    async fn prune(&self) -> Result<()>;
}

/// The stores that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Ours,
    SqlxStore,
}

/// How often our store touches a session on a load. tower-sessions-sqlx-store never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touch {
    Rarely,
    OnEachLoad,
}

impl Store {
    /// Connects to the database and creates the table if it is missing.
    pub(crate) async fn open(self, url: &str, touch: Touch) -> Result<Arc<dyn Subject>> {
        match self {
            Self::Ours => ours::open(url, touch).await,
            Self::SqlxStore => sqlx_store::open(url).await,
        }
    }

    /// Like [`open`](Self::open), with the pool that the store's documentation recommends.
    pub(crate) async fn open_with_recommended_pool(self, url: &str) -> Result<Arc<dyn Subject>> {
        match self {
            Self::Ours => ours::open_with_recommended_pool(url).await,
            // Only the number of connections differs.
            Self::SqlxStore => sqlx_store::open(url).await,
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ours => "session-store",
            Self::SqlxStore => "tower-sessions-sqlx-store",
        })
    }
}

impl FromStr for Store {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        match [Self::Ours, Self::SqlxStore]
            .into_iter()
            .find(|store| store.to_string() == name)
        {
            Some(store) => Ok(store),
            None => bail!(
                "expected {} or {}, found {name}",
                Self::Ours,
                Self::SqlxStore
            ),
        }
    }
}

/// Returns the data of a session with a count.
fn data_with_count(count: u64) -> HashMap<String, Value> {
    HashMap::from([(COUNT.to_owned(), count.into())])
}

/// Returns the count in a session's data.
fn count_in(data: &HashMap<String, Value>) -> Result<u64> {
    data.get(COUNT)
        .and_then(Value::as_u64)
        .context("missing count in a loaded session")
}
