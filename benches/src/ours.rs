//! This repository's store.

use anyhow::{Context, Result, ensure};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbBackend};
use time::Duration;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};

use crate::subject::{Data, IDLE_TIMEOUT, Subject, expires_at};

pub mod session {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, SessionModel)]
    #[sea_orm(table_name = "session")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sid: String,
        pub sess: Json,
        pub expire: TimeDateTimeWithTimeZone,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// An entity with a version, which the cache needs.
pub mod versioned {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, SessionModel)]
    #[sea_orm(table_name = "session")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sid: String,
        pub sess: Json,
        pub expire: TimeDateTimeWithTimeZone,
        #[session(version)]
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Opens a store with a cache.
///
/// # Errors
///
/// Returns an error if the database cannot be reached.
pub async fn open_cached(url: &str) -> Result<versioned::Store> {
    let mut options = session_store::connect_options(url);
    options.sqlx_logging(false);
    let store = versioned::Store::new(Database::connect(options).await?)
        .with_idle_timeout(IDLE_TIMEOUT)
        .with_cache(Duration::seconds(5));
    store.create_table().await?;
    Ok(store)
}

/// Opens the store on a pool with `connect_options`.
///
/// # Errors
///
/// Returns an error if the database cannot be reached.
pub async fn open(url: &str) -> Result<session::Store> {
    connect(session_store::connect_options(url)).await
}

/// Opens the store on a pool with SeaORM's default options.
///
/// # Errors
///
/// Returns an error if the database cannot be reached.
pub async fn open_with_default_pool(url: &str) -> Result<session::Store> {
    connect(ConnectOptions::new(url)).await
}

async fn connect(mut options: ConnectOptions) -> Result<session::Store> {
    options.sqlx_logging(false);
    let db = Database::connect(options).await?;
    let store = session::Store::new(db).with_idle_timeout(IDLE_TIMEOUT);
    store.create_table().await?;
    Ok(store)
}

impl Subject for session::Store {
    type Key = Id;

    async fn create(&self, data: &Data) -> Result<Id> {
        let mut record = record(Id::default(), data);
        SessionStore::create(self, &mut record).await?;
        Ok(record.id)
    }

    async fn load(&self, id: &Id) -> Result<()> {
        SessionStore::load(self, id)
            .await?
            .context("missing session")?;
        Ok(())
    }

    async fn save(&self, id: &Id, data: &Data) -> Result<()> {
        Ok(SessionStore::save(self, &record(*id, data)).await?)
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        Ok(SessionStore::delete(self, id).await?)
    }

    async fn touch(&self, id: &Id) -> Result<()> {
        // With zero, every touch writes.
        let store = self.clone().with_touch_after(Duration::ZERO);
        ensure!(store.touch(id).await?, "missing session");
        Ok(())
    }

    async fn prune(&self) -> Result<()> {
        session::Store::prune(self).await?;
        Ok(())
    }

    async fn clear(&self) -> Result<()> {
        // A DELETE would leave dead rows, which slow down the next measurement.
        let sql = match self.db().get_database_backend() {
            DbBackend::Sqlite => "DELETE FROM session",
            _ => "TRUNCATE session",
        };
        self.db().execute_unprepared(sql).await?;
        Ok(())
    }
}

/// Returns a record that expires after the idle timeout.
#[must_use]
pub fn record(id: Id, data: &Data) -> Record {
    Record {
        id,
        data: data.clone(),
        expiry_date: expires_at(),
    }
}
