//! Revoking sessions: deleting them by their columns.

use sea_orm::sea_query::{Expr, IntoCondition, NullOrdering, Order, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};
use tower_sessions::session::Id;

use super::SeaOrmStore;
use super::changes::Changed;
use super::event::EndReason;
use crate::error::{Error, Result};
use crate::model::{CreatedAt, SessionModel};
use crate::telemetry::Operation;

/// The largest LIMIT that every driver can bind.
const MAX_LIMIT: u64 = i64::MAX.unsigned_abs();

/// Columns of the derived tables: whether the row is the session to keep, and when it was created.
const IS_KEEP: &str = "is_keep";
const CREATED: &str = "created";

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
    /// [`Error::MissingTable`](crate::Error::MissingTable),
    /// [`Error::Unreachable`](crate::Error::Unreachable) or
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
        let condition = condition.into_condition();
        self.end(
            Operation::REVOKE,
            condition,
            EndReason::Revoked,
            Changed::Any,
        )
        .await
    }

    /// Like [`revoke`](Self::revoke), but keeps one session: "sign out my other devices".
    ///
    /// # Errors
    ///
    /// Returns [`Error::Disconnected`](crate::Error::Disconnected),
    /// [`Error::MissingTable`](crate::Error::MissingTable),
    /// [`Error::Unreachable`](crate::Error::Unreachable) or
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

    /// Deletes the sessions that match a condition, except `keep` and the newest others, so that
    /// `newest` active sessions remain: "at most five sessions per user". Returns the number of rows,
    /// expired ones included.
    ///
    /// `keep` is always among those that remain, however old it is: zero is taken as one. The newest
    /// others are the active sessions with the latest `created_at`. One whose `created_at` is NULL is the
    /// oldest. [`set_authenticated`](Self::set_authenticated) sets `created_at`, so a session is as old as
    /// its last sign-in. `cycle_id` does not change it.
    ///
    /// Save the session first. The sessions are deleted by one statement, which deletes nothing if `keep`
    /// has ended. So of two sign-ins at the same time, one may end the other, but they never end each
    /// other.
    ///
    /// # Errors
    ///
    /// Returns [`Error::NotFound`] if `keep` is not an active session that matches the condition: it was
    /// not saved with these columns, has expired, or has been ended by another sign-in of the user.
    /// Nothing is deleted then. Also returns [`Error::Disconnected`], [`Error::MissingTable`],
    /// [`Error::Unreachable`] or [`Error::Database`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # mod session { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/session.rs")); }
    /// # async fn example(
    /// #     store: session::Store,
    /// #     session: tower_sessions::Session,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// use sea_orm::ColumnTrait;
    ///
    /// store.set_authenticated(&session).await?;
    /// session.insert("user_id", 7).await?;
    /// session.save().await?;
    /// let id = session.id().ok_or("a saved session has an id")?;
    /// let of_user = session::Column::UserId.eq(7);
    /// let revoked = store.revoke_all_but_newest(of_user, 5, &id).await?;
    /// # Ok(()) }
    /// ```
    pub async fn revoke_all_but_newest(
        &self,
        condition: impl IntoCondition + Send,
        newest: u64,
        keep: &Id,
    ) -> Result<u64>
    where
        M: CreatedAt,
    {
        let condition = condition.into_condition();
        let is_active = self.is_active(self.now());
        let active = Condition::all().add(condition.clone()).add(is_active);
        let kept = self.newest(active.clone(), newest, keep);
        let with_keep = kept.clone().and_where(Expr::col(IS_KEEP)).take();
        let others = Condition::all()
            .add(condition)
            .add(M::columns().sid.not_in_subquery(kept))
            .add(Expr::exists(with_keep));
        let operation = Operation::REVOKE_ALL_BUT_NEWEST;
        let deleted = self
            .end(operation, others, EndReason::Replaced, Changed::Any)
            .await?;
        if deleted == 0 && !self.exists(active.add(self.is_session(keep))).await? {
            return Err(Error::NotFound);
        }
        Ok(deleted)
    }

    /// Selects the sids of `keep` and the newest others, `newest` in all, and locks every row that
    /// matches the condition.
    ///
    /// So a session that another sign-in has ended meanwhile is not selected. The rows are locked in one
    /// order, whichever session is kept, because two sign-ins that lock in different orders end in a
    /// deadlock. MySQL allows neither a LIMIT nor the table that is written in the subquery of an IN, but
    /// both in a derived table.
    fn newest(&self, condition: Condition, newest: u64, keep: &Id) -> SelectStatement {
        let (columns, backend) = (M::columns(), self.executor.backend());
        let is_keep = Expr::from(self.is_session(keep));
        let mut locked = M::Entity::find()
            .select_only()
            .column(columns.sid)
            .expr_as(is_keep, IS_KEEP)
            .filter(condition)
            .order_by_asc(columns.sid)
            .lock_exclusive();
        if let Some(created_at) = columns.created_at {
            locked = locked.expr_as(created_at.expr(backend).sort_key(), CREATED);
        }
        let newest = Query::select()
            .column(columns.sid)
            .column(IS_KEEP)
            .from_subquery(locked.into_query(), "locked")
            .order_by(IS_KEEP, Order::Desc)
            .order_by_with_nulls(CREATED, Order::Desc, NullOrdering::Last)
            .order_by(columns.sid, Order::Asc)
            .limit(newest.clamp(1, MAX_LIMIT))
            .take();
        Query::select()
            .column(columns.sid)
            .from_subquery(newest, "newest")
            .take()
    }

    /// Deletes all sessions. Returns the number of rows, expired ones included.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Disconnected`](crate::Error::Disconnected),
    /// [`Error::MissingTable`](crate::Error::MissingTable),
    /// [`Error::Unreachable`](crate::Error::Unreachable) or
    /// [`Error::Database`](crate::Error::Database).
    pub async fn delete_all(&self) -> Result<u64> {
        self.end(
            Operation::DELETE_ALL,
            Condition::all(),
            EndReason::Revoked,
            Changed::Any,
        )
        .await
    }
}
