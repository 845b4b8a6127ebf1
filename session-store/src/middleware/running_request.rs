//! The end of a request: what is saved, and which id the visitor's cookie has to have.

use tower_sessions::session::{Id, Record};
use tower_sessions::{Expiry, Session};

use super::request_store::RequestStore;
use super::row::{Renewal, Row};
use crate::error::{BoxError, Error, Result};
use crate::model::{Data, SessionModel};

/// A request that is running, with its session. Dropping it ends the request.
pub(super) struct RunningRequest<M: SessionModel> {
    store: RequestStore<M>,
    session: Session,
}

impl<M: SessionModel> RunningRequest<M> {
    pub(super) fn new(store: RequestStore<M>, session: Session) -> Self {
        let mut state = store.state();
        state.row = session.id().map_or(Row::Absent, Row::Unread);
        state.session = Some(session.clone());
        drop(state);
        Self { store, session }
    }

    /// Saves the session if the request has changed it.
    pub(super) async fn save(&self, always: bool) -> std::result::Result<(), BoxError> {
        let Self { store, session } = self;
        if let Row::Unread(id) = store.row()
            && session.is_modified()
        {
            // It was cleared before it was read. The visitor may have chosen its id.
            store.read(&id).await?;
        }
        if matches!(store.row(), Row::Absent) && session.id().is_some() {
            // What was inserted after `delete` begins a new session.
            session.cycle_id().await?;
        }
        if !always && !session.is_modified() {
            return Ok(());
        }
        if session.is_empty().await {
            self.end_if_flushed().await?;
        } else {
            session.save().await?;
            store.state().new_to_visitor = session.id();
        }
        Ok(())
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
        let mut record = Record {
            id: renewal.to,
            data: Data::default(),
            expiry_date: self.session.expiry_date(),
        };
        match self.store.create_session(&mut record).await {
            Err(Error::NotFound) => {}
            saved => saved?,
        }
        if let Row::Loaded(snapshot) = self.store.row()
            && !snapshot.is_empty()
        {
            return Ok(());
        }
        self.store.store.delete_by_id(&record.id).await?;
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
        if let Ok(Some(_)) = self.store.store.select(&renewal.to).await {
            self.store.state().new_to_visitor = Some(renewal.to);
            return renewal.to;
        }
        renewal.from
    }

    /// Returns whether the visitor's cookie has to be set to this id.
    pub(super) fn is_new_to_visitor(&self, id: Id) -> bool {
        self.store.state().new_to_visitor == Some(id)
    }

    pub(super) fn expiry(&self) -> Option<Expiry> {
        self.session.expiry()
    }
}

impl<M: SessionModel> Drop for RunningRequest<M> {
    fn drop(&mut self) {
        // The session owns the store, so neither would ever be dropped.
        let session = self.store.state().session.take();
        drop(session);
    }
}
