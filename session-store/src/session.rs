//! Creating, saving and deleting a session: one statement each.

use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, Condition, EntityName, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Value,
};
use time::OffsetDateTime;
use tower_sessions::session::Id;

use crate::column::{SidColumn, utc};
use crate::error::{Error, Result};
use crate::model::SessionModel;
use crate::moments::Moment;
use crate::prepared::{Bound, Parameter, Values};
use crate::record::{Data, Record};
use crate::store::SeaOrmStore;
use crate::telemetry::Operation;

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
    async fn try_insert(&self, id: &Id, insert: &Bound) -> Result<bool> {
        let mut retry = self.retry();
        match self
            .execute_with(&mut retry, Operation::CREATE, insert)
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
    ) -> Result<Bound> {
        let own = M::columns();
        let mut row = self.row(&Record::new(id, data, end), self.now())?;
        row.set(own.sid, M::Sid::from_sid(self.sid(id)).into())?;
        if let Some(column) = own.created_at {
            row.set(column.column, column.at(created_at))?;
        }
        if let Some(version) = own.version {
            row.set(version.column, version.value(0)?)?;
        }
        let mut values = Values::new(self.backend());
        let row = row.bind(&mut values);
        let end = values.bind("end", self.expiry().value(end));
        let insert = || {
            let expire = (own.expire, self.expiry().at(end));
            let (columns, values): (Vec<_>, Vec<_>) = row.assignments().chain([expire]).unzip();
            Query::insert()
                .into_table(M::Entity::default().table_ref())
                .columns(columns)
                .values_panic(values)
                .take()
        };
        Ok(self.statements().insert.with(values, insert))
    }

    async fn is_taken(&self, id: &Id) -> Result<bool> {
        let sid = M::columns().sid;
        // As text, so as the primary key compares.
        let row = M::Entity::find()
            .select_only()
            .column(sid)
            .filter(sid.eq(self.sid(id)))
            .into_query();
        Ok(self.query_one(Operation::CHECK_ID, &row).await?.is_some())
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
        Ok(self.execute(Operation::SAVE, &update).await? > 0)
    }

    fn update_statement(
        &self,
        id: &Id,
        data: &Data,
        expiry_date: OffsetDateTime,
        version: Option<i64>,
    ) -> Result<Bound> {
        let (own, expiry, now) = (M::columns(), self.expiry(), self.now());
        let end = utc(expiry_date);
        let row = self.row(&Record::new(id, data, end), now)?;
        let mut values = Values::new(self.backend());
        let row = row.bind(&mut values);
        let live = self.bind_live(&mut values, id, now, version)?;
        // An end that stays spares the index on it.
        let stays = self.life().due(end, now).map(|due| {
            let due = values.bind("due", expiry.key(due));
            (due, values.bind("latest", expiry.key(end)))
        });
        let end = values.bind("end", expiry.value(end));
        let update = || {
            let written = match stays {
                Some((due, latest)) => {
                    let is_due = expiry.is_at_or_before(due);
                    expiry.replaced_if(is_due.or(expiry.is_after(latest)), expiry.at(end))
                }
                None => expiry.at(end),
            };
            let mut update = M::Entity::update_many().filter(self.is_live_session(live));
            for (column, value) in row.assignments().chain([(own.expire, written)]) {
                update = update.col_expr(column, value);
            }
            if let Some(version) = own.version {
                let next = Expr::col(version.column.as_column_ref()).add(1);
                update = update.col_expr(version.column, next);
            }
            update.into_query()
        };
        Ok(self.statements().update.with(values, update))
    }

    /// Deletes a session's row; a missing one is fine.
    pub(crate) async fn remove(&self, id: &Id) -> Result<()> {
        let mut values = Values::new(self.backend());
        let sid = values.bind("sid", self.sid(id));
        let delete = || {
            M::Entity::delete_many()
                .filter(self.is_sid(sid))
                .into_query()
        };
        let delete = self.statements().delete.with(values, delete);
        self.execute(Operation::DELETE, &delete).await?;
        Ok(())
    }

    /// Deletes the row of a session that is there, has not expired and, where a version is given,
    /// was not saved since it had that. Returns whether there was such a row.
    pub(crate) async fn remove_at(&self, id: &Id, version: Option<i64>) -> Result<bool> {
        let mut values = Values::new(self.backend());
        let live = self.bind_live(&mut values, id, self.now(), version)?;
        let delete = || {
            let delete = M::Entity::delete_many().filter(self.is_live_session(live));
            delete.into_query()
        };
        let delete = self.statements().delete_live.with(values, delete);
        let mut retry = self.retry();
        let deleted = self
            .execute_with(&mut retry, Operation::DELETE, &delete)
            .await?;
        // Gone without having been deleted now: by an attempt whose answer was lost.
        Ok(deleted > 0 || retry.may_have_run() && self.select(id).await?.is_none())
    }

    /// The row of this session.
    pub(crate) fn is(&self, id: &Id) -> Condition {
        self.is_sid(self.sid(id))
    }

    pub(crate) fn is_sid(&self, sid: impl Into<Value>) -> Condition {
        let column = M::columns().sid;
        self.sid_form().is(column, sid, self.backend())
    }

    /// Binds a session that has not expired at `now` and, where one is given, is at that version.
    pub(crate) fn bind_live(
        &self,
        values: &mut Values,
        id: &Id,
        now: OffsetDateTime,
        version: Option<i64>,
    ) -> Result<LiveSession> {
        let own = M::columns();
        let created_after = own.created_at.zip(self.life().created_after(now));
        let version = match own.version.zip(version) {
            Some((column, count)) => Some(column.value(count)?),
            None => None,
        };
        Ok(LiveSession {
            sid: values.bind("sid", self.sid(id)),
            now: values.bind("now", self.expiry().key(now)),
            created_after: created_after.map(|(column, moment)| {
                let moment = column.moments(self.backend()).key(moment);
                values.bind("created_after", moment)
            }),
            version: version.map(|version| values.bind("version", version)),
        })
    }

    /// The row of this session, if it is as it was bound.
    pub(crate) fn is_live_session(&self, session: LiveSession) -> Condition {
        let is_live = self.is_live_at(session.now, session.created_after);
        let is_live = self.is_sid(session.sid).add(is_live);
        match M::columns().version.zip(session.version) {
            Some((version, count)) => is_live.add(version.column.eq(count)),
            None => is_live,
        }
    }

    /// Rows of sessions that have not expired at `now`.
    pub(crate) fn is_live(&self, now: OffsetDateTime) -> Expr {
        self.is_live_at(now, self.life().created_after(now))
    }

    fn is_live_at<T: Moment>(&self, now: T, created_after: Option<T>) -> Expr {
        let is_live = self.expiry().is_after(now);
        match M::columns().created_at.zip(created_after) {
            Some((created_at, earliest)) => {
                is_live.and(created_at.moments(self.backend()).is_after(earliest))
            }
            None => is_live,
        }
    }
}

/// A session that has not expired, as a statement finds it.
#[derive(Clone, Copy)]
pub(crate) struct LiveSession {
    sid: Parameter,
    now: Parameter,
    created_after: Option<Parameter>,
    version: Option<Parameter>,
}
