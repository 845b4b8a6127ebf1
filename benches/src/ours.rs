//! This repository's store.

use anyhow::{Context, Result, ensure};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbBackend};
use time::Duration;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};

use crate::subject::{Data, Subject, end};

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

/// The store with the options that it recommends.
///
/// # Errors
///
/// The database cannot be reached.
pub async fn open(url: &str) -> Result<session::Store> {
    with(session_store::connect_options(url)).await
}

/// The store with SeaORM's own options.
///
/// # Errors
///
/// The database cannot be reached.
pub async fn open_by_default(url: &str) -> Result<session::Store> {
    with(ConnectOptions::new(url)).await
}

async fn with(mut options: ConnectOptions) -> Result<session::Store> {
    options.sqlx_logging(false);
    let store =
        session::Store::new(Database::connect(options).await?).with_idle_timeout(Duration::days(14));
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
        SessionStore::load(self, id).await?.context("no session")?;
        Ok(())
    }

    async fn save(&self, id: &Id, data: &Data) -> Result<()> {
        Ok(SessionStore::save(self, &record(*id, data)).await?)
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        Ok(SessionStore::delete(self, id).await?)
    }

    async fn touch(&self, id: &Id) -> Result<()> {
        // Each is due, so that each writes.
        let store = self.clone().with_touch_after(Duration::ZERO);
        ensure!(store.touch(id).await?, "not touched");
        Ok(())
    }

    async fn prune(&self) -> Result<()> {
        session::Store::prune(self).await?;
        Ok(())
    }

    async fn clear(&self) -> Result<()> {
        // Not by a DELETE, which leaves its rows to be passed over by what is measured next.
        let sql = match self.db().get_database_backend() {
            DbBackend::Sqlite => "DELETE FROM session",
            _ => "TRUNCATE session",
        };
        self.db().execute_unprepared(sql).await?;
        Ok(())
    }
}

fn record(id: Id, data: &Data) -> Record {
    Record {
        id,
        data: data.clone(),
        expiry_date: end(),
    }
}
