//! Revoking sessions: deleting them by their columns.

use sea_orm::sea_query::IntoCondition;
use sea_orm::{Condition, EntityTrait, QueryFilter, QueryTrait};
use tower_sessions::session::Id;

use super::SeaOrmStore;
use crate::error::Result;
use crate::model::SessionModel;
use crate::telemetry::Operation;

impl<M: SessionModel> SeaOrmStore<M> {
    /// Deletes the sessions that match a condition on their columns. Returns the number of rows, expired
    /// ones included.
    ///
    /// The visitor is signed out at the next request. A running request cannot bring the session back,
    /// unless it is renewing the id at that time: see
    /// [listing and revoking](crate::guide::listing_and_revoking#requests-that-are-running).
    ///
    /// # Errors
    ///
    /// Returns [`Error::Disconnected`](crate::Error::Disconnected),
    /// [`Error::MissingTable`](crate::Error::MissingTable) or
    /// [`Error::Database`](crate::Error::Database).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # mod session { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/session.rs")); }
    /// # async fn example(store: session::Store) -> Result<(), session_store::Error> {
    /// use sea_orm::ColumnTrait;
    ///
    /// let revoked = store.revoke(session::Column::UserId.eq(7)).await?;
    /// # Ok(()) }
    /// ```
    pub async fn revoke(&self, condition: impl IntoCondition + Send) -> Result<u64> {
        let delete = M::Entity::delete_many()
            .filter(condition.into_condition())
            .into_query();
        self.executor.execute(Operation::REVOKE, &delete).await
    }

    /// Like [`revoke`](Self::revoke), but keeps one session: "sign out my other devices".
    ///
    /// # Errors
    ///
    /// Returns [`Error::Disconnected`](crate::Error::Disconnected),
    /// [`Error::MissingTable`](crate::Error::MissingTable) or
    /// [`Error::Database`](crate::Error::Database).
    pub async fn revoke_others(
        &self,
        condition: impl IntoCondition + Send,
        keep: &Id,
    ) -> Result<u64> {
        let others = Condition::all()
            .add(condition.into_condition())
            .add(self.is_session(keep).not());
        self.revoke(others).await
    }

    /// Deletes all sessions. Returns the number of rows, expired ones included.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Disconnected`](crate::Error::Disconnected),
    /// [`Error::MissingTable`](crate::Error::MissingTable) or
    /// [`Error::Database`](crate::Error::Database).
    pub async fn delete_all(&self) -> Result<u64> {
        let delete = M::Entity::delete_many().into_query();
        self.executor.execute(Operation::DELETE_ALL, &delete).await
    }
}
