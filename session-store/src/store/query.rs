//! Finding and counting sessions.

use sea_orm::sea_query::{Expr, IntoIden};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, IdenStatic, Iterable, QueryFilter, QuerySelect,
    QueryTrait, Select,
};
use time::OffsetDateTime;
use tower_sessions::session::Id;

use super::SeaOrmStore;
use crate::error::{Error, Result};
use crate::model::{Column, SessionModel};
use crate::sql::utc;
use crate::telemetry::Operation;

impl<M: SessionModel> SeaOrmStore<M> {
    /// Selects the active sessions, which are those that have not expired. Filter, join, order and page
    /// them like any SeaORM select.
    ///
    /// A timestamp of the store's columns that Rust cannot hold is selected as
    /// [another](crate::guide::databases#what-each-database-needs).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # mod session { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/session.rs")); }
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
        self.readable(M::Entity::find())
            .filter(self.is_active(self.now()))
    }

    /// Selects the expired sessions that have not been pruned: those that a [`prune`](Self::prune) would
    /// delete now.
    ///
    /// With an absolute timeout, some sessions are neither here nor [`active`](Self::active): their
    /// `expire` has not passed yet.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_store::DefaultStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = DefaultStore::new(sea_orm::Database::connect("sqlite::memory:").await?);
    /// # store.create_table().await?;
    /// use sea_orm::PaginatorTrait;
    ///
    /// let to_prune = store.expired().count(store.db()).await?;
    /// assert_eq!(to_prune, 0);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn expired(&self) -> Select<M::Entity> {
        self.readable(M::Entity::find())
            .filter(self.expires_by(self.now()))
    }

    /// Returns a condition for the rows whose `expire` is at this time or before.
    ///
    /// It compares as time on every database (on SQLite a timestamp is text, in several formats), and
    /// the index on `expire` serves it.
    ///
    /// # Examples
    ///
    /// How many sessions expire within the hour:
    ///
    /// ```
    /// # use session_store::DefaultStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = DefaultStore::new(sea_orm::Database::connect("sqlite::memory:").await?);
    /// # store.create_table().await?;
    /// use sea_orm::{PaginatorTrait, QueryFilter};
    /// use time::{Duration, OffsetDateTime};
    ///
    /// let in_an_hour = OffsetDateTime::now_utc() + Duration::HOUR;
    /// let soon = store.active().filter(store.expires_by(in_an_hour));
    /// assert_eq!(soon.count(store.db()).await?, 0);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn expires_by(&self, timestamp: OffsetDateTime) -> Condition {
        self.expire().is_at_or_before_by_index(utc(timestamp))
    }

    /// Finds the row of an active session. Does not count as activity: the expiry does
    /// not move.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Disconnected`], [`Error::MissingTable`], [`Error::Unreachable`] or [`Error::Database`], or
    /// [`Error::Decode`] if the row holds a timestamp that Rust cannot hold.
    pub async fn find(&self, id: &Id) -> Result<Option<M>> {
        let select = self.active().filter(self.is_session(id)).into_query();
        let Some(row) = self.executor.query_one(Operation::FIND, &select).await? else {
            return Ok(None);
        };
        let columns = M::columns();
        for timestamp in columns.timestamps() {
            let is_timestamp = |column: Column<M>| column.as_str() == timestamp.column.as_str();
            if let Some(index) = Column::<M>::iter().position(is_timestamp) {
                columns.read_timestamp(timestamp, &row, index)?;
            }
        }
        let row = M::from_query_result(&row, "").map_err(|source| Error::Database {
            operation: Operation::FIND.description,
            source,
        })?;
        Ok(Some(row))
    }

    /// Counts the active sessions.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Disconnected`], [`Error::MissingTable`], [`Error::Unreachable`] or
    /// [`Error::Database`].
    pub async fn count(&self) -> Result<u64> {
        let count = M::columns().sid.count();
        let count = self.active().select_only().expr(count).into_query();
        let row = self.executor.query_one(Operation::COUNT, &count).await?;
        let count = row.map(|row| row.try_get_by_index::<i64>(0)).transpose();
        let count = count.map_err(|source| Error::Database {
            operation: Operation::COUNT.description,
            source,
        })?;
        Ok(count.unwrap_or(0).unsigned_abs())
    }

    /// Selects the store's timestamps such that the driver can decode any of them.
    pub(super) fn readable(&self, mut select: Select<M::Entity>) -> Select<M::Entity> {
        for timestamp in M::columns().timestamps() {
            let column = Expr::col(timestamp.column.as_column_ref());
            let readable = timestamp.expr(self.executor.backend()).readable();
            if readable != column {
                QuerySelect::query(&mut select).exprs_mut_for_each(|selected| {
                    if selected.expr == column {
                        selected.expr = readable.clone();
                        selected.alias = Some(timestamp.column.into_iden());
                    }
                });
            }
        }
        select
    }
}
