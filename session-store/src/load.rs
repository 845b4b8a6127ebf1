//! Loading a session, which is use of it, and so touches it.

use sea_orm::sea_query::ExprTrait;
use sea_orm::{
    EntityTrait, IdenStatic, QueryFilter, QueryResult, QuerySelect, QueryTrait, TryGetable,
};
use time::{OffsetDateTime, PrimitiveDateTime};
use tower_sessions::session::Id;

use crate::column::{SessColumn, TimestampColumn};
use crate::error::Result;
use crate::life::Slide;
use crate::model::{Column, Columns, SessionModel, decode_error};
use crate::prepared::Values;
use crate::record::Data;
use crate::store::SeaOrmStore;
use crate::telemetry::Operation;

/// A session as its row has it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) data: Data,
    pub(crate) end: OffsetDateTime,
    /// If a column tells, as does the next.
    pub(crate) created_at: Option<OffsetDateTime>,
    last_seen: Option<OffsetDateTime>,
    /// How often it was saved; zero if no column counts that.
    pub(crate) version: i64,
    /// Loading it has moved its end.
    pub(crate) slid: bool,
}

impl<M: SessionModel> SeaOrmStore<M> {
    /// A session, unless it has expired.
    pub(crate) async fn select(&self, id: &Id) -> Result<Option<Loaded>> {
        let own = M::columns();
        let mut values = Values::new(self.backend());
        let sid = values.bind("sid", self.sid(id));
        let select = || {
            let timestamps = [&own.created_at, &own.last_seen].into_iter().flatten();
            let others = timestamps.map(|timestamp| timestamp.column);
            let others = others.chain(own.version.as_ref().map(|version| version.column));
            M::Entity::find()
                .select_only()
                .columns([own.sess, own.expire].into_iter().chain(others))
                .filter(self.is_sid(sid))
                .into_query()
        };
        let select = self.statements().select.with(values, select);
        match self.query_one(Operation::LOAD, &select).await? {
            Some(row) => self.read(&row, own),
            None => Ok(None),
        }
    }

    /// The session in a row of its `sess` and `expire` and, those that are there, its `created_at`,
    /// `last_seen` and version.
    fn read(&self, row: &QueryResult, own: Columns<M>) -> Result<Option<Loaded>> {
        let mut index = 1;
        let mut next = || {
            index += 1;
            index
        };
        let created_at = own.created_at.map(|column| column.read(row, next()));
        let last_seen = own.last_seen.map(|column| column.read(row, next()));
        let version = own.version.map(|column| column.read(row, next()));
        // Unreadable, the first two are in nobody's way who does not need them.
        let created_at = match created_at.transpose() {
            Err(error) if self.life().is_limited() => return Err(error),
            created_at => created_at.ok().flatten().flatten(),
        };
        let never = PrimitiveDateTime::MIN.assume_utc();
        let last_seen = last_seen
            .and_then(Result::ok)
            .map(|last_seen| last_seen.unwrap_or(never));
        let expire = get::<M, M::Expire>(row, 1, own.expire)?.moment();
        let end = self.life().end(expire, created_at);
        if end <= self.now() {
            return Ok(None);
        }
        let data = get::<M, M::Sess>(row, 0, own.sess)?
            .decode()
            .map_err(|source| decode_error::<M>(own.sess, source))?;
        Ok(Some(Loaded {
            data,
            end,
            created_at,
            last_seen,
            version: version.transpose()?.unwrap_or(0),
            slid: false,
        }))
    }

    /// A session that has not expired; loading it counts as use, so it is touched if that is due.
    pub(crate) async fn load_and_slide(&self, id: &Id) -> Result<Option<Loaded>> {
        let Some(mut loaded) = self.select(id).await? else {
            return Ok(None);
        };
        let latest_end = self.life().latest_end(loaded.created_at);
        let slide = self.life().slide(self.now());
        if let Some(slide) = slide.map(|slide| slide.until(latest_end))
            && slide.is_due(loaded.end, loaded.last_seen)
        {
            match self.slide(id, slide).await {
                Ok(true) => {
                    let end = slide.end(loaded.end);
                    loaded.slid = end != loaded.end;
                    loaded.end = end;
                }
                Ok(false) => {}
                // The visitor is signed in all the same; a database that has become read-only
                // should not end every session that is read.
                Err(error) => tracing::warn!(%error, "a session was loaded but not touched"),
            }
        }
        Ok(Some(loaded))
    }

    /// Moves a session's end to a life from now, and its `last_seen` to now, without reading or
    /// writing its data. Returns whether it did.
    ///
    /// It does not if the session is gone or has expired, if it was touched less than
    /// [`touch_after`](Self::with_touch_after) ago, or if the store has no [life](Self::with_life). An
    /// end that is later already, or that of the [absolute life](Self::with_absolute_life), stays.
    /// Loading touches by itself; this is for use that does not load, such as an open web socket.
    ///
    /// The browser's cookie is renewed by a load that slides the session, and after a touch none
    /// does for a while. So touch less often than pages are loaded, or the cookie ends first.
    ///
    /// # Errors
    ///
    /// [`Error::Disconnected`](crate::Error::Disconnected) or
    /// [`Error::Database`](crate::Error::Database).
    pub async fn touch(&self, id: &Id) -> Result<bool> {
        let Some(slide) = self.life().slide(self.now()) else {
            return Ok(false);
        };
        match self.latest_end(id).await? {
            Some(latest_end) => self.slide(id, slide.until(latest_end)).await,
            None => Ok(false),
        }
    }

    /// The moment that a session does not outlive; `None` if it is gone. Asks the database only if
    /// there is an absolute life.
    pub(crate) async fn latest_end(&self, id: &Id) -> Result<Option<OffsetDateTime>> {
        if !self.life().is_limited() {
            return Ok(Some(self.life().latest_end(None)));
        }
        let created_at = self.created_at(id).await?;
        Ok(created_at.map(|created_at| self.life().latest_end(Some(created_at))))
    }

    /// When a session that has not expired was created, if a column tells.
    pub(crate) async fn created_at(&self, id: &Id) -> Result<Option<OffsetDateTime>> {
        let Some(created_at) = M::columns().created_at else {
            return Ok(None);
        };
        let select = M::Entity::find()
            .select_only()
            .column(created_at.column)
            .filter(self.is(id))
            .filter(self.is_live(self.now()))
            .into_query();
        match self.query_one(Operation::CHECK_AGE, &select).await? {
            Some(row) => created_at.read(&row, 0),
            None => Ok(None),
        }
    }

    async fn slide(&self, id: &Id, slide: Slide) -> Result<bool> {
        let (own, expiry, now) = (M::columns(), self.expiry(), self.now());
        let seen = own
            .last_seen
            .map(|column| (column.column, column.moments(self.backend())));
        let mut values = Values::new(self.backend());
        let live = self.bind_live(&mut values, id, now, None)?;
        let due = values.bind("due", expiry.key(slide.due));
        let end = values.bind("end", expiry.value(slide.expire));
        let seen = seen.map(|(column, seen)| {
            let due = values.bind("seen", seen.key(slide.seen));
            let now = values.bind_column(column.as_str(), seen.value(now));
            (column, seen, due, now)
        });
        let touch = || {
            let touch = M::Entity::update_many().filter(self.is_live_session(live));
            let is_due = expiry.is_at_or_before(due);
            let end = expiry.at(end);
            let touch = match seen {
                None => touch.col_expr(own.expire, end).filter(is_due),
                Some((column, seen, due, now)) => {
                    let unseen = seen.is_at_or_before(due).or(seen.is_null());
                    touch
                        .col_expr(own.expire, expiry.replaced_if(is_due.clone(), end))
                        .col_expr(column, seen.at(now))
                        .filter(is_due.or(unseen))
                }
            };
            touch.into_query()
        };
        let touch = self.statements().touch.with(values, touch);
        Ok(self.execute(Operation::TOUCH, &touch).await? > 0)
    }
}

pub(crate) fn get<M: SessionModel, T: TryGetable>(
    row: &QueryResult,
    index: usize,
    column: Column<M>,
) -> Result<T> {
    row.try_get_by_index(index)
        .map_err(|source| decode_error::<M>(column, source.into()))
}
