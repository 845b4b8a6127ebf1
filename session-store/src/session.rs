//! The session operations on the table: one round trip each.

use sea_orm::sea_query::{Expr, ExprTrait, InsertStatement, Query, UpdateStatement};
use sea_orm::{
    ColumnTrait, Condition, EntityName, EntityTrait, QueryFilter, QueryResult, QuerySelect,
    QueryTrait, TryGetable,
};
use time::OffsetDateTime;
use tower_sessions::session::Id;

use crate::column::{SessColumn, SidColumn, TimestampColumn, utc};
use crate::error::{Error, Result};
use crate::expiry::bound;
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
    /// How often it was saved; zero if no column counts that.
    pub(crate) version: i64,
    /// Loading it has moved its end.
    pub(crate) slid: bool,
}

impl<M: SessionModel> SeaOrmStore<M> {
    /// Inserts a row under a new session's id, or under another random one if that is taken.
    pub(crate) async fn insert(
        &self,
        id: &mut Id,
        data: &Data,
        expiry_date: OffsetDateTime,
    ) -> Result<()> {
        for _ in 0..CREATE_ATTEMPTS {
            let insert = self.insert_statement(id, data, expiry_date)?;
            if self.try_insert(id, &insert).await? {
                return Ok(());
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
        expiry_date: OffsetDateTime,
    ) -> Result<InsertStatement> {
        let Columns {
            sid,
            created_at,
            version,
            ..
        } = M::columns();
        let now = self.now();
        let mut row = self.row(&Record::new(id, data, utc(expiry_date)), now)?;
        row.set(sid, M::Sid::from_sid(self.sid(id)).into())?;
        if let Some(created_at) = created_at {
            row.set(created_at.column, created_at.at(now))?;
        }
        if let Some(version) = version {
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
        let row = self.row(&Record::new(id, data, utc(expiry_date)), now)?;
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
            ..
        } = M::columns();
        let version_column = version.as_ref().map(|version| version.column);
        let select = M::Entity::find()
            .select_only()
            .columns([sess, expire].into_iter().chain(version_column))
            .filter(self.is(id))
            .into_query();
        let Some(row) = self.query_one("load a session", &select).await? else {
            return Ok(None);
        };
        let end = get::<M, M::Expire>(&row, 1, expire)?.moment();
        if end <= self.now() {
            return Ok(None);
        }
        let data = get::<M, M::Sess>(&row, 0, sess)?
            .decode()
            .map_err(|source| decode_error::<M>(sess, source))?;
        let version = version.map_or(Ok(0), |version| version.read(&row, 2))?;
        Ok(Some(Loaded {
            data,
            end,
            version,
            slid: false,
        }))
    }

    /// A session that has not expired; loading it counts as use, so it is touched if that is due.
    pub(crate) async fn load_and_slide(&self, id: &Id) -> Result<Option<Loaded>> {
        let Some(mut loaded) = self.select(id).await? else {
            return Ok(None);
        };
        if let Some(slide) = self.life().slide(self.now())
            && loaded.end <= slide.due
        {
            match self.slide(id, slide).await {
                Ok(true) => {
                    loaded.end = slide.expire;
                    loaded.slid = true;
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
    /// [`touch_after`](Self::with_touch_after) ago or ends later already, or if the store has no
    /// [life](Self::with_life). Loading a session touches it by itself; this is for use that does
    /// not load, such as an open web socket.
    ///
    /// The browser's cookie is renewed by a load that slides the session, and after a touch none
    /// does for a while. So touch less often than pages are loaded, or the cookie ends first.
    ///
    /// # Errors
    ///
    /// [`Error::Disconnected`] or [`Error::Database`].
    pub async fn touch(&self, id: &Id) -> Result<bool> {
        match self.life().slide(self.now()) {
            Some(slide) => self.slide(id, slide).await,
            None => Ok(false),
        }
    }

    async fn slide(&self, id: &Id, slide: Slide) -> Result<bool> {
        let Columns {
            expire, last_seen, ..
        } = M::columns();
        let now = self.now();
        let assign = |column: Column<M>, value| column.save_as(Expr::val(value));
        let mut touch = M::Entity::update_many()
            .col_expr(expire, assign(expire, self.expiry().value(slide.expire)))
            .filter(self.is_at(id, now, None)?)
            .filter(self.expiry().is_at_or_before(slide.due));
        if let Some(last_seen) = last_seen {
            let now = bound(last_seen.at(now), self.backend());
            touch = touch.col_expr(last_seen.column, assign(last_seen.column, now));
        }
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
        self.expiry().is_after(now)
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
