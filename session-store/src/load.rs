//! Loading a session, which is use of it, and so touches it.

use sea_orm::sea_query::ExprTrait;
use sea_orm::{
    EntityTrait, QueryFilter, QueryResult, QuerySelect, QueryTrait, Statement, TryGetable,
};
use time::{OffsetDateTime, PrimitiveDateTime};
use tower_sessions::session::Id;

use crate::column::{SessColumn, TimestampColumn};
use crate::error::Result;
use crate::life::Slide;
use crate::model::{Column, Columns, SessionModel, decode_error};
use crate::record::Data;
use crate::store::SeaOrmStore;

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
        let built = self.built_select().get_or_init(|| self.build_select());
        // Each of its values is the sid.
        let sid = self.sid(id);
        let mut select = built.clone();
        for value in select.values.iter_mut().flat_map(|values| &mut values.0) {
            *value = sid.as_str().into();
        }
        match self.query_one_built("load a session", &select).await? {
            Some(row) => self.read(&row, M::columns()),
            None => Ok(None),
        }
    }

    fn build_select(&self) -> Statement {
        let own = M::columns();
        let timestamps = [&own.created_at, &own.last_seen].into_iter().flatten();
        let others = timestamps.map(|timestamp| timestamp.column);
        let others = others.chain(own.version.as_ref().map(|version| version.column));
        let select = M::Entity::find()
            .select_only()
            .columns([own.sess, own.expire].into_iter().chain(others))
            .filter(self.is(&Id::default()))
            .into_query();
        self.backend().build(&select)
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
        match self.query_one("look for a session's age", &select).await? {
            Some(row) => created_at.read(&row, 0),
            None => Ok(None),
        }
    }

    async fn slide(&self, id: &Id, slide: Slide) -> Result<bool> {
        let now = self.now();
        let Columns {
            expire, last_seen, ..
        } = M::columns();
        let touch = M::Entity::update_many().filter(self.is_at(id, now, None)?);
        let is_due = self.expiry().is_at_or_before(slide.due);
        let end = self.expiry().at(slide.expire);
        let touch = match last_seen {
            None => touch.col_expr(expire, end).filter(is_due),
            Some(last_seen) => {
                let seen = last_seen.moments(self.backend());
                let unseen = seen.is_at_or_before(slide.seen).or(seen.is_null());
                touch
                    .col_expr(expire, self.expiry().replaced_if(is_due.clone(), end))
                    .col_expr(last_seen.column, seen.at(now))
                    .filter(is_due.or(unseen))
            }
        };
        Ok(self.execute("touch a session", &touch.into_query()).await? > 0)
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
