//! From session data to the extra columns.

use std::fmt;
use std::sync::Arc;

use sea_orm::{ActiveModelTrait, ActiveValue, ColumnTrait, Value as SqlValue};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{BoxError, Error, Result};
use crate::model::{ActiveModel, SessionModel};
use crate::record::Record;

/// The type of an extra column that is filled from a session key or a JSON pointer: what serde reads
/// from JSON and SeaORM writes to the database.
#[diagnostic::on_unimplemented(
    message = "a column cannot be filled with a `{Self}` from the session",
    label = "not read from a session key",
    note = "derive `serde::Deserialize` for it, or make the value with `#[session(with = path)]`, \
            or leave the column alone with `#[session(skip)]`"
)]
pub trait ExtraColumn: DeserializeOwned + Into<SqlValue> {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + Into<SqlValue>> ExtraColumn for T {}

/// An extra column as the derive sees it: which one, and the type of its field in the user's words.
#[derive(Clone, Copy, Debug)]
pub struct Extra<C> {
    /// The column.
    pub column: C,
    /// The type of the field.
    pub ty: &'static str,
}

impl<C: ColumnTrait> Extra<C> {
    /// The column's value, from the session key `key`.
    ///
    /// # Errors
    ///
    /// The column is required and the session has no such key, or its value is no `T`.
    pub fn from_key<T: ExtraColumn>(
        self,
        record: &Record<'_>,
        key: &str,
    ) -> Result<ActiveValue<T>> {
        match record.data.get(key) {
            Some(value) => self.read(value, &Origin::Key(key)),
            None => self.missing(&Origin::Key(key)),
        }
    }

    /// The column's value, from the place in the session data that a JSON pointer leads to.
    ///
    /// # Errors
    ///
    /// The column is required and there is nothing, or what is there is no `T`.
    pub fn from_pointer<T: ExtraColumn>(
        self,
        record: &Record<'_>,
        pointer: &str,
    ) -> Result<ActiveValue<T>> {
        match point(record, pointer) {
            Some(value) => self.read(value, &Origin::Pointer(pointer)),
            None => self.missing(&Origin::Pointer(pointer)),
        }
    }

    /// As [`from_key`](Self::from_key), with a value for a session without the key.
    ///
    /// # Errors
    ///
    /// The key's value is no `T`.
    pub fn from_key_or<T: ExtraColumn>(
        self,
        record: &Record<'_>,
        key: &str,
        default: impl FnOnce() -> T,
    ) -> Result<ActiveValue<T>> {
        match record.data.get(key) {
            Some(value) => self.read(value, &Origin::Key(key)),
            None => Ok(ActiveValue::Set(default())),
        }
    }

    /// As [`from_pointer`](Self::from_pointer), with a value for when there is nothing.
    ///
    /// # Errors
    ///
    /// What is there is no `T`.
    pub fn from_pointer_or<T: ExtraColumn>(
        self,
        record: &Record<'_>,
        pointer: &str,
        default: impl FnOnce() -> T,
    ) -> Result<ActiveValue<T>> {
        match point(record, pointer) {
            Some(value) => self.read(value, &Origin::Pointer(pointer)),
            None => Ok(ActiveValue::Set(default())),
        }
    }

    fn read<T: ExtraColumn>(self, value: &Value, origin: &Origin<'_>) -> Result<ActiveValue<T>> {
        // serde's own message is dropped: it quotes the value.
        T::deserialize(value)
            .map(ActiveValue::Set)
            .map_err(|_| self.error(origin, &format!("it holds {}, which is no", kind(value))))
    }

    fn missing<T: ExtraColumn>(self, origin: &Origin<'_>) -> Result<ActiveValue<T>> {
        // A column that may be NULL is emptied; one that may not is never given a JSON null
        // instead, which a `Json` field would take.
        if self.column.def().is_null()
            && let Ok(empty) = T::deserialize(&Value::Null)
        {
            return Ok(ActiveValue::Set(empty));
        }
        Err(self.error(origin, "the session has none, and the column needs a"))
    }

    fn error(self, origin: &Origin<'_>, problem: &str) -> Error {
        Error::Extra {
            column: self.column.as_str().to_owned(),
            origin: origin.to_string(),
            problem: format!("{problem} `{}`", self.ty),
        }
    }
}

/// Where in the session an extra column's value comes from.
enum Origin<'a> {
    Key(&'a str),
    Pointer(&'a str),
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "session key `{key}`"),
            Self::Pointer(pointer) => write!(f, "JSON pointer `{pointer}`"),
        }
    }
}

/// RFC 6901 over the session data, whose first token is a key of the session.
fn point<'a>(record: &Record<'a>, pointer: &str) -> Option<&'a Value> {
    let path = pointer.strip_prefix('/')?;
    let (first, rest) = path.find('/').map_or((path, ""), |end| path.split_at(end));
    // In this order: `~01` stands for `~1`.
    let key = first.replace("~1", "/").replace("~0", "~");
    record.data.get(&key)?.pointer(rest)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// What a closure given to [`with_extras`](crate::SeaOrmStore::with_extras) may return: nothing, or
/// a `Result` whose error refuses the save.
pub trait ExtrasOutcome {
    #[doc(hidden)]
    fn into_result(self) -> std::result::Result<(), BoxError>;
}

impl ExtrasOutcome for () {
    fn into_result(self) -> std::result::Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> ExtrasOutcome for std::result::Result<(), E> {
    fn into_result(self) -> std::result::Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// A closure that fills columns at run time, after the derived sources have.
pub(crate) type ExtrasFn<M> = Arc<
    dyn Fn(&Record<'_>, &mut ActiveModel<M>) -> std::result::Result<(), BoxError> + Send + Sync,
>;

/// The extra columns of a session's row: by the derived sources, then by the closure.
pub(crate) fn columns<M: SessionModel>(
    record: &Record<'_>,
    closure: Option<&ExtrasFn<M>>,
) -> Result<ActiveModel<M>> {
    let mut row = <ActiveModel<M> as ActiveModelTrait>::default();
    M::fill(record, &mut row)?;
    if let Some(fill) = closure {
        fill(record, &mut row).map_err(Error::Extras)?;
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use time::OffsetDateTime;
    use tower_sessions::session::Id;

    use super::point;
    use crate::record::{Data, Record};

    #[test]
    fn a_pointer_is_read_as_rfc_6901_says() {
        let Value::Object(data) = json!({
            "": {"": 1}, "a": {"b": [10, 20]}, "m/n": 2, "p~q": 3, "~1": 4, "i": {"j/k": 5}
        }) else {
            unreachable!()
        };
        let data: Data = data.into_iter().collect();
        let record = Record::new(&Id(1), &data, OffsetDateTime::UNIX_EPOCH);
        for (pointer, value) in [
            ("/a/b/1", Some(json!(20))),
            ("/a/b/2", None),
            ("/m~1n", Some(json!(2))),
            ("/p~0q", Some(json!(3))),
            ("/~01", Some(json!(4))),
            ("/i/j~1k", Some(json!(5))),
            ("//", Some(json!(1))),
            ("/", Some(json!({"": 1}))),
            ("/none", None),
        ] {
            assert_eq!(point(&record, pointer), value.as_ref(), "{pointer}");
        }
    }
}
