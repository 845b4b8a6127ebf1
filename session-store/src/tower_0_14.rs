//! The traits of tower-sessions 0.14, over those of today.

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
        let mut today = of_today(record);
        SessionStore::create(self, &mut today)
            .await
            .map_err(error)?;
        *record = of_0_14(today);
        Ok(())
    }

    async fn save(&self, record: &session::Record) -> Result<()> {
        SessionStore::save(self, &of_today(record))
            .await
            .map_err(error)
    }

    async fn load(&self, id: &session::Id) -> Result<Option<session::Record>> {
        let loaded = SessionStore::load(self, &Id(id.0)).await.map_err(error)?;
        Ok(loaded.map(of_0_14))
    }

    async fn delete(&self, id: &session::Id) -> Result<()> {
        SessionStore::delete(self, &Id(id.0)).await.map_err(error)
    }
}

#[async_trait]
impl<M: SessionModel> ExpiredDeletion for SeaOrmStore<M> {
    async fn delete_expired(&self) -> Result<()> {
        session_store::ExpiredDeletion::delete_expired(self)
            .await
            .map_err(error)
    }
}

fn of_today(record: &session::Record) -> Record {
    Record {
        id: Id(record.id.0),
        data: record.data.clone(),
        expiry_date: record.expiry_date,
    }
}

fn of_0_14(record: Record) -> session::Record {
    session::Record {
        id: session::Id(record.id.0),
        data: record.data,
        expiry_date: record.expiry_date,
    }
}

fn error(error: session_store::Error) -> Error {
    match error {
        session_store::Error::Encode(message) => Error::Encode(message),
        session_store::Error::Decode(message) => Error::Decode(message),
        session_store::Error::Backend(message) => Error::Backend(message),
    }
}
