//! tower-sessions-sqlx-store.

use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, Result};
use async_trait::async_trait;
use time::OffsetDateTime;
use tower_sessions_core::session::{Id as SessionId, Record};
use tower_sessions_core::{ExpiredDeletion, SessionStore};
use tower_sessions_sqlx_store::sqlx;
use tower_sessions_sqlx_store::sqlx::pool::PoolOptions;
use tower_sessions_sqlx_store::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use tower_sessions_sqlx_store::{MySqlStore, PostgresStore, SqliteStore};

use super::{ACQUIRE_TIMEOUT, Id, POOL_CONNECTIONS, Subject, count_in, data_with_count};

/// The store of one kind of database.
struct SqlxStore<S>(S);

pub(super) async fn open(url: &str) -> Result<Arc<dyn Subject>> {
    let (scheme, rest) = url.split_once("://").context("missing scheme of the URL")?;
    match scheme {
        "postgres" => {
            let store = PostgresStore::new(pool_options().connect(url).await?);
            store.migrate().await?;
            Ok(Arc::new(SqlxStore(store)))
        }
        "mysql" => {
            // By default, the store's table is in a database that all runs would share.
            let (_, database) = rest
                .rsplit_once('/')
                .context("missing database name of the URL")?;
            let store = MySqlStore::new(pool_options().connect(url).await?)
                .with_schema_name(database)
                .map_err(anyhow::Error::msg)?;
            store.migrate().await?;
            Ok(Arc::new(SqlxStore(store)))
        }
        _ => {
            let options = SqliteConnectOptions::from_str(url)?.journal_mode(SqliteJournalMode::Wal);
            let store = SqliteStore::new(pool_options().connect_with(options).await?);
            store.migrate().await?;
            Ok(Arc::new(SqlxStore(store)))
        }
    }
}

fn pool_options<DB: sqlx::Database>() -> PoolOptions<DB> {
    PoolOptions::new()
        .max_connections(POOL_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
}

fn record(id: SessionId, count: u64, expires_at: OffsetDateTime) -> Record {
    Record {
        id,
        data: data_with_count(count),
        expiry_date: expires_at,
    }
}

#[async_trait]
impl<S: SessionStore + ExpiredDeletion> Subject for SqlxStore<S> {
    async fn create(&self, expires_at: OffsetDateTime) -> Result<Id> {
        let mut record = record(SessionId::default(), 0, expires_at);
        self.0.create(&mut record).await?;
        Ok(record.id.0)
    }

    async fn load(&self, id: Id) -> Result<Option<u64>> {
        let record = self.0.load(&SessionId(id)).await?;
        record.map(|record| count_in(&record.data)).transpose()
    }

    async fn save(&self, id: Id, count: u64, expires_at: OffsetDateTime) -> Result<()> {
        Ok(self
            .0
            .save(&record(SessionId(id), count, expires_at))
            .await?)
    }

    async fn delete(&self, id: Id) -> Result<()> {
        Ok(self.0.delete(&SessionId(id)).await?)
    }

    async fn prune(&self) -> Result<()> {
        Ok(self.0.delete_expired().await?)
    }
}
