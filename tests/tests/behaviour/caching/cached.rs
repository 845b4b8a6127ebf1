use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use moka::future::Cache;
use time::OffsetDateTime;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::Result;

/// A store whose `load` may return a record that is up to `bound` old.
#[derive(Clone)]
pub struct Cached<S> {
    store: S,
    records: Cache<Id, Record>,
}

impl<S> Cached<S> {
    pub fn new(store: S, bound: Duration) -> Self {
        let records = Cache::builder().max_capacity(10_000).time_to_live(bound);
        Self {
            store,
            records: records.build(),
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for Cached<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the records: they have the ids and the data of visitors.
        f.debug_struct("Cached")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl<S: SessionStore> SessionStore for Cached<S> {
    async fn create(&self, record: &mut Record) -> Result<()> {
        self.store.create(record).await
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let saved = self.store.save(record).await;
        // Also if it was refused: the session in the cache was deleted or has expired.
        self.records.invalidate(&record.id).await;
        saved
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        if let Some(record) = self.records.get(id).await
            && record.expiry_date > OffsetDateTime::now_utc()
        {
            return Ok(Some(record));
        }
        let loaded = self.store.load(id).await?;
        if let Some(record) = &loaded {
            self.records.insert(*id, record.clone()).await;
        }
        Ok(loaded)
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        let deleted = self.store.delete(id).await;
        self.records.invalidate(id).await;
        deleted
    }
}
