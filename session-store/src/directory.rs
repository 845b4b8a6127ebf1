//! Finding and revoking sessions by their columns.

use sea_orm::sea_query::IntoCondition;
use sea_orm::{Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryTrait, Select};
use time::OffsetDateTime;
use tower_sessions::session::Id;

use crate::column::utc;
use crate::error::{Error, Result};
use crate::model::SessionModel;
use crate::store::SeaOrmStore;
use crate::telemetry::Operation;

impl<M: SessionModel> SeaOrmStore<M> {
    /// The sessions that have not expired, to be filtered, joined, ordered and paged like any
    /// SeaORM select.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # mod session {
    /// #     use sea_orm::entity::prelude::*;
    /// #     use session_store::SessionModel;
    /// #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
    /// #     #[sea_orm(table_name = "session")]
    /// #     pub struct Model {
    /// #         #[sea_orm(primary_key, auto_increment = false)]
    /// #         pub sid: String,
    /// #         pub sess: Json,
    /// #         pub expire: TimeDateTimeWithTimeZone,
    /// #         pub user_id: Option<i32>,
    /// #     }
    /// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    /// #     pub enum Relation {}
    /// #     impl ActiveModelBehavior for ActiveModel {}
    /// # }
    /// # async fn example(store: session::Store) -> Result<(), sea_orm::DbErr> {
    /// use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};
    ///
    /// let sessions = store
    ///     .active()
    ///     .filter(session::Column::UserId.eq(7))
    ///     .order_by_desc(session::Column::Expire)
    ///     .all(store.db())
    ///     .await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn active(&self) -> Select<M::Entity> {
        M::Entity::find().filter(self.is_live(self.now()))
    }

    /// The sessions that have expired and are not pruned yet, which nobody is served: what a
    /// [`prune`](Self::prune) would delete now. (With an absolute life, some that are not
    /// [`active`](Self::active) are not here either, because their `expire` is not over.)
    ///
    /// # Examples
    ///
    /// ```
    /// use sea_orm::PaginatorTrait;
    /// # use session_store::DefaultStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = DefaultStore::new(sea_orm::Database::connect("sqlite::memory:").await?);
    /// # store.create_table().await?;
    ///
    /// let to_be_pruned = store.expired().count(store.db()).await?;
    /// assert_eq!(to_be_pruned, 0);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn expired(&self) -> Select<M::Entity> {
        M::Entity::find().filter(self.ends_by(self.now()))
    }

    /// Holds for the rows whose `expire` is at the moment or before it, compared as time on every
    /// database (on SQLite a timestamp is text, of several forms). It is served by the index on
    /// `expire`.
    ///
    /// # Examples
    ///
    /// How many sessions end within the hour:
    ///
    /// ```
    /// use sea_orm::{PaginatorTrait, QueryFilter};
    /// use time::{Duration, OffsetDateTime};
    /// # use session_store::DefaultStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = DefaultStore::new(sea_orm::Database::connect("sqlite::memory:").await?);
    /// # store.create_table().await?;
    ///
    /// let in_an_hour = OffsetDateTime::now_utc() + Duration::HOUR;
    /// let soon = store.active().filter(store.ends_by(in_an_hour));
    /// assert_eq!(soon.count(store.db()).await?, 0);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn ends_by(&self, moment: OffsetDateTime) -> Condition {
        self.expiry().found_at_or_before(utc(moment))
    }

    /// The row of a session, unless it has expired. This is not use: it touches nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Disconnected`] or [`Error::Database`].
    pub async fn find(&self, id: &Id) -> Result<Option<M>> {
        let select = self.active().filter(self.is(id)).into_query();
        let Some(row) = self.query_one(Operation::FIND, &select).await? else {
            return Ok(None);
        };
        let row = M::from_query_result(&row, "").map_err(Error::database(Operation::FIND.words))?;
        Ok(Some(row))
    }

    /// The number of sessions that have not expired.
    ///
    /// # Errors
    ///
    /// [`Error::Disconnected`] or [`Error::Database`].
    pub async fn count(&self) -> Result<u64> {
        let (db, sessions) = (self.connection()?, self.active());
        self.retry()
            .run(Operation::COUNT, || sessions.clone().count(db))
            .await
    }

    /// Ends every session and returns how many rows that were.
    ///
    /// # Errors
    ///
    /// [`Error::Disconnected`] or [`Error::Database`].
    pub async fn clear(&self) -> Result<u64> {
        let delete = M::Entity::delete_many().into_query();
        self.execute(Operation::CLEAR, &delete).await
    }

    /// Ends the sessions that a condition on their columns holds for, and returns how many rows
    /// that were, expired ones included.
    ///
    /// The visitor is signed out at the next request; a request that runs meanwhile cannot bring
    /// the session back.
    ///
    /// # Errors
    ///
    /// [`Error::Disconnected`] or [`Error::Database`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # mod session {
    /// #     use sea_orm::entity::prelude::*;
    /// #     use session_store::SessionModel;
    /// #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
    /// #     #[sea_orm(table_name = "session")]
    /// #     pub struct Model {
    /// #         #[sea_orm(primary_key, auto_increment = false)]
    /// #         pub sid: String,
    /// #         pub sess: Json,
    /// #         pub expire: TimeDateTimeWithTimeZone,
    /// #         pub user_id: Option<i32>,
    /// #     }
    /// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    /// #     pub enum Relation {}
    /// #     impl ActiveModelBehavior for ActiveModel {}
    /// # }
    /// # async fn example(store: session::Store) -> Result<(), session_store::Error> {
    /// use sea_orm::ColumnTrait;
    ///
    /// let ended = store.revoke(session::Column::UserId.eq(7)).await?;
    /// # Ok(()) }
    /// ```
    pub async fn revoke(&self, condition: impl IntoCondition + Send) -> Result<u64> {
        let delete = M::Entity::delete_many().filter(condition.into_condition());
        self.execute(Operation::REVOKE, &delete.into_query()).await
    }

    /// As [`revoke`](Self::revoke), but keeps one session: "sign out my other devices".
    ///
    /// # Errors
    ///
    /// [`Error::Disconnected`] or [`Error::Database`].
    pub async fn revoke_others(
        &self,
        condition: impl IntoCondition + Send,
        keep: &Id,
    ) -> Result<u64> {
        let others = Condition::all()
            .add(condition.into_condition())
            .add(self.is(keep).not());
        self.revoke(others).await
    }
}
