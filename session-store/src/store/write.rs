//! Creating, saving and deleting a session: one statement each.

use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, Condition, EntityName, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
};
use time::OffsetDateTime;
use tower_sessions::session::Id;

use super::SeaOrmStore;
use super::changes::Changed;
use super::event::EndReason;
use crate::error::{Error, Result};
use crate::model::{Data, SessionModel, SessionRef, SidColumn, store_keys};
use crate::sql::{BoundStatement, Parameters, utc};
use crate::telemetry::Operation;

/// The number of random ids that are tried for a new session.
const CREATE_ATTEMPTS: u32 = 8;

impl<M: SessionModel> SeaOrmStore<M> {
    /// Inserts a row under a new session's id, or under another random one if that is taken. Returns
    /// when the session expires.
    pub(crate) async fn insert(
        &self,
        id: &mut Id,
        data: &Data,
        expiry_date: OffsetDateTime,
        created_at: OffsetDateTime,
    ) -> Result<OffsetDateTime> {
        let created_at = store_keys::authenticated_at(data).unwrap_or(created_at);
        let expiry = SessionRef::new(id, data, expiry_date).expiry;
        let timeouts = self.expiry.of(expiry, Some(created_at));
        let expires_at = timeouts.limit(utc(expiry_date));
        for _ in 0..CREATE_ATTEMPTS {
            let session = SessionRef::new(id, data, expires_at);
            let insert = self.insert_statement(&session, created_at)?;
            if self.try_insert(id, &insert).await? {
                self.tell_created(id);
                return Ok(expires_at);
            }
            *id = Id::default();
        }
        Err(Error::IdCollision {
            attempts: CREATE_ATTEMPTS,
        })
    }

    /// Returns whether the row was inserted. It was not if the id is taken.
    async fn try_insert(&self, id: &Id, insert: &BoundStatement) -> Result<bool> {
        let _change = self.saving(id);
        let mut retry = self.executor.retry();
        let inserted = self
            .executor
            .execute_with(&mut retry, Operation::CREATE, insert);
        match inserted.await {
            Ok(_) => Ok(true),
            // Each database says in its own words which unique column it was. If it is the id, and the
            // connection was lost before, this very row has taken it.
            Err(Error::UniqueViolation { .. }) if self.is_taken(id).await? => {
                Ok(retry.may_have_run())
            }
            Err(error) => Err(error),
        }
    }

    fn insert_statement(
        &self,
        session: &SessionRef<'_>,
        created_at: OffsetDateTime,
    ) -> Result<BoundStatement> {
        let (columns, expire) = (M::columns(), self.expire());
        let backend = self.executor.backend();
        let mut row = self.row(session, self.now())?;
        row.set(columns.sid, M::Sid::from_sid(self.sid(session.id)).into())?;
        if let Some(column) = columns.created_at {
            row.set(column.column, column.value(created_at))?;
        }
        if let Some(version) = columns.version {
            row.set(version.column, version.value(0)?)?;
        }
        let mut parameters = Parameters::new(backend);
        let row = row.bind(&mut parameters);
        let expires_at = parameters.bind(expire.value(session.expiry_date));
        let build = || {
            let expire = (columns.expire.column, expire.write(expires_at));
            let row = row.assignments(backend).chain([expire]);
            let (columns, values): (Vec<_>, Vec<_>) = row.unzip();
            Query::insert()
                .into_table(M::Entity::default().table_ref())
                .columns(columns)
                .values_panic(values)
                .take()
        };
        Ok(self.templates.insert.bind(parameters, build))
    }

    /// Returns whether the id is taken. Compared as text, as the primary key is.
    async fn is_taken(&self, id: &Id) -> Result<bool> {
        self.exists(M::columns().sid.eq(self.sid(id)).into()).await
    }

    /// Returns whether a row matches the condition.
    pub(super) async fn exists(&self, condition: Condition) -> Result<bool> {
        let select = M::Entity::find()
            .select_only()
            .column(M::columns().sid)
            .filter(condition)
            .into_query();
        let row = self.executor.query_one(Operation::CHECK_ID, &select);
        Ok(row.await?.is_some())
    }

    /// Saves a session that this request has not loaded.
    pub(crate) async fn save_unread(
        &self,
        id: &Id,
        data: &Data,
        expiry_date: OffsetDateTime,
    ) -> Result<()> {
        let mut session = SessionRef::new(id, data, expiry_date);
        let created_at = match session.authenticated_at() {
            None if self.expiry.has_absolute_timeout() => {
                Some(self.load_created_at(id).await?.ok_or(Error::NotFound)?)
            }
            authenticated_at => authenticated_at,
        };
        let timeouts = self.expiry.of(session.expiry, created_at);
        session.expiry_date = timeouts.limit(utc(expiry_date));
        if !self.update(id, &session, None).await? {
            return Err(Error::NotFound);
        }
        Ok(())
    }

    /// Returns when a session that has not expired was created, if there is such a column.
    async fn load_created_at(&self, id: &Id) -> Result<Option<OffsetDateTime>> {
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

    /// Updates the row that has this id, if the session has not expired and, if a version is given, still
    /// has that version. The row gets the session's id, which can be another. Returns whether there was
    /// such a row.
    pub(crate) async fn update(
        &self,
        id: &Id,
        session: &SessionRef<'_>,
        version: Option<i64>,
    ) -> Result<bool> {
        let session = SessionRef {
            expiry_date: utc(session.expiry_date),
            ..*session
        };
        let update = self.update_statement(id, &session, version)?;
        let operation = if id == session.id {
            Operation::SAVE
        } else {
            Operation::RENEW
        };
        let _changes = [id, session.id].map(|id| self.saving(id));
        let is_updated = self.executor.execute(operation, &update).await? > 0;
        if is_updated && id != session.id {
            self.tell_renewed(id, session.id);
        }
        Ok(is_updated)
    }

    fn update_statement(
        &self,
        id: &Id,
        session: &SessionRef<'_>,
        version: Option<i64>,
    ) -> Result<BoundStatement> {
        let (columns, expire, now) = (M::columns(), self.expire(), self.now());
        let backend = self.executor.backend();
        let expires_at = session.expiry_date;
        let mut row = self.row(session, now)?;
        let is_renewed = id != session.id;
        if is_renewed {
            row.set(columns.sid, M::Sid::from_sid(self.sid(session.id)).into())?;
        }
        let mut parameters = Parameters::new(backend);
        let row = row.bind(&mut parameters);
        let active = self.bind_active(&mut parameters, id, now, version)?;
        // If `expire` stays the same, the database does not update the index on it.
        let timeouts = self.expiry.of(session.expiry, None);
        let due = parameters.bind(expire.key(timeouts.save_due(expires_at, now)));
        let latest = parameters.bind(expire.key(expires_at));
        let expires_at = parameters.bind(expire.value(expires_at));
        let build = || {
            let moves = expire.is_at_or_before(due).or(expire.is_after(latest));
            let written = expire.write_if(moves, expires_at);
            let mut update = M::Entity::update_many().filter(self.is_active_session(active));
            let expire = (columns.expire.column, written);
            for (column, value) in row.assignments(backend).chain([expire]) {
                update = update.col_expr(column, value);
            }
            if let Some(version) = columns.version {
                let next = Expr::col(version.column.as_column_ref()).add(1);
                update = update.col_expr(version.column, next);
            }
            update.into_query()
        };
        let template = match (is_renewed, version) {
            (false, None) => &self.templates.update,
            (false, Some(_)) => &self.templates.update_version,
            (true, None) => &self.templates.renew,
            (true, Some(_)) => &self.templates.renew_version,
        };
        Ok(template.bind(parameters, build))
    }

    /// Deletes a session's row, if there is one. Fails if the row is still there afterwards.
    pub(crate) async fn delete_by_id(&self, id: &Id) -> Result<()> {
        let deleted = if self.events.is_some() {
            let (operation, is_session) = (Operation::DELETE, self.is_session(id));
            let changed = Changed::Ended(*id);
            self.end(operation, is_session, EndReason::SignedOut, changed)
                .await?
        } else {
            let _change = self.ending(id);
            let mut parameters = Parameters::new(self.executor.backend());
            let sid = parameters.bind(self.sid(id));
            let build = || {
                M::Entity::delete_many()
                    .filter(self.is_sid(sid))
                    .into_query()
            };
            let delete = self.templates.delete.bind(parameters, build);
            self.executor.execute(Operation::DELETE, &delete).await?
        };
        if deleted == 0 && self.exists(self.is_session(id)).await? {
            return Err(Error::RowKept);
        }
        Ok(())
    }
}
