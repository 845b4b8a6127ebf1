//! Touching a session: moving its expiry, without writing its data.

use sea_orm::sea_query::ExprTrait;
use sea_orm::{Condition, EntityTrait, QueryFilter, QueryTrait};
use time::OffsetDateTime;
use tower_sessions::session::Id;

use super::SeaOrmStore;
use super::expiry::Touch;
use super::load::LoadedSession;
use super::row::write;
use crate::error::Result;
use crate::model::SessionModel;
use crate::sql::{BoundStatement, Parameters};
use crate::telemetry::Operation;

impl<M: SessionModel> SeaOrmStore<M> {
    /// Touches a session: moves its expiry to an [idle timeout](Self::with_idle_timeout) from now, and
    /// its `last_seen` to now, without writing its data. Returns whether it wrote either.
    ///
    /// The idle timeout is the session's own, if [it has one](crate::guide::timeouts#an-expiry-for-one-session).
    /// It returns `false` if the session was deleted or has expired, if it was touched less than
    /// [`touch_after`](Self::with_touch_after) ago, if neither it nor the store has an idle timeout, and if
    /// another request has changed its expiry meanwhile. An expiry moves to an earlier time only if it is later than the idle
    /// timeout allows, and never beyond the [absolute timeout](Self::with_absolute_timeout).
    ///
    /// Loading a session touches it. Call this for activity that does not load, such as an open web
    /// socket. Touch less often than pages are loaded: only a load that moves the expiry renews the
    /// browser's cookie, and for `touch_after` after a touch, no load moves it.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Disconnected`](crate::Error::Disconnected),
    /// [`Error::MissingTable`](crate::Error::MissingTable), [`Error::Unreachable`](crate::Error::Unreachable),
    /// [`Error::Database`](crate::Error::Database) or [`Error::Decode`](crate::Error::Decode).
    pub async fn touch(&self, id: &Id) -> Result<bool> {
        match self.select(id).await? {
            Some(mut loaded) => {
                let _change = self.saving(id);
                let touched = self.touch_if_due(id, &mut loaded).await?;
                Ok(touched == Some(true))
            }
            None => Ok(false),
        }
    }

    /// Touches a session that was loaded, if that is due. Returns whether it did, or `None` if nothing was due.
    pub(super) async fn touch_if_due(
        &self,
        id: &Id,
        loaded: &mut LoadedSession,
    ) -> Result<Option<bool>> {
        let now = self.now();
        let LoadedSession {
            expire, last_seen, ..
        } = *loaded;
        let Some(touch) = loaded.timeouts.touch(expire, last_seen, now) else {
            return Ok(None);
        };
        let update = self.touch_statement(id, loaded, touch, now)?;
        let is_touched = self.executor.execute(Operation::TOUCH, &update).await? > 0;
        if is_touched {
            loaded.last_seen = last_seen.map(|_| now);
            if let Touch::Expiry(expires_at) = touch {
                (loaded.expire, loaded.expires_at) = (expires_at, expires_at);
                loaded.slid_at = Some(now);
            }
        }
        Ok(Some(is_touched))
    }

    /// An expiry that another request has moved meanwhile stays: that request may have chosen it.
    fn touch_statement(
        &self,
        id: &Id,
        loaded: &LoadedSession,
        touch: Touch,
        now: OffsetDateTime,
    ) -> Result<BoundStatement> {
        let (columns, backend) = (M::columns(), self.executor.backend());
        let mut parameters = Parameters::new(backend);
        let active = self.bind_active(&mut parameters, id, now, None)?;
        let last_seen = columns.last_seen.map(|column| {
            let now = parameters.bind(column.value(now));
            (column, now)
        });
        let of_request = self.bind_request(id, loaded, &mut parameters);
        let update = || {
            let mut update = M::Entity::update_many().filter(self.is_active_session(active));
            for (column, value) in &of_request {
                update = update.col_expr(*column, write(*column, *value));
            }
            match last_seen {
                Some((column, now)) => {
                    update.col_expr(column.column, column.expr(backend).write(now))
                }
                None => update,
            }
        };
        let statement = match touch {
            Touch::Expiry(expires_at) => {
                let column = self.expire();
                let expire = parameters.bind(column.key(loaded.expire));
                let expires_at = parameters.bind(column.value(expires_at));
                self.templates.touch.bind(parameters, || {
                    update()
                        .col_expr(columns.expire.column, column.write(expires_at))
                        .filter(column.is_at(expire))
                        .into_query()
                })
            }
            Touch::LastSeen(due) => {
                let column = columns.last_seen.map(|column| column.expr(backend));
                let due = column.map(|column| (column, parameters.bind(column.key(due))));
                self.templates.touch_last_seen.bind(parameters, || {
                    let is_due =
                        due.map(|(column, due)| column.is_at_or_before(due).or(column.is_null()));
                    update()
                        .filter(Condition::all().add_option(is_due))
                        .into_query()
                })
            }
        };
        Ok(statement)
    }
}
