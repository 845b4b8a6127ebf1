//! What a version's `SessionStore` does, in the terms of no version.

use std::fmt::Debug;
use std::sync::Arc;

use time::OffsetDateTime;
use tower_sessions::session::Id;

use crate::error::Error;
use crate::model::{Data, SessionModel};
use crate::store::SeaOrmStore;

type Result<T> = std::result::Result<T, Arc<Error>>;

/// What a `Session` of any version sends to its store.
pub trait Backend: Debug + Send + Sync + 'static {
    /// Creates a session. Returns its id, which is another one if `id` is taken, and when it expires.
    fn create(
        &self,
        id: Id,
        data: &Data,
        expires_at: OffsetDateTime,
    ) -> impl Future<Output = Result<(Id, OffsetDateTime)>> + Send;

    /// Saves a session that exists.
    fn save(
        &self,
        id: &Id,
        data: &Data,
        expires_at: OffsetDateTime,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Loads a session. Returns its data, and when it expires.
    fn load(&self, id: &Id) -> impl Future<Output = Result<Option<(Data, OffsetDateTime)>>> + Send;

    /// Deletes a session.
    fn delete(&self, id: &Id) -> impl Future<Output = Result<()>> + Send;
}

impl<M: SessionModel> Backend for SeaOrmStore<M> {
    async fn create(
        &self,
        mut id: Id,
        data: &Data,
        expires_at: OffsetDateTime,
    ) -> Result<(Id, OffsetDateTime)> {
        let now = self.now();
        let expires_at = self.insert(&mut id, data, expires_at, now).await?;
        Ok((id, expires_at))
    }

    async fn save(&self, id: &Id, data: &Data, expires_at: OffsetDateTime) -> Result<()> {
        Ok(self.save_unread(id, data, expires_at).await?)
    }

    async fn load(&self, id: &Id) -> Result<Option<(Data, OffsetDateTime)>> {
        let loaded = self.load_and_touch(id).await?;
        Ok(loaded.map(|loaded| (Arc::unwrap_or_clone(loaded.data), loaded.expires_at)))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        Ok(self.delete_by_id(id).await?)
    }
}
