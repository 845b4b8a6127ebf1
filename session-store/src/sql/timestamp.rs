//! A timestamp column in SQL: how it is written, and how it is compared as time on every database.

use sea_orm::sea_query::{BinOper, Expr, ExprTrait, Func};
use sea_orm::{ColumnTrait, Condition, DbBackend, Value};
use time::{Duration, OffsetDateTime, PrimitiveDateTime, UtcOffset};

/// Expressions over a timestamp column.
///
/// A comparison takes a [`key`](Self::key) and a write takes a [`value`](Self::value): on SQLite, where
/// timestamps are text, they differ.
#[derive(Clone, Copy)]
pub(crate) struct TimestampExpr<C> {
    column: C,
    backend: DbBackend,
    to_value: fn(OffsetDateTime) -> Value,
}

impl<C: ColumnTrait> TimestampExpr<C> {
    pub(crate) fn new(
        column: C,
        to_value: fn(OffsetDateTime) -> Value,
        backend: DbBackend,
    ) -> Self {
        Self {
            column,
            backend,
            to_value,
        }
    }

    /// The timestamp as the column holds it.
    pub(crate) fn value(&self, timestamp: OffsetDateTime) -> Value {
        without_zone_on_mysql((self.to_value)(timestamp), self.backend)
    }

    /// The key that the column is compared with.
    pub(crate) fn key(&self, timestamp: OffsetDateTime) -> Value {
        if self.is_text() {
            sort_key_of(timestamp).into()
        } else {
            self.value(timestamp)
        }
    }

    /// The column in a SELECT, such that the driver can decode any value of it.
    ///
    /// Decoding a timestamp that Rust cannot hold panics in the driver: in PostgreSQL, the two infinities
    /// and years after 9999, and in SQLite, integers that are too large for a Unix time. So the database
    /// replaces these: `infinity` by the last microsecond of the year 9999, `-infinity` by the year 1, and
    /// the others by a [timestamp that stands for them](is_unreadable).
    pub(crate) fn readable(&self) -> Expr {
        let column = self.column();
        if !self.is_timestamp() {
            return column;
        }
        match self.backend {
            DbBackend::Postgres => Expr::cust_with_exprs(
                "CASE WHEN $1 = 'infinity' THEN '9999-12-31 23:59:59.999999+00' \
                 WHEN $1 = '-infinity' THEN '0001-01-01 00:00:00+00' \
                 WHEN $1 > '9999-12-31 23:59:59.999999+00' THEN '4714-11-24 00:00:00+00 BC' \
                 ELSE $1 END",
                [column],
            ),
            DbBackend::Sqlite => Expr::cust_with_exprs(
                "CASE WHEN typeof(?) = 'integer' AND ? NOT BETWEEN -253402300799 AND 253402300799 \
                 THEN '-4713-11-24 00:00:00' ELSE ? END",
                std::iter::repeat_n(column, 3),
            ),
            _ => column,
        }
    }

    /// An expression that sorts as time does.
    pub(crate) fn sort_key(&self) -> Expr {
        self.sortable(self.column())
    }

    pub(crate) fn write(&self, value: impl Into<Value>) -> Expr {
        self.column.save_as(Expr::val(value))
    }

    /// Writes the value where the condition holds and keeps the column's value elsewhere.
    pub(crate) fn write_if(&self, condition: Expr, value: impl Into<Value>) -> Expr {
        Expr::case(condition, self.write(value))
            .finally(self.column())
            .into()
    }

    pub(crate) fn is_null(&self) -> Expr {
        self.column().is_null()
    }

    pub(crate) fn is_after(&self, key: impl Into<Value>) -> Expr {
        self.compare(self.column(), BinOper::GreaterThan, key)
    }

    pub(crate) fn is_at(&self, key: impl Into<Value>) -> Expr {
        self.compare(self.column(), BinOper::Equal, key)
    }

    pub(crate) fn is_at_or_after(&self, key: impl Into<Value>) -> Expr {
        self.compare(self.column(), BinOper::GreaterThanOrEqual, key)
    }

    pub(crate) fn is_at_or_before(&self, key: impl Into<Value>) -> Expr {
        self.compare(self.column(), BinOper::SmallerThanOrEqual, key)
    }

    /// Like [`is_at_or_before`](Self::is_at_or_before), but not served by an index on the column. For
    /// statements that name their rows by primary key.
    ///
    /// InnoDB would prefer the expire index to the primary key. Then it locks the index before the row,
    /// while a touch locks the row before the index, and one of the two ends in a deadlock.
    pub(crate) fn is_at_or_before_without_index(&self, key: impl Into<Value>) -> Expr {
        let column = Func::coalesce([self.column(), self.column()]).into();
        self.compare(column, BinOper::SmallerThanOrEqual, key)
    }

    /// Like [`is_at_or_before`](Self::is_at_or_before), but served by an index on the column on every
    /// database.
    ///
    /// On SQLite no index serves the exact comparison, so a comparison as plain text narrows the search
    /// first: in UTC, a timestamp sorts before the second after it. A row that another program wrote
    /// with an offset east of UTC is found later, by that offset.
    pub(crate) fn is_at_or_before_by_index(&self, timestamp: OffsetDateTime) -> Condition {
        let exact = Condition::all().add(self.is_at_or_before(self.key(timestamp)));
        if self.is_text() {
            let next_second = timestamp.saturating_add(Duration::SECOND);
            exact.add(self.column.lt(self.value(next_second)))
        } else {
            exact
        }
    }

    fn compare(&self, column: Expr, operator: BinOper, key: impl Into<Value>) -> Expr {
        let key = Expr::val(key);
        let key = if self.is_text() {
            key
        } else {
            self.column.save_as(key)
        };
        self.sortable(column).binary(operator, key)
    }

    fn sortable(&self, column: Expr) -> Expr {
        if self.is_text() {
            sort_key(column)
        } else {
            column
        }
    }

    fn column(&self) -> Expr {
        Expr::col(self.column.as_column_ref())
    }

    /// SQLite has no timestamps and keeps them as text.
    fn is_text(&self) -> bool {
        self.backend == DbBackend::Sqlite && self.is_timestamp()
    }

    /// Returns whether the driver writes the column's values as timestamps. A newtype's could be numbers.
    fn is_timestamp(&self) -> bool {
        is_timestamp(&(self.to_value)(OffsetDateTime::UNIX_EPOCH))
    }
}

/// Returns whether every driver can encode the value, if it is a timestamp or a date. One that a driver
/// cannot encode is left out of the statement without an error, and the MySQL driver loses its connection.
pub(crate) fn is_encodable(value: &Value) -> bool {
    #[cfg(feature = "chrono")]
    use chrono::Datelike;
    let year = match value {
        Value::TimeDateTimeWithTimeZone(Some(timestamp)) => {
            let utc = timestamp.checked_to_offset(UtcOffset::UTC);
            let is_whole_minute = timestamp.offset().seconds_past_minute() == 0;
            utc.filter(|_| is_whole_minute)
                .map_or(i32::MAX, |utc| Ord::min(utc.year(), timestamp.year()))
        }
        Value::TimeDateTime(Some(timestamp)) => timestamp.year(),
        Value::TimeDate(Some(date)) => date.year(),
        #[cfg(feature = "chrono")]
        Value::ChronoDateTimeWithTimeZone(Some(timestamp)) => timestamp.year(),
        #[cfg(feature = "chrono")]
        Value::ChronoDateTimeUtc(Some(timestamp)) => timestamp.year(),
        #[cfg(feature = "chrono")]
        Value::ChronoDateTime(Some(timestamp)) => timestamp.year(),
        #[cfg(feature = "chrono")]
        Value::ChronoDate(Some(date)) => date.year(),
        _ => return true,
    };
    (0..=9999).contains(&year)
}

/// Returns whether a timestamp stands for one that Rust cannot hold. It is PostgreSQL's earliest, the
/// Julian day 0, because no session is of that day.
pub(crate) fn is_unreadable(timestamp: OffsetDateTime) -> bool {
    timestamp.to_julian_day() == 0
}

/// Converts to UTC. At the ends of `time`'s range, where UTC does not fit, the local time is used as UTC.
pub(crate) fn utc(timestamp: OffsetDateTime) -> OffsetDateTime {
    timestamp
        .checked_to_offset(UtcOffset::UTC)
        .unwrap_or_else(|| timestamp.replace_offset(UtcOffset::UTC))
}

/// For MySQL, replaces a timestamp with a zone by one without, in UTC like the connection. A value with
/// a zone is a `TIMESTAMP` there, which MariaDB reads as NULL after 2038.
pub(super) fn without_zone_on_mysql(value: Value, backend: DbBackend) -> Value {
    match value {
        Value::TimeDateTimeWithTimeZone(Some(timestamp)) if backend == DbBackend::MySql => {
            let timestamp = utc(timestamp);
            PrimitiveDateTime::new(timestamp.date(), timestamp.time()).into()
        }
        #[cfg(feature = "chrono")]
        Value::ChronoDateTimeUtc(Some(timestamp)) if backend == DbBackend::MySql => {
            timestamp.naive_utc().into()
        }
        value => value,
    }
}

fn is_timestamp(value: &Value) -> bool {
    #[cfg(feature = "chrono")]
    if matches!(
        value,
        Value::ChronoDateTime(_)
            | Value::ChronoDateTimeUtc(_)
            | Value::ChronoDateTimeLocal(_)
            | Value::ChronoDateTimeWithTimeZone(_)
    ) {
        return true;
    }
    matches!(
        value,
        Value::TimeDateTime(_) | Value::TimeDateTimeWithTimeZone(_)
    )
}

/// Converts the text of a timestamp to a form that sorts as time does.
///
/// The drivers write `2026-11-23 14:00:00.5`, `…T14:00:00Z`, `…T14:00:00.5Z`, `…T14:00:00.500+02:00`:
/// fractions of any length, with a zone or without. SQLite's date functions read all of these, but round
/// to milliseconds. So they convert only the whole seconds, and only where there is an offset. The digits
/// of the fraction, which no offset changes, are appended without their trailing zeros. SQLite's date
/// functions also read a text without seconds, and an integer as a Unix time.
fn sort_key(text: Expr) -> Expr {
    Expr::cust_with_exprs(
        "CASE WHEN typeof(?) = 'integer' THEN strftime('%Y-%m-%dT%H:%M:%S', ?, 'unixepoch') \
         WHEN substr(?, 17, 1) <> ':' THEN strftime('%Y-%m-%dT%H:%M:%S', ?) \
         WHEN substr(?, -6, 1) IN ('+', '-') \
         THEN strftime('%Y-%m-%dT%H:%M:%S', substr(?, 1, 19) || substr(?, -6)) \
         || rtrim(substr(?, 20, length(?) - 25), '0.') \
         ELSE substr(?, 1, 10) || 'T' || substr(?, 12, 8) || rtrim(substr(?, 20), 'Zz0.') END",
        std::iter::repeat_n(text, 12),
    )
}

fn sort_key_of(timestamp: OffsetDateTime) -> String {
    let seconds = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        timestamp.year(),
        u8::from(timestamp.month()),
        timestamp.day(),
        timestamp.hour(),
        timestamp.minute(),
        timestamp.second()
    );
    match timestamp.nanosecond() {
        0 => seconds,
        nanos => format!("{seconds}.{}", format!("{nanos:09}").trim_end_matches('0')),
    }
}
