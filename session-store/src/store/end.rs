//! Deleting the rows of sessions that end, and telling the listeners which.

use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    Condition, DbBackend, EntityTrait, IdenStatic, Iterable, QueryFilter, QueryResult, QueryTrait,
};

use super::SeaOrmStore;
use super::changes::Changed;
use super::event::{EndReason, Event};
use super::listeners::Events;
use super::task::in_task;
use crate::error::Result;
use crate::model::{Column, SessionModel, Timestamp};
use crate::sql::DeleteReturning;
use crate::telemetry::Operation;

impl<M: SessionModel> SeaOrmStore<M> {
    /// Deletes the rows that match a condition, and tells which. Returns their number.
    pub(super) async fn end(
        &self,
        operation: Operation,
        condition: Condition,
        reason: EndReason,
        changed: Changed,
    ) -> Result<u64> {
        let Some(events) = self.events.clone() else {
            let _change = self.change(changed);
            let delete = M::Entity::delete_many().filter(condition).into_query();
            return self.executor.execute(operation, &delete).await;
        };
        // In a task: a caller that is dropped does not know whether the rows were deleted.
        let store = self.clone();
        in_task(async move {
            store
                .end_and_tell(&events, operation, condition, reason, changed)
                .await
        })
        .await
    }

    async fn end_and_tell(
        &self,
        events: &Events<M>,
        operation: Operation,
        condition: Condition,
        reason: EndReason,
        changed: Changed,
    ) -> Result<u64> {
        let change = self.change(changed);
        let delete = M::Entity::delete_many().filter(condition.clone());
        let delete = delete.into_query();
        let rows = self.readable(M::Entity::find());
        let (rows, deleted) = if self.is_mysql(events).await? {
            let select = rows.filter(condition).into_query();
            let rows = self.executor.query_all(operation, &select).await?;
            (rows, self.executor.execute(operation, &delete).await?)
        } else {
            let delete = DeleteReturning::new(delete, rows.into_query());
            let rows = self.executor.query_all(operation, &delete).await?;
            let deleted = rows.len() as u64;
            (rows, deleted)
        };
        // A listener that loads the session must not get it from the cache.
        drop(change);
        for row in &rows {
            events.tell(&self.ended(row, reason));
        }
        Ok(deleted)
    }

    /// Returns the event of a row that was deleted.
    fn ended(&self, row: &QueryResult, reason: EndReason) -> Event<M> {
        let sid = row.try_get("", M::columns().sid.as_str());
        let model = M::from_query_result(row, "").ok();
        let reason = match &model {
            None => EndReason::Damaged,
            Some(_) if self.has_expired(row) => EndReason::Expired,
            Some(_) => reason,
        };
        Event::Ended {
            sid: sid.unwrap_or_default(),
            reason,
            row: model,
        }
    }

    fn has_expired(&self, row: &QueryResult) -> bool {
        let columns = M::columns();
        let index = |column: Column<M>| {
            Column::<M>::iter().position(|other| other.as_str() == column.as_str())
        };
        let read = |timestamp: Timestamp<Column<M>>| {
            let index = index(timestamp.column)?;
            columns.read_timestamp(timestamp, row, index).ok()?
        };
        let created_at = columns.created_at.and_then(read);
        let expire = read(columns.expire);
        expire.is_some_and(|expire| self.expiry.of(None, created_at).limit(expire) <= self.now())
    }

    /// Returns whether the database cannot return the rows that it deletes.
    async fn is_mysql(&self, events: &Events<M>) -> Result<bool> {
        if self.executor.backend() != DbBackend::MySql {
            return Ok(false);
        }
        let is_mysql = events.is_mysql.get_or_try_init(async || {
            let version = Query::select().expr(Expr::cust("VERSION()")).take();
            let row = self
                .executor
                .query_one(Operation::VERSION, &version)
                .await?;
            let version = row.and_then(|row| row.try_get_by_index::<String>(0).ok());
            Ok(!version.is_some_and(|version| version.contains("MariaDB")))
        });
        is_mysql.await.copied()
    }
}
