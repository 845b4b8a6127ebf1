//! The values of the extra columns, from the session's data.

use std::fmt;

use sea_orm::{ActiveValue, ColumnTrait, Value as SqlValue};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower_sessions::Expiry;

use super::session_ref::SessionRef;
use super::types::{SecondsColumn, TimestampColumn};
use crate::error::{Error, Result};

/// The type of an extra column that is filled from a session key or a JSON pointer: serde reads it from
/// JSON, and SeaORM writes it to the database.
#[diagnostic::on_unimplemented(
    message = "cannot fill a column of type `{Self}` from the session",
    label = "does not implement `serde::Deserialize`",
    note = "derive `serde::Deserialize` for the type, compute the value with \
            `#[session(with = path)]`, or add `#[session(skip)]`"
)]
pub trait ExtraColumn: DeserializeOwned + Into<SqlValue> {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + Into<SqlValue>> ExtraColumn for T {}

/// An extra column of a derived model.
#[derive(Clone, Copy, Debug)]
pub struct Extra<'a, C> {
    /// The column.
    pub column: C,
    /// The type of the field, as the user wrote it.
    pub ty: &'a str,
    /// Where its value comes from.
    pub source: Source<'a>,
}

/// Where in the session's data the value of an extra column comes from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A session key.
    Key(&'a str),
    /// A JSON pointer (RFC 6901). Its first token is a session key.
    Pointer(&'a str),
}

impl<C: ColumnTrait> Extra<'_, C> {
    /// Reads the column's value from the session. A missing one becomes the default or, without a
    /// default, NULL.
    ///
    /// # Errors
    ///
    /// Returns an error if the value is missing and the column has neither a default nor NULL, or if
    /// the value is not a `T`.
    pub fn read<T: ExtraColumn>(
        self,
        session: &SessionRef<'_>,
        default: Option<fn() -> T>,
    ) -> Result<ActiveValue<T>> {
        let value = match (self.source.find(session), default) {
            (Some(value), _) => self.deserialize(value)?,
            (None, Some(default)) => default(),
            (None, None) => self.null()?,
        };
        Ok(ActiveValue::Set(value))
    }

    fn deserialize<T: ExtraColumn>(self, value: &Value) -> Result<T> {
        // serde's own message is dropped: it quotes the value.
        T::deserialize(value).map_err(|_| self.error(kind::<T>(value), ""))
    }

    fn null<T: ExtraColumn>(self) -> Result<T> {
        // A `Json` field would take a JSON null, which is not NULL: the column itself has to allow it.
        let null = self.column.def().is_null();
        let null = null.then(|| T::deserialize(&Value::Null).ok()).flatten();
        null.ok_or_else(|| {
            let help = "; write `Option` or `#[session(default)]` if the session can lack it";
            self.error("nothing", help)
        })
    }

    fn error(self, found: &str, help: &str) -> Error {
        Error::InvalidColumnValue {
            column: self.column.as_str().to_owned(),
            origin: self.source.to_string(),
            problem: format!("expected `{}`, found {found}{help}", self.ty),
        }
    }
}

impl Source<'_> {
    fn find<'a>(self, session: &SessionRef<'a>) -> Option<&'a Value> {
        match self {
            Self::Key(key) => session.data.get(key),
            Self::Pointer(pointer) => {
                let path = pointer.strip_prefix('/')?;
                let (first, rest) = path.find('/').map_or((path, ""), |end| path.split_at(end));
                // In this order: `~01` stands for `~1`.
                let key = first.replace("~1", "/").replace("~0", "~");
                session.data.get(&key)?.pointer(rest)
            }
        }
    }
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "session key `{key}`"),
            Self::Pointer(pointer) => write!(f, "JSON pointer `{pointer}`"),
        }
    }
}

/// Describes a value that is not a `T`.
fn kind<T: DeserializeOwned>(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) if T::deserialize(&Value::from(0)).is_ok() => "a number out of range",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Returns the value of a column that holds when the visitor was last authenticated.
#[must_use]
pub fn authenticated_at<T: TimestampColumn>(session: &SessionRef<'_>) -> Option<T> {
    session.authenticated_at().map(T::from_utc)
}

/// Returns the value of a column that holds the session's own idle timeout, in seconds. One that is too
/// long for the column becomes its longest.
#[must_use]
pub fn idle_timeout<T: SecondsColumn>(session: &SessionRef<'_>) -> Option<T> {
    match session.expiry? {
        Expiry::OnInactivity(timeout) => Some(T::from_seconds(timeout.whole_seconds())),
        Expiry::AtDateTime(_) | Expiry::OnSessionEnd => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use time::OffsetDateTime;
    use tower_sessions::session::Id;

    use super::{SessionRef, Source};
    use crate::model::data::Data;

    #[test]
    fn a_pointer_is_read_as_rfc_6901_says() {
        let Value::Object(data) = json!({
            "": {"": 1}, "a": {"b": [10, 20]}, "m/n": 2, "p~q": 3, "~1": 4, "i": {"j/k": 5}
        }) else {
            unreachable!()
        };
        let data: Data = data.into_iter().collect();
        let session = SessionRef::new(&Id(1), &data, OffsetDateTime::UNIX_EPOCH);
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
            let found = Source::Pointer(pointer).find(&session);
            assert_eq!(found, value.as_ref(), "{pointer}");
        }
    }
}
