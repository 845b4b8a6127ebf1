//! A view of the store that belongs to one request: what the request loaded, and so what it changed.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::Value;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{self, SessionStore};

use crate::error::{Error, Result};
use crate::merge::three_way;
use crate::model::SessionModel;
use crate::record::Data;
use crate::store::SeaOrmStore;

/// A key among the data of a loaded session, in memory alone. `Session::clear` takes it away and
/// nothing else does, which tells a cleared session from one whose keys were removed one by one.
const MARK: &str = "\0session-store";

/// How often a save begins anew because another request has saved meanwhile. Each time one of them
/// has succeeded, so this is how many requests may save one session at the same moment.
const SAVE_ATTEMPTS: u32 = 1_000;

/// The store as one request sees it.
pub(crate) struct View<M: SessionModel> {
    store: SeaOrmStore<M>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The session as this request last loaded or saved it.
    known: Option<Known>,
    /// The session that this request deleted last, and what became of it.
    deleted: Option<(Id, Deleted)>,
    /// The session whose end a load has moved.
    slid: Option<Id>,
}

struct Known {
    id: Id,
    version: i64,
    /// The data as this request saw it: what differs from it now, this request has changed.
    seen: Data,
    /// The data of the row at that version, with what other requests have changed.
    stored: Data,
    /// Whether the data in memory still has its mark.
    is_marked: bool,
}

enum Deleted {
    /// It was there, so `cycle_id` may go on with it under a new id.
    Known(Known),
    /// It was gone already: another request has ended it.
    Gone,
    /// It was never loaded.
    Unknown,
}

impl<M: SessionModel> View<M> {
    pub(crate) fn new(store: SeaOrmStore<M>) -> Self {
        Self {
            store,
            state: Arc::default(),
        }
    }

    /// The session whose end a load of this request has moved.
    pub(crate) fn slid(&self) -> Option<Id> {
        self.state().slid
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_version() -> bool {
        M::columns().version.is_some()
    }

    async fn load_session(&self, id: &Id) -> Result<Option<Record>> {
        let loaded = self.store.load_and_slide(id).await?;
        let mut state = self.state();
        state.known = None;
        let Some(loaded) = loaded else {
            return Ok(None);
        };
        if loaded.slid {
            state.slid = Some(*id);
        }
        state.known = Some(Known {
            id: *id,
            version: loaded.version,
            seen: loaded.data.clone(),
            stored: loaded.data.clone(),
            is_marked: true,
        });
        let mut data = loaded.data;
        data.insert(MARK.to_owned(), Value::Null);
        Ok(Some(Record {
            id: *id,
            data,
            expiry_date: loaded.end,
        }))
    }

    async fn save_session(&self, record: &Record) -> Result<()> {
        let (mine, has_mark) = unmarked(&record.data);
        if !Self::has_version() {
            let was_there = self
                .store
                .update(&record.id, &mine, record.expiry_date, None)
                .await?;
            return if was_there {
                Ok(())
            } else {
                Err(Error::NotFound)
            };
        }
        let known = self
            .state()
            .known
            .take()
            .filter(|known| known.id == record.id);
        // Cleared before the first read, the session was never loaded.
        let was_cleared = !has_mark && known.as_ref().is_none_or(|known| known.is_marked);
        let mut known = match known {
            Some(known) => known,
            None => self.reload(&record.id).await?,
        };
        for _ in 0..SAVE_ATTEMPTS {
            let data = if was_cleared {
                mine.clone()
            } else {
                three_way(&known.seen, &mine, &known.stored)
            };
            let version = Some(known.version);
            if self
                .store
                .update(&record.id, &data, record.expiry_date, version)
                .await?
            {
                self.state().known = Some(Known {
                    id: record.id,
                    version: known.version + 1,
                    seen: mine,
                    stored: data,
                    is_marked: has_mark,
                });
                return Ok(());
            }
            let Known {
                version, stored, ..
            } = self.reload(&record.id).await?;
            known = Known {
                version,
                stored,
                ..known
            };
        }
        Err(Error::Conflict {
            attempts: SAVE_ATTEMPTS,
        })
    }

    async fn reload(&self, id: &Id) -> Result<Known> {
        let loaded = self.store.select(id).await?.ok_or(Error::NotFound)?;
        Ok(Known {
            id: *id,
            version: loaded.version,
            seen: loaded.data.clone(),
            stored: loaded.data,
            is_marked: true,
        })
    }

    async fn create_session(&self, record: &mut Record) -> Result<()> {
        let (mine, has_mark) = unmarked(&record.data);
        let (deleted, before) = self.state().deleted.take().unzip();
        // After `flush` the record still has the id of the visitor's cookie, who may have chosen it.
        if deleted == Some(record.id) {
            record.id = Id::default();
        }
        // With its mark it is a session that goes on: `cycle_id` deletes and creates.
        let data = match before.filter(|_| has_mark) {
            Some(Deleted::Known(known)) => three_way(&known.seen, &mine, &known.stored),
            Some(Deleted::Gone) => return Err(Error::NotFound),
            Some(Deleted::Unknown) | None => mine.clone(),
        };
        self.store
            .insert(&mut record.id, &data, record.expiry_date)
            .await?;
        record.data.insert(MARK.to_owned(), Value::Null);
        self.state().known = Some(Known {
            id: record.id,
            version: 0,
            seen: mine,
            stored: data,
            is_marked: true,
        });
        Ok(())
    }

    async fn delete_session(&self, id: &Id) -> Result<()> {
        let known = self.state().known.take().filter(|known| known.id == *id);
        let Some(mut known) = known else {
            self.store.remove(id).await?;
            self.state().deleted = Some((*id, Deleted::Unknown));
            return Ok(());
        };
        for _ in 0..SAVE_ATTEMPTS {
            let version = Self::has_version().then_some(known.version);
            if self.store.remove_at(id, version).await? {
                self.state().deleted = Some((*id, Deleted::Known(known)));
                return Ok(());
            }
            // Saved by another request meanwhile, or gone.
            match self.store.select(id).await? {
                Some(loaded) => {
                    known.version = loaded.version;
                    known.stored = loaded.data;
                }
                None => break,
            }
        }
        self.state().deleted = Some((*id, Deleted::Gone));
        // What is left to delete is a row that has expired, or one that is saved without end.
        self.store.remove(id).await
    }
}

/// The data without its mark, and whether it had it.
fn unmarked(data: &Data) -> (Data, bool) {
    let mut data = data.clone();
    let had_mark = data.remove(MARK).is_some();
    (data, had_mark)
}

#[async_trait]
impl<M: SessionModel> SessionStore for View<M> {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        Ok(self.create_session(record).await?)
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        Ok(self.save_session(record).await?)
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        Ok(self.load_session(id).await?)
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        Ok(self.delete_session(id).await?)
    }
}

impl<M: SessionModel> Clone for View<M> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            state: Arc::clone(&self.state),
        }
    }
}

impl<M: SessionModel> fmt::Debug for View<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the state: it holds the session's id and data.
        f.debug_struct("View")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
