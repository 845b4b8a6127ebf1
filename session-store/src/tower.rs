//! The traits of tower-sessions, over the store's operations.

use async_trait::async_trait;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{self, ExpiredDeletion, SessionStore};

use crate::error::Error;
use crate::model::SessionModel;
use crate::store::SeaOrmStore;

#[async_trait]
impl<M: SessionModel> SessionStore for SeaOrmStore<M> {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        let created_at = self.now();
        record.expiry_date = self
            .insert(&mut record.id, &record.data, record.expiry_date, created_at)
            .await?;
        Ok(())
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        let latest_end = self.latest_end(&record.id).await?;
        let end = record.expiry_date.min(latest_end.ok_or(Error::NotFound)?);
        if self.update(&record.id, &record.data, end, None).await? {
            Ok(())
        } else {
            Err(Error::NotFound.into())
        }
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let loaded = self.load_and_slide(id).await?;
        Ok(loaded.map(|loaded| Record {
            id: *id,
            data: loaded.data,
            expiry_date: loaded.end,
        }))
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        self.remove(id).await?;
        Ok(())
    }
}

#[async_trait]
impl<M: SessionModel> ExpiredDeletion for SeaOrmStore<M> {
    async fn delete_expired(&self) -> session_store::Result<()> {
        self.prune().await?;
        Ok(())
    }
}

impl From<Error> for session_store::Error {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::TooLarge { .. }
            | Error::Encode { .. }
            | Error::Extra { .. }
            | Error::Extras(_) => Self::Encode(message),
            Error::Decode { .. } => Self::Decode(message),
            _ => Self::Backend(message),
        }
    }
}
