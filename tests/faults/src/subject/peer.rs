//! What is tower-sessions-sqlx-store as a subject?

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, Result};
use async_trait::async_trait;
use time::OffsetDateTime;
use tower_sessions_core::session::{Id as SessionId, Record};
use tower_sessions_core::{ExpiredDeletion, SessionStore};
use tower_sessions_sqlx_store::sqlx::mysql::MySqlPoolOptions;
use tower_sessions_sqlx_store::sqlx::postgres::PgPoolOptions;
use tower_sessions_sqlx_store::sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions,
};
use tower_sessions_sqlx_store::{MySqlStore, PostgresStore, SqliteStore};

use super::{COUNT, Id, POOL_CONNECTIONS, POOL_WAIT, Subject};

/// One of the peer's stores.
struct Peer<S>(S);

pub(super) async fn open(url: &str) -> Result<Arc<dyn Subject>> {
    let (scheme, rest) = url.split_once("://").context("a URL without a scheme")?;
    match scheme {
        "postgres" => {
            let pool = PgPoolOptions::new()
                .max_connections(POOL_CONNECTIONS)
                .acquire_timeout(POOL_WAIT);
            let store = PostgresStore::new(pool.connect(url).await?);
            store.migrate().await?;
            Ok(Arc::new(Peer(store)))
        }
        "mysql" => {
            let pool = MySqlPoolOptions::new()
                .max_connections(POOL_CONNECTIONS)
                .acquire_timeout(POOL_WAIT);
            // Its schema is a database, and would be one for all runs.
            let (_, database) = rest.rsplit_once('/').context("a URL without a database")?;
            let store = MySqlStore::new(pool.connect(url).await?)
                .with_schema_name(database)
                .map_err(anyhow::Error::msg)?;
            store.migrate().await?;
            Ok(Arc::new(Peer(store)))
        }
        _ => {
            let pool = SqlitePoolOptions::new()
                .max_connections(POOL_CONNECTIONS)
                .acquire_timeout(POOL_WAIT);
            let options = SqliteConnectOptions::from_str(url)?.journal_mode(SqliteJournalMode::Wal);
            let store = SqliteStore::new(pool.connect_with(options).await?);
            store.migrate().await?;
            Ok(Arc::new(Peer(store)))
        }
    }
}

fn record(id: SessionId, count: u64, end: OffsetDateTime) -> Record {
    Record {
        id,
        data: HashMap::from([(COUNT.to_owned(), count.into())]),
        expiry_date: end,
    }
}

#[async_trait]
impl<S: SessionStore + ExpiredDeletion> Subject for Peer<S> {
    async fn create(&self, end: OffsetDateTime) -> Result<Id> {
        let mut record = record(SessionId::default(), 0, end);
        self.0.create(&mut record).await?;
        Ok(record.id.0)
    }

    async fn load(&self, id: Id) -> Result<Option<u64>> {
        let Some(record) = self.0.load(&SessionId(id)).await? else {
            return Ok(None);
        };
        let count = record.data.get(COUNT).and_then(serde_json::Value::as_u64);
        Ok(Some(count.context("a session came back without its data")?))
    }

    async fn save(&self, id: Id, count: u64, end: OffsetDateTime) -> Result<()> {
        Ok(self.0.save(&record(SessionId(id), count, end)).await?)
    }

    async fn prune(&self) -> Result<()> {
        Ok(self.0.delete_expired().await?)
    }
}
