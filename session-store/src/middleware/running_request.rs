//! The end of a request: what is saved, and which id the visitor's cookie has to have.

use std::sync::Arc;

use tower_sessions::session::Id;

use super::request_store::RequestStore;
use super::row::{Renewal, Row};
use super::state::NewCookie;
use crate::error::{Error, Result};
use crate::model::{Data, SessionModel};
use crate::tower_sessions::TowerSession;

/// A request that is running, with its session. Dropping it ends the request.
pub(super) struct RunningRequest<M: SessionModel, T: TowerSession> {
    store: RequestStore<M, T>,
    session: T,
}

impl<M: SessionModel, T: TowerSession> RunningRequest<M, T> {
    pub(super) fn new(store: RequestStore<M, T>, session: T) -> Self {
        Self { store, session }
    }

    /// Saves the session if the request has changed it.
    pub(super) async fn save(&self, always: bool) -> std::result::Result<(), Arc<Error>> {
        let Self { store, session } = self;
        if let Row::Unread(id) = store.row()
            && session.is_modified()
        {
            // It was cleared before it was read. The visitor may have chosen its id.
            store.read(&id).await?;
        }
        if matches!(store.row(), Row::Absent) && session.id().is_some() {
            // What was inserted after `delete` begins a new session.
            session
                .cycle_id()
                .await
                .map_err(|error| self.noted(&error))?;
        }
        if !always && !session.is_modified() {
            return Ok(());
        }
        if session.is_empty().await {
            self.end_if_flushed().await?;
        } else if let Err(error) = session.save().await {
            let error = self.noted(&error);
            // The request itself has chosen an end that has passed, and has saved it.
            if !(matches!(*error, Error::NotFound) && self.has_passed()) {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Returns whether the session has expired as this request has last saved it.
    fn has_passed(&self) -> bool {
        let saved = self.store.state().new_cookie;
        saved.is_some_and(|saved| saved.expires_at <= self.store.store.now())
    }

    /// Returns the store's error, of which tower-sessions has only the text.
    fn noted(&self, error: &T::Error) -> Arc<Error> {
        let noted = self.store.state().error.clone();
        noted.unwrap_or_else(|| Error::of_text("save a session", error))
    }

    /// Ends a session that has no data left after `cycle_id`, unless another request has added some.
    /// tower-sessions does not tell a store that a `flush` came after `cycle_id`.
    pub(super) async fn end_if_flushed(&self) -> Result<()> {
        let Row::Renewing(renewal) = self.store.row() else {
            return Ok(());
        };
        if !self.session.is_empty().await {
            return Ok(());
        }
        match self.store.create_session(&Data::default()).await {
            Ok(_) | Err(Error::NotFound) => {}
            Err(error @ Error::Unreachable { .. }) => return Err(error),
            // A column that cannot be empty does not keep a visitor signed in.
            Err(_) => self.store.store.delete_by_id(&renewal.from).await?,
        }
        if let Row::Loaded(snapshot) = self.store.row()
            && !snapshot.is_empty()
        {
            return Ok(());
        }
        self.store.store.delete_by_id(&renewal.to).await?;
        self.store.state().row = Row::Absent;
        Ok(())
    }

    /// Returns the id of the request's session in the table, if it has one.
    pub(super) async fn id(&self) -> Option<Id> {
        match self.store.row() {
            Row::Unread(id) => Some(id),
            Row::Loaded(snapshot) => Some(snapshot.id),
            Row::Renewing(renewal) if renewal.is_uncertain => {
                Some(self.find_renewed(&renewal).await)
            }
            Row::Renewing(renewal) => Some(renewal.from),
            Row::Absent => None,
        }
    }

    /// Returns the id of a session that perhaps has its new id already.
    async fn find_renewed(&self, renewal: &Renewal) -> Id {
        match self.store.store.select(&renewal.to).await {
            Ok(Some(loaded)) => {
                let (expires_at, now) = (loaded.expires_at, self.store.store.now());
                let cookie = self
                    .store
                    .new_cookie(renewal.to, loaded.expiry, expires_at, now);
                self.store.state().new_cookie = Some(cookie);
                // The save that has done it was dropped, or its response was lost.
                self.store.store.tell_renewed(&renewal.from, &renewal.to);
                renewal.to
            }
            _ => renewal.from,
        }
    }

    /// Returns the cookie that has to be set for this id, if any.
    pub(super) fn new_cookie(&self, id: Id) -> Option<NewCookie> {
        let cookie = self.store.state().new_cookie;
        cookie.filter(|cookie| cookie.id == id)
    }
}

impl<M: SessionModel, T: TowerSession> Drop for RunningRequest<M, T> {
    fn drop(&mut self) {
        // The session owns the store, so neither would ever be dropped.
        self.store.forget_session();
    }
}
