//! The session operations on the table: one round trip each.

use sea_orm::sea_query::{Expr, ExprTrait, InsertStatement, Query, UpdateStatement};
use sea_orm::{
    ColumnTrait, Condition, EntityName, EntityTrait, QueryFilter, QueryResult, QuerySelect,
    QueryTrait, TryGetable,
};
use time::{OffsetDateTime, PrimitiveDateTime};
use tower_sessions::session::Id;

use crate::column::{SessColumn, SidColumn, TimestampColumn, utc};
use crate::error::{Error, Result};
use crate::life::Slide;
use crate::model::{Column, Columns, SessionModel, decode_error};
use crate::record::{Data, Record};
use crate::store::SeaOrmStore;

/// How many random ids a new session tries before something must be wrong.
const CREATE_ATTEMPTS: u32 = 8;

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
    /// Inserts a row under a new session's id, or under another random one if that is taken. Returns
    /// when the session ends.
    pub(crate) async fn insert(
        &self,
        id: &mut Id,
        data: &Data,
        expiry_date: OffsetDateTime,
        created_at: OffsetDateTime,
    ) -> Result<OffsetDateTime> {
        let end = self.life().end(utc(expiry_date), Some(created_at));
        for _ in 0..CREATE_ATTEMPTS {
            let insert = self.insert_statement(id, data, end, created_at)?;
            if self.try_insert(id, &insert).await? {
                return Ok(end);
            }
            *id = Id::default();
        }
        Err(Error::IdsTaken {
            attempts: CREATE_ATTEMPTS,
        })
    }

    /// Returns whether the row was inserted; not if the id is taken.
    async fn try_insert(&self, id: &Id, insert: &InsertStatement) -> Result<bool> {
        let mut retry = self.retry();
        match self
            .execute_with(&mut retry, "create a session", insert)
            .await
        {
            Ok(_) => Ok(true),
            // Which of two unique columns it was is said by each database in its own words. If it is
            // the id, and the connection was lost before, then it is taken by this very row.
            Err(Error::Unique { .. }) if self.is_taken(id).await? => Ok(retry.may_have_run()),
            Err(error) => Err(error),
        }
    }

    fn insert_statement(
        &self,
        id: &Id,
        data: &Data,
        end: OffsetDateTime,
        created_at: OffsetDateTime,
    ) -> Result<InsertStatement> {
        let own = M::columns();
        let record = Record::new(id, data, end);
        let mut row = self.row(&record, self.expiry().at(end), self.now())?;
        row.set(own.sid, M::Sid::from_sid(self.sid(id)).into())?;
        if let Some(column) = own.created_at {
            row.set(column.column, column.at(created_at))?;
        }
        if let Some(version) = own.version {
            row.set(version.column, version.value(0)?)?;
        }
        let (columns, values): (Vec<_>, Vec<_>) = row.assignments().unzip();
        Ok(Query::insert()
            .into_table(M::Entity::default().table_ref())
            .columns(columns)
            .values_panic(values)
            .take())
    }

    async fn is_taken(&self, id: &Id) -> Result<bool> {
        let sid = M::columns().sid;
        // As text, so as the primary key compares.
        let row = M::Entity::find()
            .select_only()
            .column(sid)
            .filter(sid.eq(self.sid(id)))
            .into_query();
        Ok(self
            .query_one("look for a session id", &row)
            .await?
            .is_some())
    }

    /// Updates the row of a session that is there, has not expired and, where a version is given,
    /// was not saved since it had that. Returns whether there was such a row.
    pub(crate) async fn update(
        &self,
        id: &Id,
        data: &Data,
        expiry_date: OffsetDateTime,
        version: Option<i64>,
    ) -> Result<bool> {
        let update = self.update_statement(id, data, expiry_date, version)?;
        Ok(self.execute("save a session", &update).await? > 0)
    }

    fn update_statement(
        &self,
        id: &Id,
        data: &Data,
        expiry_date: OffsetDateTime,
        version: Option<i64>,
    ) -> Result<UpdateStatement> {
        let now = self.now();
        let end = utc(expiry_date);
        let expire = match self.life().due(end) {
            // An end that stays spares the index on it.
            Some(due) => {
                let is_due = self.expiry().is_at_or_before(due);
                let is_later = self.expiry().is_after(end);
                self.expiry()
                    .replaced_if(is_due.or(is_later), self.expiry().at(end))
            }
            None => self.expiry().at(end),
        };
        let row = self.row(&Record::new(id, data, end), expire, now)?;
        let mut update = M::Entity::update_many().filter(self.is_at(id, now, version)?);
        for (column, value) in row.assignments() {
            update = update.col_expr(column, value);
        }
        if let Some(version) = M::columns().version {
            let next = Expr::col(version.column.as_column_ref()).add(1);
            update = update.col_expr(version.column, next);
        }
        Ok(update.into_query())
    }

    /// A session, unless it has expired.
    pub(crate) async fn select(&self, id: &Id) -> Result<Option<Loaded>> {
        let Columns {
            sess,
            expire,
            version,
            created_at,
            last_seen,
            ..
        } = M::columns();
        let timestamps = [&created_at, &last_seen].into_iter().flatten();
        let others = timestamps.map(|timestamp| timestamp.column);
        let others = others.chain(version.as_ref().map(|version| version.column));
        let select = M::Entity::find()
            .select_only()
            .columns([sess, expire].into_iter().chain(others))
            .filter(self.is(id))
            .into_query();
        let Some(row) = self.query_one("load a session", &select).await? else {
            return Ok(None);
        };
        // Those that are there, after the first two, in this order.
        let mut index = 1;
        let mut next = || {
            index += 1;
            index
        };
        let created_at = created_at.map(|column| column.read(&row, next()));
        let last_seen = last_seen.map(|column| column.read(&row, next()));
        let version = version.map_or(Ok(0), |column| column.read(&row, next()));
        // Unreadable, the first two are in nobody's way who does not need them.
        let created_at = match created_at.transpose() {
            Err(error) if self.life().is_limited() => return Err(error),
            created_at => created_at.ok().flatten().flatten(),
        };
        let never = PrimitiveDateTime::MIN.assume_utc();
        let last_seen = last_seen
            .and_then(Result::ok)
            .map(|last_seen| last_seen.unwrap_or(never));
        let expire = get::<M, M::Expire>(&row, 1, expire)?.moment();
        let end = self.life().end(expire, created_at);
        if end <= self.now() {
            return Ok(None);
        }
        let data = get::<M, M::Sess>(&row, 0, sess)?
            .decode()
            .map_err(|source| decode_error::<M>(sess, source))?;
        Ok(Some(Loaded {
            data,
            end,
            created_at,
            last_seen,
            version: version?,
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
    /// [`Error::Disconnected`] or [`Error::Database`].
    pub async fn touch(&self, id: &Id) -> Result<bool> {
        let Some(slide) = self.life().slide(self.now()) else {
            return Ok(false);
        };
        match self.latest_end(id).await? {
            Some(latest_end) => self.slide(id, slide.until(latest_end)).await,
            None => Ok(false),
        }
    }

    /// The moment that a session does not outlive; `None` if there is no such session, or nobody
    /// knows its age. Asks the database only if there is an absolute life.
    pub(crate) async fn latest_end(&self, id: &Id) -> Result<Option<OffsetDateTime>> {
        let created_at = M::columns().created_at;
        let Some(created_at) = created_at.filter(|_| self.life().is_limited()) else {
            return Ok(Some(self.life().latest_end(None)));
        };
        let select = M::Entity::find()
            .select_only()
            .column(created_at.column)
            .filter(self.is(id))
            .into_query();
        let Some(row) = self.query_one("look for a session's age", &select).await? else {
            return Ok(None);
        };
        let created_at = created_at.read(&row, 0)?;
        Ok(created_at.map(|created_at| self.life().latest_end(Some(created_at))))
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

    /// Deletes a session's row; a missing one is fine.
    pub(crate) async fn remove(&self, id: &Id) -> Result<()> {
        let delete = M::Entity::delete_many().filter(self.is(id)).into_query();
        self.execute("delete a session", &delete).await?;
        Ok(())
    }

    /// Deletes the row of a session that is there, has not expired and, where a version is given,
    /// was not saved since it had that. Returns whether there was such a row.
    pub(crate) async fn remove_at(&self, id: &Id, version: Option<i64>) -> Result<bool> {
        let delete = M::Entity::delete_many().filter(self.is_at(id, self.now(), version)?);
        let mut retry = self.retry();
        let deleted = self
            .execute_with(&mut retry, "delete a session", &delete.into_query())
            .await?;
        // Gone without having been deleted now: by an attempt whose answer was lost.
        Ok(deleted > 0 || retry.may_have_run() && self.select(id).await?.is_none())
    }

    /// The row of this session.
    pub(crate) fn is(&self, id: &Id) -> Condition {
        self.sid_form()
            .is(M::columns().sid, &self.sid(id), self.backend())
    }

    /// The row of this session if it has not expired and, where one is given, is at that version.
    fn is_at(&self, id: &Id, now: OffsetDateTime, version: Option<i64>) -> Result<Condition> {
        let is_live = self.is(id).add(self.is_live(now));
        match M::columns().version.zip(version) {
            Some((column, count)) => Ok(is_live.add(column.column.eq(column.value(count)?))),
            None => Ok(is_live),
        }
    }

    /// Rows of sessions that have not expired at `now`.
    pub(crate) fn is_live(&self, now: OffsetDateTime) -> Expr {
        let is_live = self.expiry().is_after(now);
        let created_at = M::columns().created_at;
        match created_at.zip(self.life().created_after(now)) {
            Some((created_at, earliest)) => {
                is_live.and(created_at.moments(self.backend()).is_after(earliest))
            }
            None => is_live,
        }
    }
}

fn get<M: SessionModel, T: TryGetable>(
    row: &QueryResult,
    index: usize,
    column: Column<M>,
) -> Result<T> {
    row.try_get_by_index(index)
        .map_err(|source| decode_error::<M>(column, source.into()))
}
