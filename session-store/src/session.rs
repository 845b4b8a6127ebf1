//! Creating, saving and deleting a session: one statement each.

use sea_orm::sea_query::{Expr, ExprTrait, InsertStatement, Query, UpdateStatement};
use sea_orm::{
    ColumnTrait, Condition, EntityName, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
};
use time::OffsetDateTime;
use tower_sessions::session::Id;

use crate::column::{SidColumn, utc};
use crate::error::{Error, Result};
use crate::model::SessionModel;
use crate::record::{Data, Record};
use crate::store::SeaOrmStore;

/// How many random ids a new session tries before something must be wrong.
const CREATE_ATTEMPTS: u32 = 8;

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
        let expire = match self.life().due(end, now) {
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
    pub(crate) fn is_at(
        &self,
        id: &Id,
        now: OffsetDateTime,
        version: Option<i64>,
    ) -> Result<Condition> {
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
