//! The traits of tower-sessions 0.15.

use async_trait::async_trait;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{self, ExpiredDeletion, SessionStore};

use crate::error::Error;
use crate::model::{SessionModel, SessionRef};
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
        let deadline = self.load_deadline(&record.id).await?;
        let expires_at = record.expiry_date.min(deadline.ok_or(Error::NotFound)?);
        let session = SessionRef::new(&record.id, &record.data, expires_at);
        if self.update(&record.id, &session, None).await? {
            Ok(())
        } else {
            Err(Error::NotFound.into())
        }
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let loaded = self.load_and_touch(id).await?;
        Ok(loaded.map(|loaded| Record {
            id: *id,
            data: loaded.data,
            expiry_date: loaded.expires_at,
        }))
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        self.delete_by_id(id).await?;
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
            | Error::InvalidColumnValue { .. }
            | Error::ExtrasFailed(_) => Self::Encode(message),
            Error::Decode { .. } => Self::Decode(message),
            _ => Self::Backend(message),
        }
    }
}
