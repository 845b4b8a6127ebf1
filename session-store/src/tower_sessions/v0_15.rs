//! The traits of tower-sessions 0.15.

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
        let Record {
            id,
            data,
            expiry_date,
        } = record;
        Ok(self.save_unread(id, data, *expiry_date).await?)
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
        (&error).into()
    }
}

impl From<&Error> for session_store::Error {
    fn from(error: &Error) -> Self {
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
