//! The Rust types that the store's own columns may have, and how each is converted.

use sea_orm::{TryGetable, Value};
use time::{OffsetDateTime, PrimitiveDateTime};

use super::data::{self, Data};
use super::numbers::Plain;
use super::session_ref::SessionRef;
use crate::error::BoxError;
use crate::sql::utc;

/// The type of a `sid` column: `String`, or a newtype around it.
#[diagnostic::on_unimplemented(
    message = "invalid type for a `sid` column: expected `String`, found `{Self}`",
    label = "expected `String`",
    note = "for a custom type, which must hold 64 characters of text, implement \
            `session_store::SidColumn`"
)]
pub trait SidColumn: TryGetable + Into<Value> + Send {
    /// Converts a sid to the column's value.
    fn from_sid(sid: String) -> Self;
}

impl SidColumn for String {
    fn from_sid(sid: String) -> Self {
        sid
    }
}

/// The type of a `sess` column: `Json`, `String` (JSON text), `Vec<u8>` (MessagePack), or a custom
/// type.
///
/// # Examples
///
/// A newtype that stores the data as hexadecimal JSON:
///
/// ```
/// use sea_orm::{DeriveValueType, Value};
/// use session_store::{Data, SessColumn, SessionRef};
///
/// type BoxError = Box<dyn std::error::Error + Send + Sync>;
///
/// #[derive(Clone, Debug, PartialEq, DeriveValueType)]
/// pub struct Hex(String);
///
/// impl SessColumn for Hex {
///     fn encode(session: &SessionRef<'_>) -> Result<Value, BoxError> {
///         let json = serde_json::to_string(session.data)?;
///         let hex: String = json.bytes().map(|byte| format!("{byte:02x}")).collect();
///         Ok(hex.into())
///     }
///
///     fn decode(self) -> Result<Data, BoxError> {
///         let bytes = (0..self.0.len() / 2)
///             .map(|i| self.0.get(2 * i..2 * i + 2).ok_or("expected hexadecimal text"))
///             .map(|digits| Ok(u8::from_str_radix(digits?, 16)?))
///             .collect::<Result<Vec<u8>, BoxError>>()?;
///         Ok(serde_json::from_slice(&bytes)?)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "invalid type for a `sess` column: expected `Json`, `String` or `Vec<u8>`, found `{Self}`",
    label = "expected `Json`, `String` or `Vec<u8>`",
    note = "for a custom type, implement `session_store::SessColumn`"
)]
pub trait SessColumn: TryGetable + Send {
    /// Encodes a session's data as the column's value.
    ///
    /// # Errors
    ///
    /// Return an error if the column cannot hold the data. Nothing is written then.
    fn encode(session: &SessionRef<'_>) -> Result<Value, BoxError>;

    /// Decodes the session's data from a value of the column.
    ///
    /// # Errors
    ///
    /// Return an error if the value is not a session's data. The error may be logged, so it must not
    /// quote the value.
    fn decode(self) -> Result<Data, BoxError>;
}

impl SessColumn for serde_json::Value {
    // As text, which every database accepts for its JSON type. It is encoded once, not built as a tree
    // and then encoded by the driver, and its numbers are written by `data::encode`.
    fn encode(session: &SessionRef<'_>) -> Result<Value, BoxError> {
        Ok(data::encode(session.data)?.into())
    }

    fn decode(self) -> Result<Data, BoxError> {
        match self {
            Self::Object(map) => data::with_plain_numbers(map.into_iter().collect()),
            _ => Err("expected a JSON object".into()),
        }
    }
}

impl SessColumn for String {
    fn encode(session: &SessionRef<'_>) -> Result<Value, BoxError> {
        Ok(data::encode(session.data)?.into())
    }

    fn decode(self) -> Result<Data, BoxError> {
        data::decode(&self)
    }
}

impl SessColumn for Vec<u8> {
    fn encode(session: &SessionRef<'_>) -> Result<Value, BoxError> {
        data::check_depth(session.data, data::MAX_DEPTH)?;
        Ok(rmp_serde::to_vec(&Plain(session.data))?.into())
    }

    fn decode(self) -> Result<Data, BoxError> {
        // The source is dropped: it can quote the data.
        rmp_serde::from_slice(&self).map_err(|_| "expected a MessagePack map".into())
    }
}

/// The type of an `expire`, `created_at` or `last_seen` column: a timestamp of `time`
/// (`OffsetDateTime`, `PrimitiveDateTime`) or, with feature `chrono`, of chrono (`DateTime<Utc>`,
/// `DateTime<FixedOffset>`, `NaiveDateTime`), or a custom type.
///
/// A type without a zone holds UTC. A custom type must hold a timestamp to the second or better, and convert it
/// without loss: `from_utc(value.to_utc())` must be equal to `value`.
#[diagnostic::on_unimplemented(
    message = "invalid type for a timestamp column: expected a timestamp, found `{Self}`",
    label = "expected a timestamp, such as `TimeDateTimeWithTimeZone`",
    note = "for chrono's types, enable the feature `chrono` of `session-store`",
    note = "for a custom type, implement `session_store::TimestampColumn`"
)]
pub trait TimestampColumn: TryGetable + Into<Value> + Send {
    /// Converts a timestamp in UTC to the column's value.
    fn from_utc(timestamp: OffsetDateTime) -> Self;

    /// Converts the column's value to a timestamp in UTC.
    fn to_utc(&self) -> OffsetDateTime;
}

impl TimestampColumn for OffsetDateTime {
    fn from_utc(timestamp: OffsetDateTime) -> Self {
        timestamp
    }

    fn to_utc(&self) -> OffsetDateTime {
        utc(*self)
    }
}

impl TimestampColumn for PrimitiveDateTime {
    fn from_utc(timestamp: OffsetDateTime) -> Self {
        Self::new(timestamp.date(), timestamp.time())
    }

    fn to_utc(&self) -> OffsetDateTime {
        self.assume_utc()
    }
}

#[cfg(feature = "chrono")]
mod chrono_types {
    use chrono::{DateTime, FixedOffset, NaiveDateTime, Utc};
    use time::{Duration, OffsetDateTime};

    use super::TimestampColumn;

    fn utc_date_time(timestamp: OffsetDateTime) -> DateTime<Utc> {
        // chrono's range is the wider one, so the fallback is never used.
        DateTime::from_timestamp(timestamp.unix_timestamp(), timestamp.nanosecond())
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    fn offset_date_time(timestamp: DateTime<Utc>) -> OffsetDateTime {
        let nanos = i64::from(timestamp.timestamp_subsec_nanos());
        OffsetDateTime::UNIX_EPOCH
            .saturating_add(Duration::seconds(timestamp.timestamp()))
            .saturating_add(Duration::nanoseconds(nanos))
    }

    impl TimestampColumn for DateTime<Utc> {
        fn from_utc(timestamp: OffsetDateTime) -> Self {
            utc_date_time(timestamp)
        }

        fn to_utc(&self) -> OffsetDateTime {
            offset_date_time(*self)
        }
    }

    impl TimestampColumn for DateTime<FixedOffset> {
        fn from_utc(timestamp: OffsetDateTime) -> Self {
            utc_date_time(timestamp).fixed_offset()
        }

        fn to_utc(&self) -> OffsetDateTime {
            offset_date_time(DateTime::to_utc(self))
        }
    }

    impl TimestampColumn for NaiveDateTime {
        fn from_utc(timestamp: OffsetDateTime) -> Self {
            utc_date_time(timestamp).naive_utc()
        }

        fn to_utc(&self) -> OffsetDateTime {
            offset_date_time(self.and_utc())
        }
    }
}

/// The type of a `#[session(version)]` column: `i32` or `i64`. Not every database has unsigned integers.
#[diagnostic::on_unimplemented(
    message = "invalid type for a `#[session(version)]` column: expected `i64` or `i32`, found `{Self}`",
    label = "expected `i64` or `i32`",
    note = "the column counts the saves of a session"
)]
pub trait VersionColumn: TryGetable + Into<Value> + TryFrom<i64> + TryInto<i64> {}

impl VersionColumn for i32 {}
impl VersionColumn for i64 {}

/// The type of an `#[session(idle_timeout)]` column: an `Option` of `i32` or `i64`.
#[diagnostic::on_unimplemented(
    message = "invalid type for a `#[session(idle_timeout)]` column: expected `i64` or `i32` in the \
               `Option`, found `{Self}`",
    label = "expected `i64` or `i32`",
    note = "the column holds a number of seconds"
)]
pub trait SecondsColumn: Sized {
    /// Converts a number of seconds. One that is out of range becomes the largest.
    fn from_seconds(seconds: i64) -> Self;
}

impl SecondsColumn for i32 {
    fn from_seconds(seconds: i64) -> Self {
        Self::try_from(seconds).unwrap_or(Self::MAX)
    }
}

impl SecondsColumn for i64 {
    fn from_seconds(seconds: i64) -> Self {
        seconds
    }
}
