//! A timestamp column in SQL: how a moment is written to it, and compared with it as time does, on
//! every database.

use sea_orm::sea_query::{BinOper, Expr, ExprTrait, Func};
use sea_orm::{ColumnTrait, Condition, DbBackend, Value};
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

use crate::column::{TimestampColumn, utc};
use crate::prepared::Parameter;

/// A moment in a statement: itself, or a parameter that takes its place.
pub(crate) trait Moment {
    fn value(self, of: impl FnOnce(OffsetDateTime) -> Value) -> Value;
}

impl Moment for OffsetDateTime {
    fn value(self, of: impl FnOnce(OffsetDateTime) -> Value) -> Value {
        of(self)
    }
}

impl Moment for Parameter {
    fn value(self, _: impl FnOnce(OffsetDateTime) -> Value) -> Value {
        self.into()
    }
}

/// The moments in a timestamp column on a database.
#[derive(Clone, Copy)]
pub(crate) struct Moments<C> {
    column: C,
    backend: DbBackend,
    value: fn(OffsetDateTime) -> Value,
}

impl<C: ColumnTrait> Moments<C> {
    pub(crate) fn new(column: C, value: fn(OffsetDateTime) -> Value, backend: DbBackend) -> Self {
        Self {
            column,
            backend,
            value,
        }
    }

    /// The moment as a statement writes it.
    pub(crate) fn at(&self, moment: impl Moment) -> Expr {
        let value = moment.value(|moment| self.value(moment));
        self.column.save_as(Expr::val(value))
    }

    /// What [`at`](Self::at) binds.
    pub(crate) fn value(&self, moment: OffsetDateTime) -> Value {
        bound((self.value)(moment), self.backend)
    }

    /// What a comparison binds.
    pub(crate) fn key(&self, moment: OffsetDateTime) -> Value {
        if self.is_text() {
            sort_key_of(moment).into()
        } else {
            self.value(moment)
        }
    }

    /// The value that a statement writes, where the condition holds; what is there stays elsewhere.
    pub(crate) fn replaced_if(&self, condition: Expr, value: Expr) -> Expr {
        Expr::case(condition, value).finally(self.column()).into()
    }

    pub(crate) fn is_after(&self, moment: impl Moment) -> Expr {
        self.compare(self.column(), BinOper::GreaterThan, moment)
    }

    pub(crate) fn is_null(&self) -> Expr {
        self.column().is_null()
    }

    pub(crate) fn is_at_or_after(&self, moment: impl Moment) -> Expr {
        self.compare(self.column(), BinOper::GreaterThanOrEqual, moment)
    }

    pub(crate) fn is_at_or_before(&self, moment: impl Moment) -> Expr {
        self.compare(self.column(), BinOper::SmallerThanOrEqual, moment)
    }

    /// As [`is_at_or_before`](Self::is_at_or_before), for a statement that names its rows by primary
    /// key.
    ///
    /// InnoDB would rather find them by the expire index; then it locks the index before the row, a
    /// touch locks the row before the index, and one of the two ends in a deadlock.
    pub(crate) fn is_at_or_before_without_index(&self, moment: OffsetDateTime) -> Expr {
        let column = Func::coalesce([self.column(), self.column()]).into();
        self.compare(column, BinOper::SmallerThanOrEqual, moment)
    }

    /// As [`is_at_or_before`](Self::is_at_or_before), for the expire index to find.
    ///
    /// On SQLite no index serves the exact comparison, so one of plain text narrows the search
    /// before it: in UTC, what has ended sorts before the next second. A row that another program
    /// wrote with an offset east of UTC is found that offset later.
    pub(crate) fn found_at_or_before(&self, moment: OffsetDateTime) -> Condition {
        let exact = Condition::all().add(self.is_at_or_before(moment));
        if self.is_text() {
            let next_second = moment.saturating_add(Duration::SECOND);
            exact.add(self.column.lt(self.value(next_second)))
        } else {
            exact
        }
    }

    fn compare(&self, column: Expr, operator: BinOper, moment: impl Moment) -> Expr {
        let key = Expr::val(moment.value(|moment| self.key(moment)));
        if self.is_text() {
            sort_key(column).binary(operator, key)
        } else {
            column.binary(operator, self.column.save_as(key))
        }
    }

    fn column(&self) -> Expr {
        Expr::col(self.column.as_column_ref())
    }

    /// SQLite has no timestamps: they are kept as text.
    fn is_text(&self) -> bool {
        self.backend == DbBackend::Sqlite && is_timestamp(&(self.value)(OffsetDateTime::UNIX_EPOCH))
    }
}

/// A value as a statement binds it. For MySQL that is a timestamp without a zone, in UTC like the
/// connection: bound with a zone it is a `TIMESTAMP`, which MariaDB takes for NULL after 2038.
pub(crate) fn bound(value: Value, backend: DbBackend) -> Value {
    match value {
        Value::TimeDateTimeWithTimeZone(Some(moment)) if backend == DbBackend::MySql => {
            PrimitiveDateTime::at(utc(moment)).into()
        }
        #[cfg(feature = "chrono")]
        Value::ChronoDateTimeUtc(Some(moment)) if backend == DbBackend::MySql => {
            moment.naive_utc().into()
        }
        value => value,
    }
}

/// A value that the SQLite driver writes as text (a newtype's could be a number).
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

/// The text of a timestamp brought to a form that sorts as time does.
///
/// The drivers write `2026-11-23 14:00:00.5`, `…T14:00:00Z`, `…T14:00:00.5Z`, `…T14:00:00.500+02:00`:
/// fractions of any length, a zone or none. SQLite's date functions read them all but round to
/// milliseconds, so they convert only the whole seconds, and only where there is an offset; the
/// digits of the fraction, which no offset changes, are appended without their trailing zeros. They
/// also read a text without seconds, and an integer as a Unix time.
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

fn sort_key_of(moment: OffsetDateTime) -> String {
    let seconds = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        moment.year(),
        u8::from(moment.month()),
        moment.day(),
        moment.hour(),
        moment.minute(),
        moment.second()
    );
    match moment.nanosecond() {
        0 => seconds,
        nanos => format!("{seconds}.{}", format!("{nanos:09}").trim_end_matches('0')),
    }
}
