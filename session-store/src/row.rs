//! From a session to the values of its row's columns.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, ColumnType, DbBackend, IdenStatic, Iterable, Value,
};
use time::OffsetDateTime;

use crate::column::SessColumn;
use crate::error::{BoxError, Error, Result};
use crate::extras;
use crate::json;
use crate::model::{ActiveModel, Column, SessionModel};
use crate::moments::bound;
use crate::prepared::{Parameter, Values};
use crate::record::Record;
use crate::store::SeaOrmStore;

/// The values that a statement writes to a row.
pub(crate) struct Row<M: SessionModel> {
    columns: ActiveModel<M>,
    backend: DbBackend,
    // Beside the others because it may be cast.
    sess: Value,
}

/// The columns that a statement writes, with the parameters for their values.
pub(crate) struct BoundRow<M: SessionModel> {
    columns: Vec<(Column<M>, Parameter)>,
    sess: Parameter,
    cast: Option<&'static str>,
}

impl<M: SessionModel> SeaOrmStore<M> {
    /// What a new session and a saved one both write: the data, its end, and the extra columns.
    pub(crate) fn row(&self, record: &Record<'_>, now: OffsetDateTime) -> Result<Row<M>> {
        let own = M::columns();
        let mut columns = extras::columns::<M>(record, self.extras())?;
        for column in Column::<M>::iter() {
            self.check_holds(column, columns.get(column))?;
        }
        // These are the store's own, whatever an extras closure has set.
        let created_at = own.created_at.map(|created_at| created_at.column);
        let version = own.version.map(|version| version.column);
        let always = [own.sid, own.sess, own.expire].into_iter();
        for column in always.chain(created_at).chain(version) {
            columns.not_set(column);
        }
        let mut row = Row {
            columns,
            backend: self.backend(),
            sess: self.encoded(record)?,
        };
        if let Some(last_seen) = own.last_seen {
            row.set(last_seen.column, last_seen.at(now))?;
        }
        Ok(row)
    }

    /// The session data as the `sess` column takes it, if it does.
    fn encoded(&self, record: &Record<'_>) -> Result<Value> {
        let column = M::columns().sess;
        let refuse = |source| refuse::<M>(column, source);
        let value = M::Sess::encode(record).map_err(refuse)?;
        let size = encoded_size(&value);
        let max = self.max_bytes();
        if size > max {
            return Err(Error::TooLarge { size, max });
        }
        match (self.backend(), column.def().get_column_type()) {
            (DbBackend::Postgres, ColumnType::JsonBinary) if json::has_nul(record.data) => Err(
                refuse("a jsonb column holds no NUL character (a json column does)".into()),
            ),
            // MySQL itself would hold 100 levels; which of the two it is costs a query to know.
            (DbBackend::MySql, ColumnType::Json | ColumnType::JsonBinary) => {
                json::check_depth(record.data, MARIADB_JSON_DEPTH).map_err(|error| {
                    refuse(format!("{error} in a JSON column of MariaDB").into())
                })?;
                Ok(value)
            }
            _ => Ok(value),
        }
    }

    /// Refuses a value of an extra column that the database would refuse in words of its own.
    fn check_holds(&self, column: Column<M>, value: ActiveValue<Value>) -> Result<()> {
        match value {
            ActiveValue::Set(Value::String(Some(text)))
                if self.backend() == DbBackend::Postgres && text.contains('\0') =>
            {
                Err(refuse::<M>(
                    column,
                    "PostgreSQL's text holds no NUL character".into(),
                ))
            }
            _ => Ok(()),
        }
    }
}

impl<M: SessionModel> Row<M> {
    pub(crate) fn set(&mut self, column: Column<M>, value: Value) -> Result<()> {
        self.columns
            .try_set(column, value)
            .map_err(Error::database("fill a session's row"))
    }

    /// Binds the columns that are set.
    pub(crate) fn bind(self, values: &mut Values) -> BoundRow<M> {
        let Self {
            columns,
            backend,
            sess,
        } = self;
        let cast = cast(&sess, M::columns().sess, backend);
        let columns = Column::<M>::iter().filter_map(|column| match columns.get(column) {
            ActiveValue::Set(value) => {
                let value = saved(column, bound(value, backend));
                Some((column, values.bind_column(column.as_str(), value)))
            }
            _ => None,
        });
        BoundRow {
            columns: columns.collect(),
            sess: values.bind(cast.unwrap_or("sess"), sess),
            cast,
        }
    }
}

impl<M: SessionModel> BoundRow<M> {
    /// The columns, with the expressions that write them.
    pub(crate) fn assignments(self) -> impl Iterator<Item = (Column<M>, Expr)> {
        let written = |column: Column<M>, value| column.save_as(Expr::val(value));
        let column = M::columns().sess;
        let sess = written(column, self.sess);
        let sess = match self.cast {
            Some(json) => sess.cast_as(json),
            None => sess,
        };
        let columns = self.columns.into_iter();
        columns
            .map(move |(column, value)| (column, written(column, value)))
            .chain([(column, sess)])
    }
}

/// What PostgreSQL is to make of text for a JSON column.
fn cast(sess: &Value, column: impl ColumnTrait, backend: DbBackend) -> Option<&'static str> {
    match (sess, backend, column.def().get_column_type()) {
        (Value::String(_), DbBackend::Postgres, ColumnType::Json) => Some("json"),
        (Value::String(_), DbBackend::Postgres, ColumnType::JsonBinary) => Some("jsonb"),
        _ => None,
    }
}

/// The value as the column is written with it: SeaORM makes one JSON of an array of JSON. (A cast it
/// makes of the parameter as well.)
fn saved(column: impl ColumnTrait, value: Value) -> Value {
    match column.save_as(Expr::val(value.clone())) {
        Expr::Value(value) => value,
        _ => value,
    }
}

/// The levels of nesting that MariaDB takes for JSON.
const MARIADB_JSON_DEPTH: usize = 31;

fn refuse<M: SessionModel>(column: Column<M>, source: BoxError) -> Error {
    Error::Encode {
        column: column.as_str().to_owned(),
        source,
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
