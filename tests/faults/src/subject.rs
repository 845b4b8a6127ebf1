//! What is asked of a store here, whichever crate it is from.

mod ours;
mod peer;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use time::OffsetDateTime;

/// How long a session lives that is not to expire here.
pub(crate) const LIFE: time::Duration = time::Duration::hours(1);

/// Both stores' pools: this many connections, each for as long as sqlx waits by default. A
/// connection is tested before it is used, which is the default of both.
const POOL_CONNECTIONS: u32 = 16;
const POOL_WAIT: Duration = Duration::from_secs(30);

/// The session key that each save adds one to.
const COUNT: &str = "count";

/// A session id, as both versions of tower-sessions-core have it.
pub(crate) type Id = i128;

/// A store under test, by its own implementation of tower-sessions' traits.
#[async_trait]
pub(crate) trait Subject: Send + Sync {
    /// Creates a session with a count of zero.
    async fn create(&self, end: OffsetDateTime) -> Result<Id>;

    /// Loads a session's count.
    async fn load(&self, id: Id) -> Result<Option<u64>>;

    /// Saves a session with this count.
    async fn save(&self, id: Id, count: u64, end: OffsetDateTime) -> Result<()>;

    /// Deletes the rows of sessions that have expired.
    async fn prune(&self) -> Result<()>;
}

/// The stores that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Ours,
    Peer,
}

/// Whether a store that can move a session's end on a load does so each time, or hardly ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slide {
    Rarely,
    EachLoad,
}

impl Store {
    /// Opens the store on a database, by the scheme of its URL, and creates its table if missing.
    pub(crate) async fn open(self, url: &str, slide: Slide) -> Result<Arc<dyn Subject>> {
        match self {
            Self::Ours => ours::open(url, slide).await,
            Self::Peer => peer::open(url).await,
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ours => "session-store",
            Self::Peer => "tower-sessions-sqlx-store",
        })
    }
}

impl FromStr for Store {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        match [Self::Ours, Self::Peer]
            .into_iter()
            .find(|store| store.to_string() == name)
        {
            Some(store) => Ok(store),
            None => bail!("no store is called {name}"),
        }
    }
}
