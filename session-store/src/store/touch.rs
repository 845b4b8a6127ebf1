//! Touching a session: moving its expiry, without reading or writing its data.

use sea_orm::sea_query::ExprTrait;
use sea_orm::{EntityTrait, QueryFilter, QuerySelect, QueryTrait};
use time::OffsetDateTime;
use tower_sessions::session::Id;

use super::SeaOrmStore;
use super::expiry::Touch;
use crate::error::Result;
use crate::model::SessionModel;
use crate::sql::Parameters;
use crate::telemetry::Operation;

impl<M: SessionModel> SeaOrmStore<M> {
    /// Touches a session: moves its expiry to an [idle timeout](Self::with_idle_timeout) from now, and
    /// its `last_seen` to now, without reading or writing its data. Returns whether it did.
    ///
    /// It returns `false` if the session was deleted or has expired, if it was touched less than
    /// [`touch_after`](Self::with_touch_after) ago, and if the store has no idle timeout. An expiry
    /// never moves to an earlier time, or beyond the
    /// [absolute timeout](Self::with_absolute_timeout).
    ///
    /// Loading a session touches it. Call this for activity that does not load, such as an open web
    /// socket. Touch less often than pages are loaded: only a load that moves the expiry renews the
    /// browser's cookie, and for `touch_after` after a touch, no load moves it.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Disconnected`](crate::Error::Disconnected),
    /// [`Error::MissingTable`](crate::Error::MissingTable) or
    /// [`Error::Database`](crate::Error::Database). With an absolute timeout, also
    /// [`Error::Decode`](crate::Error::Decode).
    pub async fn touch(&self, id: &Id) -> Result<bool> {
        let Some(touch) = self.expiry.touch(self.now()) else {
            return Ok(false);
        };
        match self.load_deadline(id).await? {
            Some(deadline) => self.write_touch(id, touch.until(deadline)).await,
            None => Ok(false),
        }
    }

    /// Returns when a session expires at the latest, or `None` if it is gone. Asks the database only
    /// under an absolute timeout.
    pub(crate) async fn load_deadline(&self, id: &Id) -> Result<Option<OffsetDateTime>> {
        if !self.expiry.has_absolute_timeout() {
            return Ok(Some(self.expiry.deadline(None)));
        }
        let created_at = self.load_created_at(id).await?;
        Ok(created_at.map(|created_at| self.expiry.deadline(Some(created_at))))
    }

    /// Returns when a session that has not expired was created, if there is such a column.
    pub(crate) async fn load_created_at(&self, id: &Id) -> Result<Option<OffsetDateTime>> {
        let columns = M::columns();
        let Some(created_at) = columns.created_at else {
            return Ok(None);
        };
        let select = M::Entity::find()
            .select_only()
            .column(created_at.column)
            .filter(self.is_session(id))
            .filter(self.is_active(self.now()));
        let select = self.readable(select).into_query();
        let row = self.executor.query_one(Operation::CHECK_AGE, &select);
        match row.await? {
            Some(row) => columns.read_timestamp(created_at, &row, 0),
            None => Ok(None),
        }
    }

    pub(super) async fn write_touch(&self, id: &Id, touch: Touch) -> Result<bool> {
        let (columns, expire, now) = (M::columns(), self.expire(), self.now());
        let backend = self.executor.backend();
        let mut parameters = Parameters::new(backend);
        let active = self.bind_active(&mut parameters, id, now, None)?;
        let due = parameters.bind(expire.key(touch.due));
        let expires_at = parameters.bind(expire.value(touch.expires_at));
        let last_seen = columns.last_seen.map(|column| {
            let last_seen = column.expr(backend);
            let due = parameters.bind(last_seen.key(touch.seen_due));
            let now = parameters.bind(last_seen.value(now));
            (column.column, last_seen, due, now)
        });
        let build = || {
            let update = M::Entity::update_many().filter(self.is_active_session(active));
            let is_due = expire.is_at_or_before(due);
            let update = match last_seen {
                None => update
                    .col_expr(columns.expire.column, expire.write(expires_at))
                    .filter(is_due),
                Some((column, last_seen, due, now)) => {
                    let is_seen_due = last_seen.is_at_or_before(due).or(last_seen.is_null());
                    let written = expire.write_if(is_due.clone(), expires_at);
                    update
                        .col_expr(columns.expire.column, written)
                        .col_expr(column, last_seen.write(now))
                        .filter(is_due.or(is_seen_due))
                }
            };
            update.into_query()
        };
        let update = self.templates.touch.bind(parameters, build);
        Ok(self.executor.execute(Operation::TOUCH, &update).await? > 0)
    }
}
