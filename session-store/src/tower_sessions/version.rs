//! One version of tower-sessions. The versions differ in their types alone, so all have the same code.

/// Defines a module that implements the traits of a version of tower-sessions, whose crate is `$core`.
macro_rules! version {
    ($module:ident, $core:ident) => {
        mod $module {
            use std::sync::Arc;

            use $core::session::{Error as SessionError, Expiry, Id, Record, Session};
            use $core::session_store::{Error, ExpiredDeletion, Result, SessionStore};
            use async_trait::async_trait;
            use serde_json::Value;
            use tower_sessions::session::Id as StoreId;

            use super::{Backend, TowerSession};
            use crate::error::Error as StoreError;
            use crate::model::SessionModel;
            use crate::store::SeaOrmStore;

            version!(@store SeaOrmStore<M>, [M: SessionModel], |store| store);
            version!(@store SessionBackend<B>, [B: Backend], |store| &store.0);

            /// The store of a `Session` that has another backend than the store.
            #[derive(Debug)]
            struct SessionBackend<B>(B);

            #[async_trait]
            impl<M: SessionModel> ExpiredDeletion for SeaOrmStore<M> {
                async fn delete_expired(&self) -> Result<()> {
                    self.prune().await?;
                    Ok(())
                }
            }

            impl TowerSession for Session {
                type Error = SessionError;

                fn new(
                    id: Option<StoreId>,
                    backend: impl Backend,
                    expiry: tower_sessions::Expiry,
                ) -> Self {
                    let expiry = match expiry {
                        tower_sessions::Expiry::OnSessionEnd => Expiry::OnSessionEnd,
                        tower_sessions::Expiry::OnInactivity(timeout) => {
                            Expiry::OnInactivity(timeout)
                        }
                        tower_sessions::Expiry::AtDateTime(end) => Expiry::AtDateTime(end),
                    };
                    let store = Arc::new(SessionBackend(backend));
                    Self::new(id.map(|id| Id(id.0)), store, Some(expiry))
                }

                fn id(&self) -> Option<StoreId> {
                    self.id().map(|id| StoreId(id.0))
                }

                fn expiry(&self) -> Option<tower_sessions::Expiry> {
                    self.expiry().map(|expiry| match expiry {
                        Expiry::OnSessionEnd => tower_sessions::Expiry::OnSessionEnd,
                        Expiry::OnInactivity(timeout) => {
                            tower_sessions::Expiry::OnInactivity(timeout)
                        }
                        Expiry::AtDateTime(end) => tower_sessions::Expiry::AtDateTime(end),
                    })
                }

                fn is_modified(&self) -> bool {
                    self.is_modified()
                }

                async fn is_empty(&self) -> bool {
                    self.is_empty().await
                }

                async fn clear(&self) {
                    self.clear().await;
                }

                async fn save(&self) -> std::result::Result<(), SessionError> {
                    self.save().await
                }

                async fn cycle_id(&self) -> std::result::Result<(), SessionError> {
                    self.cycle_id().await
                }

                async fn value(
                    &self,
                    key: &str,
                ) -> std::result::Result<Option<Value>, SessionError> {
                    self.get_value(key).await
                }

                async fn remove_value(
                    &self,
                    key: &str,
                ) -> std::result::Result<(), SessionError> {
                    self.remove_value(key).await?;
                    Ok(())
                }

                async fn set_value(
                    &self,
                    key: &str,
                    value: Value,
                ) -> std::result::Result<(), SessionError> {
                    self.insert_value(key, value).await?;
                    Ok(())
                }
            }

            impl From<StoreError> for Error {
                fn from(error: StoreError) -> Self {
                    (&error).into()
                }
            }

            impl From<&StoreError> for Error {
                fn from(error: &StoreError) -> Self {
                    let message = error.to_string();
                    match error {
                        StoreError::TooLarge { .. }
                        | StoreError::Encode { .. }
                        | StoreError::InvalidColumnValue { .. }
                        | StoreError::ExtrasFailed(_) => Self::Encode(message),
                        StoreError::Decode { .. } => Self::Decode(message),
                        _ => Self::Backend(message),
                    }
                }
            }
        }
    };
    // The trait `SessionStore` over a backend.
    (@store $store:ty, [$($generics:tt)*], |$this:ident| $backend:expr) => {
        #[async_trait]
        impl<$($generics)*> SessionStore for $store {
            async fn create(&self, record: &mut Record) -> Result<()> {
                let $this = self;
                let Record { id, data, expiry_date } = &mut *record;
                let created = Backend::create($backend, StoreId(id.0), data, *expiry_date).await;
                let (new_id, expires_at) = created.map_err(|error| Error::from(&*error))?;
                (*id, *expiry_date) = (Id(new_id.0), expires_at);
                Ok(())
            }

            async fn save(&self, record: &Record) -> Result<()> {
                let $this = self;
                let id = StoreId(record.id.0);
                let saved = Backend::save($backend, &id, &record.data, record.expiry_date).await;
                saved.map_err(|error| Error::from(&*error))
            }

            async fn load(&self, id: &Id) -> Result<Option<Record>> {
                let $this = self;
                let loaded = Backend::load($backend, &StoreId(id.0)).await;
                let loaded = loaded.map_err(|error| Error::from(&*error))?;
                Ok(loaded.map(|(data, expiry_date)| Record {
                    id: *id,
                    data,
                    expiry_date,
                }))
            }

            async fn delete(&self, id: &Id) -> Result<()> {
                let $this = self;
                let deleted = Backend::delete($backend, &StoreId(id.0)).await;
                deleted.map_err(|error| Error::from(&*error))
            }
        }
    };
}
