//! The conditions by which statements find sessions.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, Value};
use time::OffsetDateTime;
use tower_sessions::session::Id;

use super::SeaOrmStore;
use crate::error::Result;
use crate::model::{Column, SessionModel};
use crate::sql::{Parameter, Parameters, TimestampExpr};

/// The parameters of [`is_active_session`](SeaOrmStore::is_active_session).
#[derive(Clone, Copy)]
pub(super) struct ActiveSession {
    sid: Parameter,
    now: Parameter,
    created_after: Option<Parameter>,
    version: Option<Parameter>,
}

impl<M: SessionModel> SeaOrmStore<M> {
    /// The `expire` column.
    pub(super) fn expire(&self) -> TimestampExpr<Column<M>> {
        M::columns().expire.expr(self.executor.backend())
    }

    /// Matches the row of a session.
    pub(super) fn is_session(&self, id: &Id) -> Condition {
        self.is_sid(self.sid(id))
    }

    /// Matches the row of a sid.
    pub(super) fn is_sid(&self, sid: impl Into<Value>) -> Condition {
        let backend = self.executor.backend();
        self.sid_form.is(M::columns().sid, sid, backend)
    }

    /// Matches the rows of sessions that have not expired at `now`.
    pub(super) fn is_active(&self, now: OffsetDateTime) -> Expr {
        let created_after = self.created_after(now);
        self.is_active_at(self.expire().key(now), created_after)
    }

    /// Binds a session that has not expired at `now` and, if a version is given, still has that version.
    pub(super) fn bind_active(
        &self,
        parameters: &mut Parameters,
        id: &Id,
        now: OffsetDateTime,
        version: Option<i64>,
    ) -> Result<ActiveSession> {
        let version = match M::columns().version.zip(version) {
            Some((column, count)) => Some(column.value(count)?),
            None => None,
        };
        let created_after = self.created_after(now);
        Ok(ActiveSession {
            sid: parameters.bind(self.sid(id)),
            now: parameters.bind(self.expire().key(now)),
            created_after: created_after.map(|key| parameters.bind(key)),
            version: version.map(|version| parameters.bind(version)),
        })
    }

    /// Matches the row of a session that has not expired and, if a version was bound, has that version.
    pub(super) fn is_active_session(&self, session: ActiveSession) -> Condition {
        let is_active = self.is_active_at(session.now, session.created_after);
        let is_active = self.is_sid(session.sid).add(is_active);
        match M::columns().version.zip(session.version) {
            Some((version, count)) => is_active.add(version.column.eq(count)),
            None => is_active,
        }
    }

    /// The key that `created_at` has to be after, under an absolute timeout.
    fn created_after(&self, now: OffsetDateTime) -> Option<Value> {
        let created_at = M::columns().created_at?.expr(self.executor.backend());
        Some(created_at.key(self.expiry.created_after(now)?))
    }

    fn is_active_at<T: Into<Value>>(&self, now: T, created_after: Option<T>) -> Expr {
        let is_active = self.expire().is_after(now);
        match M::columns().created_at.zip(created_after) {
            Some((created_at, key)) => {
                let created_at = created_at.expr(self.executor.backend());
                is_active.and(created_at.is_after(key))
            }
            None => is_active,
        }
    }
}
