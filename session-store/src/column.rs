//! Which Rust types a `sid`, `sess` or `expire` column may have, and how each is read and written.

use sea_orm::{TryGetable, Value};
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};

use crate::error::BoxError;
use crate::json;
use crate::record::{Data, Record};

/// The type of a `sid` column: `String`, or a newtype of yours around it.
#[diagnostic::on_unimplemented(
    message = "a session's `sid` column cannot be of type `{Self}`",
    label = "write `String` here",
    note = "the sid is 64 characters of text; for a type of your own implement `session_store::SidColumn`"
)]
pub trait SidColumn: TryGetable + Into<Value> + Send {
    /// The column's value for a sid.
    fn from_sid(sid: String) -> Self;
}

impl SidColumn for String {
    fn from_sid(sid: String) -> Self {
        sid
    }
}

/// The type of a `sess` column: `Json`, `String` (JSON text) or `Vec<u8>` (MessagePack), or a
/// type of yours.
///
/// # Examples
///
/// A newtype that keeps the data as hexadecimal JSON:
///
/// ```
/// use sea_orm::{DeriveValueType, Value};
/// use session_store::{Data, Record, SessColumn};
///
/// type BoxError = Box<dyn std::error::Error + Send + Sync>;
///
/// #[derive(Clone, Debug, PartialEq, DeriveValueType)]
/// pub struct Hex(String);
///
/// impl SessColumn for Hex {
///     fn encode(record: &Record<'_>) -> Result<Value, BoxError> {
///         let json = serde_json::to_string(record.data)?;
///         let hex: String = json.bytes().map(|byte| format!("{byte:02x}")).collect();
///         Ok(hex.into())
///     }
///
///     fn decode(self) -> Result<Data, BoxError> {
///         let bytes = (0..self.0.len() / 2)
///             .map(|i| self.0.get(2 * i..2 * i + 2).ok_or("no hexadecimal text"))
///             .map(|digits| Ok(u8::from_str_radix(digits?, 16)?))
///             .collect::<Result<Vec<u8>, BoxError>>()?;
///         Ok(serde_json::from_slice(&bytes)?)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a session's `sess` column cannot be of type `{Self}`",
    label = "write `Json`, `String` or `Vec<u8>` here",
    note = "for a type of your own implement `session_store::SessColumn`"
)]
pub trait SessColumn: TryGetable + Send {
    /// The column's value for a session.
    ///
    /// # Errors
    ///
    /// Whatever makes the data impossible to keep; nothing is written then.
    fn encode(record: &Record<'_>) -> Result<Value, BoxError>;

    /// The session data in a value of the column.
    ///
    /// # Errors
    ///
    /// The value is no session. The error ends up in logs, so it should not quote the value.
    fn decode(self) -> Result<Data, BoxError>;
}

impl SessColumn for serde_json::Value {
    // Written as text, which every database takes for its JSON type: encoded once instead of
    // built as a tree and encoded by the driver, and with numbers as `json::encode` writes them.
    fn encode(record: &Record<'_>) -> Result<Value, BoxError> {
        Ok(json::encode(record.data)?.into())
    }

    fn decode(self) -> Result<Data, BoxError> {
        match self {
            Self::Object(map) => Ok(map.into_iter().collect()),
            _ => Err("it is not a JSON object".into()),
        }
    }
}

impl SessColumn for String {
    fn encode(record: &Record<'_>) -> Result<Value, BoxError> {
        Ok(json::encode(record.data)?.into())
    }

    fn decode(self) -> Result<Data, BoxError> {
        json::decode(&self)
    }
}

impl SessColumn for Vec<u8> {
    fn encode(record: &Record<'_>) -> Result<Value, BoxError> {
        json::check_depth(record.data, json::MAX_DEPTH)?;
        Ok(rmp_serde::to_vec(record.data)?.into())
    }

    fn decode(self) -> Result<Data, BoxError> {
        // The source is dropped: it can quote the data.
        rmp_serde::from_slice(&self).map_err(|_| "it is not a MessagePack map".into())
    }
}

/// The type of an `expire`, `created_at` or `last_seen` column: a timestamp of `time`
/// (`OffsetDateTime`, `PrimitiveDateTime`) or, with feature `chrono`, of chrono (`DateTime<Utc>`,
/// `DateTime<FixedOffset>`, `NaiveDateTime`), or a newtype of yours.
///
/// A type without a zone holds UTC.
#[diagnostic::on_unimplemented(
    message = "a session's timestamp column cannot be of type `{Self}`",
    label = "write `TimeDateTimeWithTimeZone` here",
    note = "chrono's types need the feature `chrono` of `session-store`; \
            for a type of your own implement `session_store::TimestampColumn`"
)]
pub trait TimestampColumn: TryGetable + Into<Value> + Send {
    /// The column's value for a moment, which is given in UTC.
    fn at(moment: OffsetDateTime) -> Self;

    /// The moment a value of the column stands for.
    fn moment(&self) -> OffsetDateTime;
}

impl TimestampColumn for OffsetDateTime {
    fn at(moment: OffsetDateTime) -> Self {
        moment
    }

    fn moment(&self) -> OffsetDateTime {
        utc(*self)
    }
}

impl TimestampColumn for PrimitiveDateTime {
    fn at(moment: OffsetDateTime) -> Self {
        Self::new(moment.date(), moment.time())
    }

    fn moment(&self) -> OffsetDateTime {
        self.assume_utc()
    }
}

/// The moment in UTC. At the very ends of `time`'s range, where UTC would lie outside, the local
/// time is taken for UTC: a day off, seven thousand years from here.
pub(crate) fn utc(moment: OffsetDateTime) -> OffsetDateTime {
    moment
        .checked_to_offset(UtcOffset::UTC)
        .unwrap_or_else(|| moment.replace_offset(UtcOffset::UTC))
}

#[cfg(feature = "chrono")]
mod chrono_types {
    use chrono::{DateTime, FixedOffset, NaiveDateTime, Utc};
    use time::{Duration, OffsetDateTime};

    use super::TimestampColumn;

    impl TimestampColumn for DateTime<Utc> {
        fn at(moment: OffsetDateTime) -> Self {
            // chrono's range is the wider one, so the fallback is never taken.
            DateTime::from_timestamp(moment.unix_timestamp(), moment.nanosecond())
                .unwrap_or(Self::MAX_UTC)
        }

        fn moment(&self) -> OffsetDateTime {
            OffsetDateTime::UNIX_EPOCH
                .saturating_add(Duration::seconds(self.timestamp()))
                .saturating_add(Duration::nanoseconds(i64::from(
                    self.timestamp_subsec_nanos(),
                )))
        }
    }

    impl TimestampColumn for DateTime<FixedOffset> {
        fn at(moment: OffsetDateTime) -> Self {
            DateTime::<Utc>::at(moment).fixed_offset()
        }

        fn moment(&self) -> OffsetDateTime {
            self.to_utc().moment()
        }
    }

    impl TimestampColumn for NaiveDateTime {
        fn at(moment: OffsetDateTime) -> Self {
            DateTime::<Utc>::at(moment).naive_utc()
        }

        fn moment(&self) -> OffsetDateTime {
            self.and_utc().moment()
        }
    }
}

/// The type of a `#[session(version)]` column: an integer.
#[diagnostic::on_unimplemented(
    message = "a session's version column cannot be of type `{Self}`",
    label = "write `i64` here",
    note = "a version counts the saves of a session, so it is an integer"
)]
pub trait VersionColumn: TryGetable + Into<Value> + TryFrom<i64> + TryInto<i64> {}

impl VersionColumn for i32 {}
impl VersionColumn for i64 {}
impl VersionColumn for u32 {}
impl VersionColumn for u64 {}
