//! tower-sessions-sqlx-store, set up as its README says.

use anyhow::{Context, Result};
use tower_sessions_core::session::{Id, Record};
use tower_sessions_core::{ExpiredDeletion, SessionStore};
use tower_sessions_sqlx_store::sqlx::{MySqlPool, PgPool, SqlitePool};
use tower_sessions_sqlx_store::{MySqlStore, PostgresStore, SqliteStore};

use crate::subject::{Data, Subject, expires_at};

macro_rules! sqlx_store {
    ($name:ident, $store:ident, $pool:ident, $clear:literal) => {
        #[derive(Clone)]
        pub struct $name {
            pub store: $store,
            pub pool: $pool,
        }

        impl Subject for $name {
            type Key = Id;

            async fn create(&self, data: &Data) -> Result<Id> {
                let mut record = record(Id::default(), data);
                self.store.create(&mut record).await?;
                Ok(record.id)
            }

            async fn load(&self, id: &Id) -> Result<()> {
                self.store.load(id).await?.context("missing session")?;
                Ok(())
            }

            async fn save(&self, id: &Id, data: &Data) -> Result<()> {
                Ok(self.store.save(&record(*id, data)).await?)
            }

            async fn delete(&self, id: &Id) -> Result<()> {
                Ok(self.store.delete(id).await?)
            }

            async fn touch(&self, _: &Id) -> Result<()> {
                anyhow::bail!("tower-sessions-sqlx-store has no touch")
            }

            async fn prune(&self) -> Result<()> {
                Ok(self.store.delete_expired().await?)
            }

            async fn clear(&self) -> Result<()> {
                tower_sessions_sqlx_store::sqlx::query($clear)
                    .execute(&self.pool)
                    .await?;
                Ok(())
            }
        }
    };
}

sqlx_store!(
    Sqlite,
    SqliteStore,
    SqlitePool,
    "DELETE FROM tower_sessions"
);
sqlx_store!(
    Postgres,
    PostgresStore,
    PgPool,
    "TRUNCATE tower_sessions.session"
);
sqlx_store!(
    MySql,
    MySqlStore,
    MySqlPool,
    "TRUNCATE tower_sessions.session"
);

/// Connects and creates the table.
///
/// # Errors
///
/// Returns an error if the database cannot be reached.
pub async fn sqlite(url: &str) -> Result<Sqlite> {
    let pool = SqlitePool::connect(url).await?;
    let store = SqliteStore::new(pool.clone());
    store.migrate().await?;
    Ok(Sqlite { store, pool })
}

/// Connects and creates the table.
///
/// # Errors
///
/// Returns an error if the database cannot be reached.
pub async fn postgres(url: &str) -> Result<Postgres> {
    let pool = PgPool::connect(url).await?;
    let store = PostgresStore::new(pool.clone());
    store.migrate().await?;
    Ok(Postgres { store, pool })
}

/// Connects and creates the table.
///
/// # Errors
///
/// Returns an error if the database cannot be reached.
pub async fn mysql(url: &str) -> Result<MySql> {
    let pool = MySqlPool::connect(url).await?;
    let store = MySqlStore::new(pool.clone());
    store.migrate().await?;
    Ok(MySql { store, pool })
}

fn record(id: Id, data: &Data) -> Record {
    Record {
        id,
        data: data.clone(),
        expiry_date: expires_at(),
    }
}
