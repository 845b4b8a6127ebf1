//! What is this repository's store as a subject?

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use async_trait::async_trait;
use sea_orm::sqlx::sqlite::SqliteJournalMode;
use sea_orm::{ConnectOptions, Database};
use time::OffsetDateTime;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id as SessionId, Record};

use super::{COUNT, Id, LIFE, POOL_CONNECTIONS, POOL_WAIT, Slide, Subject};

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

pub(super) async fn open(url: &str, slide: Slide) -> Result<Arc<dyn Subject>> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(POOL_CONNECTIONS)
        .acquire_timeout(POOL_WAIT)
        .map_sqlx_sqlite_opts(|options| options.journal_mode(SqliteJournalMode::Wal));
    let mut store = session::Store::new(Database::connect(options).await?).with_idle_timeout(LIFE);
    if slide == Slide::EachLoad {
        store = store.with_touch_after(time::Duration::ZERO);
    }
    store.create_table().await?;
    Ok(Arc::new(store))
}

fn record(id: SessionId, count: u64, end: OffsetDateTime) -> Record {
    Record {
        id,
        data: HashMap::from([(COUNT.to_owned(), count.into())]),
        expiry_date: end,
    }
}

#[async_trait]
impl Subject for session::Store {
    async fn create(&self, end: OffsetDateTime) -> Result<Id> {
        let mut record = record(SessionId::default(), 0, end);
        SessionStore::create(self, &mut record).await?;
        Ok(record.id.0)
    }

    async fn load(&self, id: Id) -> Result<Option<u64>> {
        let Some(record) = SessionStore::load(self, &SessionId(id)).await? else {
            return Ok(None);
        };
        let count = record.data.get(COUNT).and_then(serde_json::Value::as_u64);
        Ok(Some(count.context("a session came back without its data")?))
    }

    async fn save(&self, id: Id, count: u64, end: OffsetDateTime) -> Result<()> {
        Ok(SessionStore::save(self, &record(SessionId(id), count, end)).await?)
    }

    async fn prune(&self) -> Result<()> {
        session::Store::prune(self).await?;
        Ok(())
    }
}
