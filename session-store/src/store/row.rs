//! The values of a session's row.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ActiveModelTrait, ActiveValue, ColumnTrait, ColumnType, DbBackend, Iterable, Value};
use time::OffsetDateTime;
use tower_sessions::session::Id;

use super::SeaOrmStore;
use super::load::LoadedSession;
use crate::error::{Error, Result};
use crate::model::{
    ActiveModel, Column, Columns, SessColumn, SessionModel, SessionRef, check_depth, has_nul,
    max_chars, store_keys,
};
use crate::sql::{Parameter, Parameters, is_encodable};

/// The levels of nesting that MariaDB accepts as JSON.
const MARIADB_JSON_DEPTH: usize = 31;

/// The values that a statement writes to a row.
pub(super) struct Row<M: SessionModel> {
    columns: ActiveModel<M>,
    // Beside the others, because an `ActiveModel` takes only values of the field's own type.
    sess: Value,
}

/// The columns that a statement writes, with a parameter for each value.
pub(super) struct BoundRow<M: SessionModel> {
    columns: Vec<(Column<M>, Parameter)>,
    sess: Parameter,
}

impl<M: SessionModel> SeaOrmStore<M> {
    /// Returns what creating and saving a session both write: the data and the extra columns.
    pub(super) fn row(&self, session: &SessionRef<'_>, now: OffsetDateTime) -> Result<Row<M>> {
        let columns = M::columns();
        let mut extras = self.extras(session)?;
        for column in Column::<M>::iter() {
            if let ActiveValue::Set(value) = extras.get(column) {
                self.check_value(column, &value)?;
            }
        }
        // The store fills these columns itself, whatever a closure has set.
        let created_at = columns.created_at.map(|created_at| created_at.column);
        let version = columns.version.map(|version| version.column);
        let always = [columns.sid, columns.sess, columns.expire.column];
        for column in always.into_iter().chain(created_at).chain(version) {
            extras.not_set(column);
        }
        let mut row = Row {
            columns: extras,
            sess: self.sess(session)?,
        };
        if let Some(last_seen) = columns.last_seen {
            row.set(last_seen.column, last_seen.value(now))?;
        }
        // Under an absolute timeout, an authentication begins a new age.
        if let Some((created_at, began)) = columns.created_at.zip(session.authenticated_at()) {
            row.set(created_at.column, created_at.value(began))?;
        }
        Ok(row)
    }

    /// Fills the extra columns: first from the request and the derived sources, then by the closure.
    fn extras(&self, session: &SessionRef<'_>) -> Result<ActiveModel<M>> {
        let mut row = <ActiveModel<M> as ActiveModelTrait>::default();
        for (column, value) in self.of_request.as_deref().unwrap_or_default() {
            try_set::<M>(&mut row, *column, value.clone())?;
        }
        M::fill(session, &mut row)?;
        if let Some(fill) = &self.extras {
            fill(session, &mut row).map_err(Error::ExtrasFailed)?;
        }
        Ok(row)
    }

    /// Binds the columns that come from the request, for a touch. It leaves out those that a save would
    /// refuse: a touch has to keep the session alive.
    pub(super) fn bind_request(
        &self,
        id: &Id,
        loaded: &LoadedSession,
        parameters: &mut Parameters,
    ) -> Vec<(Column<M>, Parameter)> {
        let Some(of_request) = &self.of_request else {
            return Vec::new();
        };
        let session = SessionRef::new(id, &loaded.data, loaded.expires_at);
        let Ok(row) = self.extras(&session) else {
            return Vec::new();
        };
        let mut bound = Vec::new();
        for (column, _) in of_request.iter() {
            if let ActiveValue::Set(value) = row.get(*column)
                && self.check_value(*column, &value).is_ok()
                && is_short_enough(*column, &value)
            {
                bound.push((*column, bind_column(*column, value, parameters)));
            }
        }
        bound
    }

    /// Encodes the session's data, if the `sess` column can hold it.
    fn sess(&self, session: &SessionRef<'_>) -> Result<Value> {
        let columns = M::columns();
        let column = columns.sess;
        let error = |source| Columns::encode_error(column, source);
        store_keys::expiry(session.data).map_err(error)?;
        let value = M::Sess::encode(session).map_err(error)?;
        let (size, max) = (encoded_size(&value), self.max_bytes);
        if size > max {
            return Err(Error::TooLarge { size, max });
        }
        match (self.executor.backend(), column.def().get_column_type()) {
            (DbBackend::Postgres, ColumnType::JsonBinary) if has_nul(session.data) => {
                let problem = "PostgreSQL's jsonb cannot hold the character NUL (json can)";
                Err(error(problem.into()))
            }
            // MySQL itself allows 100 levels. Finding out which of the two it is would cost a query.
            (DbBackend::MySql, ColumnType::Json | ColumnType::JsonBinary) => {
                check_depth(session.data, MARIADB_JSON_DEPTH)
                    .map_err(|source| error(format!("{source} in MariaDB's JSON").into()))?;
                Ok(value)
            }
            _ => Ok(value),
        }
    }

    /// Refuses a value of an extra column that the database cannot hold: the driver would panic or store
    /// another, or the database's own message is less clear.
    fn check_value(&self, column: Column<M>, value: &Value) -> Result<()> {
        let is_beyond_i64 = |number: &u64| i64::try_from(*number).is_err();
        let problem = match (value, self.executor.backend()) {
            (Value::String(Some(text)), DbBackend::Postgres) if text.contains('\0') => {
                "PostgreSQL's text cannot hold the character NUL"
            }
            (Value::BigUnsigned(Some(number)), DbBackend::Postgres) if is_beyond_i64(number) => {
                "PostgreSQL's integers end at 9223372036854775807"
            }
            (Value::BigUnsigned(Some(number)), DbBackend::Sqlite) if is_beyond_i64(number) => {
                "SQLite's integers end at 9223372036854775807"
            }
            (Value::Float(Some(number)), _) if !number.is_finite() => {
                "expected a number in the range of `f32`"
            }
            (Value::Double(Some(number)), _) if !number.is_finite() => {
                "expected a number in the range of `f64`"
            }
            (value, _) if !is_encodable(value) => {
                "expected a time of the years 0 to 9999, with an offset of whole minutes"
            }
            _ => return Ok(()),
        };
        Err(Columns::encode_error(column, problem.into()))
    }
}

impl<M: SessionModel> Row<M> {
    pub(super) fn set(&mut self, column: Column<M>, value: Value) -> Result<()> {
        try_set::<M>(&mut self.columns, column, value)
    }

    /// Binds the columns that are set.
    pub(super) fn bind(self, parameters: &mut Parameters) -> BoundRow<M> {
        let columns = Column::<M>::iter().filter_map(|column| match self.columns.get(column) {
            ActiveValue::Set(value) => Some((column, bind_column(column, value, parameters))),
            _ => None,
        });
        BoundRow {
            columns: columns.collect(),
            sess: parameters.bind(self.sess),
        }
    }
}

impl<M: SessionModel> BoundRow<M> {
    /// Returns the columns with the expressions that write them.
    pub(super) fn assignments(self, backend: DbBackend) -> impl Iterator<Item = (Column<M>, Expr)> {
        let sess = M::columns().sess;
        let written = write(sess, self.sess);
        let written = match json_type(sess, backend) {
            Some(json) => written.cast_as(json),
            None => written,
        };
        let columns = self.columns.into_iter();
        columns
            .map(move |(column, value)| (column, write(column, value)))
            .chain([(sess, written)])
    }
}

/// Returns whether a text is short enough for its column. SQLite would take it all the same.
fn is_short_enough(column: impl ColumnTrait, value: &Value) -> bool {
    match (value, max_chars(column)) {
        (Value::String(Some(text)), Some(max)) => text.chars().count() <= max,
        _ => true,
    }
}

fn try_set<M: SessionModel>(
    row: &mut ActiveModel<M>,
    column: Column<M>,
    value: Value,
) -> Result<()> {
    row.try_set(column, value)
        .map_err(|source| Error::Database {
            operation: "fill a session's row",
            source,
        })
}

fn bind_column(column: impl ColumnTrait, value: Value, parameters: &mut Parameters) -> Parameter {
    let value = saved_value(column, value);
    parameters.bind_column(column.as_str(), value)
}

/// The expression that writes a value to a column.
pub(super) fn write(column: impl ColumnTrait, value: Parameter) -> Expr {
    column.save_as(Expr::val(value))
}

/// The type that PostgreSQL has to cast text to for a JSON column.
fn json_type(column: impl ColumnTrait, backend: DbBackend) -> Option<&'static str> {
    match (backend, column.def().get_column_type()) {
        (DbBackend::Postgres, ColumnType::Json) => Some("json"),
        (DbBackend::Postgres, ColumnType::JsonBinary) => Some("jsonb"),
        _ => None,
    }
}

/// Returns the value that SeaORM writes to the column. For example, an array of JSON becomes one JSON
/// value.
fn saved_value(column: impl ColumnTrait, value: Value) -> Value {
    match column.save_as(Expr::val(value.clone())) {
        Expr::Value(value) => value,
        _ => value,
    }
}

/// The size of encoded data in bytes.
fn encoded_size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.as_ref().map_or(0, String::len),
        Value::Bytes(bytes) => bytes.as_ref().map_or(0, Vec::len),
        Value::Json(json) => json.as_ref().map_or(0, |json| json.to_string().len()),
        _ => 0,
    }
}
