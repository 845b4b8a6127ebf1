//! This repository's store.

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use sea_orm::sqlx::sqlite::SqliteJournalMode;
use sea_orm::{ConnectOptions, Database};
use time::OffsetDateTime;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id as SessionId, Record};

use super::{
    ACQUIRE_TIMEOUT, IDLE_TIMEOUT, Id, POOL_CONNECTIONS, Subject, Touch, count_in, data_with_count,
};

mod session {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, SessionModel)]
    #[sea_orm(table_name = "session")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) sid: String,
        pub(crate) sess: Json,
        pub(crate) expire: TimeDateTimeWithTimeZone,
        #[session(version)]
        pub(crate) version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) async fn open(url: &str, touch: Touch) -> Result<Arc<dyn Subject>> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(POOL_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .map_sqlx_sqlite_opts(|options| options.journal_mode(SqliteJournalMode::Wal));
    let mut store = connect(options).await?;
    if touch == Touch::OnEachLoad {
        store = store.with_touch_after(time::Duration::ZERO);
    }
    Ok(Arc::new(store))
}

pub(super) async fn open_with_recommended_pool(url: &str) -> Result<Arc<dyn Subject>> {
    let store = connect(session_store::connect_options(url)).await?;
    Ok(Arc::new(store))
}

async fn connect(options: ConnectOptions) -> Result<session::Store> {
    let db = Database::connect(options).await?;
    let store = session::Store::new(db).with_idle_timeout(IDLE_TIMEOUT);
    store.create_table().await?;
    Ok(store)
}

fn record(id: SessionId, count: u64, expires_at: OffsetDateTime) -> Record {
    Record {
        id,
        data: data_with_count(count),
        expiry_date: expires_at,
    }
}

#[async_trait]
impl Subject for session::Store {
    async fn create(&self, expires_at: OffsetDateTime) -> Result<Id> {
        let mut record = record(SessionId::default(), 0, expires_at);
        SessionStore::create(self, &mut record).await?;
        Ok(record.id.0)
    }

    async fn load(&self, id: Id) -> Result<Option<u64>> {
        let record = SessionStore::load(self, &SessionId(id)).await?;
        record.map(|record| count_in(&record.data)).transpose()
    }

    async fn save(&self, id: Id, count: u64, expires_at: OffsetDateTime) -> Result<()> {
        Ok(SessionStore::save(self, &record(SessionId(id), count, expires_at)).await?)
    }

    async fn delete(&self, id: Id) -> Result<()> {
        Ok(SessionStore::delete(self, &SessionId(id)).await?)
    }

    async fn prune(&self) -> Result<()> {
        session::Store::prune(self).await?;
        Ok(())
    }
}
