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
use crate::record::Record;
use crate::store::SeaOrmStore;

/// The values that a statement writes to a row.
pub(crate) struct Row<M: SessionModel> {
    columns: ActiveModel<M>,
    backend: DbBackend,
    // Beside the others because they are written as expressions.
    sess: Expr,
    expire: Expr,
}

impl<M: SessionModel> SeaOrmStore<M> {
    /// What a new session and a saved one both write: the data, its end, and the extra columns.
    pub(crate) fn row(
        &self,
        record: &Record<'_>,
        expire: Expr,
        now: OffsetDateTime,
    ) -> Result<Row<M>> {
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
            expire,
        };
        if let Some(last_seen) = own.last_seen {
            row.set(last_seen.column, last_seen.at(now))?;
        }
        Ok(row)
    }

    /// The session data as the `sess` column takes it, if it does.
    fn encoded(&self, record: &Record<'_>) -> Result<Expr> {
        let column = M::columns().sess;
        let refuse = |source| refuse::<M>(column, source);
        let value = M::Sess::encode(record).map_err(refuse)?;
        let size = encoded_size(&value);
        let max = self.max_bytes();
        if size > max {
            return Err(Error::TooLarge { size, max });
        }
        let is_text = matches!(value, Value::String(_));
        let expr = column.save_as(Expr::val(value));
        let column_type = column.def().get_column_type().clone();
        match (self.backend(), column_type) {
            (DbBackend::Postgres, ColumnType::JsonBinary) if json::has_nul(record.data) => Err(
                refuse("a jsonb column holds no NUL character (a json column does)".into()),
            ),
            (DbBackend::Postgres, ColumnType::Json) if is_text => Ok(expr.cast_as("json")),
            (DbBackend::Postgres, ColumnType::JsonBinary) if is_text => Ok(expr.cast_as("jsonb")),
            // MySQL itself would hold 100 levels; which of the two it is costs a query to know.
            (DbBackend::MySql, ColumnType::Json | ColumnType::JsonBinary) => {
                json::check_depth(record.data, MARIADB_JSON_DEPTH).map_err(|error| {
                    refuse(format!("{error} in a JSON column of MariaDB").into())
                })?;
                Ok(expr)
            }
            _ => Ok(expr),
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

    /// The columns that are set, with their values.
    pub(crate) fn assignments(self) -> impl Iterator<Item = (Column<M>, Expr)> {
        let Self {
            columns,
            backend,
            sess,
            expire,
        } = self;
        let own = M::columns();
        Column::<M>::iter()
            .filter_map(move |column| match columns.get(column) {
                ActiveValue::Set(value) => {
                    let value = Expr::val(bound(value, backend));
                    Some((column, column.save_as(value)))
                }
                _ => None,
            })
            .chain([(own.sess, sess), (own.expire, expire)])
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
