//! A view of the store that belongs to one request: what the request loaded, and so what it changed.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::Value;
use time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{self, SessionStore};

use crate::error::{Error, Result};
use crate::load::Loaded;
use crate::merge::three_way;
use crate::metrics;
use crate::model::SessionModel;
use crate::record::Data;
use crate::store::SeaOrmStore;

/// A key among the data of a loaded session, in memory alone, where changes are merged.
/// `Session::clear` takes it away and nothing else does, which tells a cleared session from one whose
/// keys were removed one by one.
const MARK: &str = "\0session-store";

/// How often a save begins anew because another request has saved meanwhile. Each time one of them
/// has succeeded, so this is how many requests may save one session at the same moment.
const SAVE_ATTEMPTS: u32 = 1_000;

/// The store as one request sees it.
pub(crate) struct View<M: SessionModel> {
    store: SeaOrmStore<M>,
    state: Arc<Mutex<State>>,
}

// What is here changes when an operation has succeeded, never before: one that fails, or is dropped in
// the middle, leaves the request knowing what it knew.
#[derive(Default)]
struct State {
    /// The session as this request last loaded or saved it.
    known: Option<Known>,
    /// The session that this request has ended or is moving to another id.
    deleted: Option<Deleted>,
    /// The session whose end a load has moved.
    slid: Option<Id>,
}

#[derive(Clone)]
struct Known {
    id: Id,
    version: i64,
    created_at: Option<OffsetDateTime>,
    /// The data as this request saw it: what differs from it now, this request has changed.
    seen: Arc<Data>,
    /// The data of the row at that version, with what other requests have changed.
    stored: Arc<Data>,
    /// Whether the data in memory still has its mark. Lost to a `clear` that was saved, it cannot be
    /// set again; a second `clear` then removes only the keys that this request has seen.
    is_marked: bool,
}

impl Known {
    fn loaded<M: SessionModel>(id: Id, loaded: &Loaded) -> Self {
        let data = Cow::Borrowed(&loaded.data);
        Self::new::<M>(id, loaded.version, loaded.created_at, data, None)
    }

    /// The data as this request has them, and as they were merged into the row if they were.
    fn new<M: SessionModel>(
        id: Id,
        version: i64,
        created_at: Option<OffsetDateTime>,
        mine: Cow<'_, Data>,
        merged: Option<Data>,
    ) -> Self {
        let seen = Arc::new(if is_merged::<M>() {
            mine.into_owned()
        } else {
            Data::default()
        });
        Self {
            id,
            version,
            created_at,
            stored: merged.map_or_else(|| Arc::clone(&seen), Arc::new),
            seen,
            is_marked: true,
        }
    }

    /// The data with what this request has changed, over what others have; none if they have changed
    /// nothing.
    fn merged<M: SessionModel>(&self, mine: &Data) -> Option<Data> {
        let is_changed = is_merged::<M>() && !Arc::ptr_eq(&self.seen, &self.stored);
        is_changed.then(|| three_way(&self.seen, mine, &self.stored))
    }

    /// The same, of a row that others have saved meanwhile.
    fn over(self, loaded: Loaded) -> Self {
        Self {
            version: loaded.version,
            stored: Arc::new(loaded.data),
            ..self
        }
    }
}

/// What `flush` and `cycle_id` have deleted. The next create tells which it was: after `flush` the
/// session still has the id that was deleted last, after `cycle_id` another.
#[derive(Clone)]
struct Deleted {
    last: Id,
    session: Before,
}

#[derive(Clone)]
enum Before {
    /// It was there, so `cycle_id` may go on with it under a new id.
    Known(Known),
    /// It was gone already: another request has ended it.
    Gone,
    /// It was never loaded; this is when it was created, where that limits it.
    Unknown(Option<OffsetDateTime>),
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

    /// Whether a session of this id is there, or was when this request loaded or saved it.
    pub(crate) async fn has(&self, id: &Id) -> Result<bool> {
        let is_known = self.known(id).is_some();
        Ok(is_known || self.store.select(id).await?.is_some())
    }

    fn known(&self, id: &Id) -> Option<Known> {
        let known = self.state().known.clone();
        known.filter(|known| known.id == *id)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn load_session(&self, id: &Id) -> Result<Option<Record>> {
        let loaded = self.store.load_and_slide(id).await?;
        let mut state = self.state();
        state.known = loaded
            .as_ref()
            .map(|loaded| Known::loaded::<M>(*id, loaded));
        let Some(Loaded {
            mut data,
            end,
            slid,
            ..
        }) = loaded
        else {
            return Ok(None);
        };
        if slid {
            state.slid = Some(*id);
        }
        mark::<M>(&mut data);
        Ok(Some(Record {
            id: *id,
            data,
            expiry_date: end,
        }))
    }

    async fn save_session(&self, record: &Record) -> Result<()> {
        let (mine, is_marked) = unmarked(&record.data);
        let known = self.known(&record.id);
        // Cleared before the first read, the session was never loaded.
        let was_cleared = !is_marked && known.as_ref().is_none_or(|known| known.is_marked);
        let mut known = match known {
            Some(known) => known,
            None => Known::loaded::<M>(record.id, &self.select(&record.id).await?),
        };
        let end = self.store.life().end(record.expiry_date, known.created_at);
        for _ in 0..SAVE_ATTEMPTS {
            let merged = if was_cleared {
                None
            } else {
                known.merged::<M>(&mine)
            };
            let data = merged.as_ref().unwrap_or(&mine);
            let version = is_merged::<M>().then_some(known.version);
            let was_there = self.store.update(&record.id, data, end, version).await?;
            if was_there {
                let (id, version) = (record.id, known.version + 1);
                self.state().known = Some(Known {
                    is_marked,
                    ..Known::new::<M>(id, version, known.created_at, mine, merged)
                });
                return Ok(());
            }
            known = known.over(self.select(&record.id).await?);
            metrics::conflict_merged(self.store.target());
        }
        Err(Error::Conflict {
            attempts: SAVE_ATTEMPTS,
        })
    }

    async fn select(&self, id: &Id) -> Result<Loaded> {
        self.store.select(id).await?.ok_or(Error::NotFound)
    }

    async fn create_session(&self, record: &mut Record) -> Result<()> {
        let (mine, is_marked) = unmarked(&record.data);
        let deleted = self.state().deleted.clone();
        let flushed = deleted.as_ref().is_some_and(|it| it.last == record.id);
        if flushed {
            // It is that of the visitor's cookie, who may have chosen it.
            record.id = Id::default();
        }
        let (merged, created_at) = match deleted.filter(|_| !flushed).map(|it| it.session) {
            Some(Before::Known(known)) if is_marked => (known.merged::<M>(&mine), known.created_at),
            Some(Before::Known(known)) => (None, known.created_at),
            Some(Before::Gone) => return Err(Error::NotFound),
            Some(Before::Unknown(created_at)) => (None, created_at),
            None => (None, None),
        };
        let data = merged.as_ref().unwrap_or(&mine);
        let created_at = created_at.unwrap_or_else(|| self.store.now());
        record.expiry_date = self
            .store
            .insert(&mut record.id, data, record.expiry_date, created_at)
            .await?;
        let known = Known::new::<M>(record.id, 0, Some(created_at), mine, merged);
        mark::<M>(&mut record.data);
        let mut state = self.state();
        state.deleted = None;
        state.known = Some(known);
        Ok(())
    }

    async fn delete_session(&self, id: &Id) -> Result<()> {
        let session = if let Some(known) = self.known(id) {
            self.delete_known(id, known).await?
        } else {
            let created_at = self.age(id).await?;
            self.store.remove(id).await?;
            match self.state().deleted.take() {
                // A second `cycle_id` deletes an id that was never stored: what the first has found
                // stays.
                Some(deleted) if deleted.last != *id => deleted.session,
                // An id that is deleted twice was flushed, and is gone: nothing goes on.
                _ => Before::Unknown(created_at),
            }
        };
        let mut state = self.state();
        state.known = None;
        state.deleted = Some(Deleted { last: *id, session });
        Ok(())
    }

    /// When a session was created that is deleted unread, if that limits its life.
    async fn age(&self, id: &Id) -> Result<Option<OffsetDateTime>> {
        if !self.store.life().is_limited() {
            return Ok(None);
        }
        match self.store.created_at(id).await {
            // A damaged row can be deleted.
            Err(Error::Decode { .. }) => Ok(None),
            created_at => created_at,
        }
    }

    async fn delete_known(&self, id: &Id, mut known: Known) -> Result<Before> {
        for _ in 0..SAVE_ATTEMPTS {
            let version = is_merged::<M>().then_some(known.version);
            if self.store.remove_at(id, version).await? {
                return Ok(Before::Known(known));
            }
            // Saved by another request meanwhile, or gone.
            match self.store.select(id).await? {
                Some(loaded) => known = known.over(loaded),
                None => break,
            }
        }
        // What is left to delete has expired, or is saved without end.
        self.store.remove(id).await?;
        Ok(Before::Gone)
    }
}

/// Whether what several requests change in one session is merged; without a version nothing is, and
/// nothing need be remembered.
fn is_merged<M: SessionModel>() -> bool {
    M::columns().version.is_some()
}

fn mark<M: SessionModel>(data: &mut Data) {
    if is_merged::<M>() {
        data.insert(MARK.to_owned(), Value::Null);
    }
}

/// The data without its mark, and whether it had it.
fn unmarked(data: &Data) -> (Cow<'_, Data>, bool) {
    if !data.contains_key(MARK) {
        return (Cow::Borrowed(data), false);
    }
    let mut data = data.clone();
    data.remove(MARK);
    (Cow::Owned(data), true)
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
