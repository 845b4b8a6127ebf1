//! The traits of tower-sessions 0.14, over those of 0.15.

use async_trait::async_trait;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{self, SessionStore};
use tower_sessions_core_0_14::session;
use tower_sessions_core_0_14::session_store::{
    Error, ExpiredDeletion, Result, SessionStore as SessionStore0_14,
};

use crate::model::SessionModel;
use crate::store::SeaOrmStore;

#[async_trait]
impl<M: SessionModel> SessionStore0_14 for SeaOrmStore<M> {
    async fn create(&self, record: &mut session::Record) -> Result<()> {
        let mut converted = to_0_15(record);
        SessionStore::create(self, &mut converted)
            .await
            .map_err(to_error)?;
        *record = to_0_14(converted);
        Ok(())
    }

    async fn save(&self, record: &session::Record) -> Result<()> {
        SessionStore::save(self, &to_0_15(record))
            .await
            .map_err(to_error)
    }

    async fn load(&self, id: &session::Id) -> Result<Option<session::Record>> {
        let loaded = SessionStore::load(self, &Id(id.0))
            .await
            .map_err(to_error)?;
        Ok(loaded.map(to_0_14))
    }

    async fn delete(&self, id: &session::Id) -> Result<()> {
        SessionStore::delete(self, &Id(id.0))
            .await
            .map_err(to_error)
    }
}

#[async_trait]
impl<M: SessionModel> ExpiredDeletion for SeaOrmStore<M> {
    async fn delete_expired(&self) -> Result<()> {
        session_store::ExpiredDeletion::delete_expired(self)
            .await
            .map_err(to_error)
    }
}

fn to_0_15(record: &session::Record) -> Record {
    Record {
        id: Id(record.id.0),
        data: record.data.clone(),
        expiry_date: record.expiry_date,
    }
}

fn to_0_14(record: Record) -> session::Record {
    session::Record {
        id: session::Id(record.id.0),
        data: record.data,
        expiry_date: record.expiry_date,
    }
}

fn to_error(error: session_store::Error) -> Error {
    match error {
        session_store::Error::Encode(message) => Error::Encode(message),
        session_store::Error::Decode(message) => Error::Decode(message),
        session_store::Error::Backend(message) => Error::Backend(message),
    }
}
