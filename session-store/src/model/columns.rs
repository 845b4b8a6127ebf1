//! The columns that the store itself reads and writes, and how their values are converted.

use sea_orm::{ColumnTrait, DbBackend, DbErr, QueryResult, TryGetable, Value};
use time::OffsetDateTime;

use super::types::{SidColumn, TimestampColumn, VersionColumn};
use crate::error::{BoxError, Error, Result};
use crate::sql::{TimestampExpr, is_unreadable};

/// The earliest timestamp that the store writes: the year 0. Not every driver can encode earlier ones.
const EARLIEST: OffsetDateTime = match OffsetDateTime::from_unix_timestamp(-62_167_219_200) {
    Ok(timestamp) => timestamp,
    Err(_) => OffsetDateTime::UNIX_EPOCH,
};

/// The columns that the store itself reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Columns<C> {
    /// The primary key, derived from the session id.
    pub sid: C,
    /// The encoded data.
    pub sess: C,
    /// When the session expires.
    pub expire: Timestamp<C>,
    /// When the session was created.
    pub created_at: Option<Timestamp<C>>,
    /// When the session was last created, saved or touched.
    pub last_seen: Option<Timestamp<C>>,
    /// The number of saves.
    pub version: Option<Version<C>>,
}

impl<C: ColumnTrait> Columns<C> {
    /// Creates the required columns. `expire` holds timestamps as a `T`.
    pub fn new<T: TimestampColumn>(sid: C, sess: C, expire: C) -> Self {
        Self {
            sid,
            sess,
            expire: Timestamp::of::<T>(expire),
            created_at: None,
            last_seen: None,
            version: None,
        }
    }

    /// Reads the value of a column.
    pub(crate) fn read<T: TryGetable>(
        &self,
        column: C,
        row: &QueryResult,
        index: usize,
    ) -> Result<T> {
        row.try_get_by_index(index)
            .map_err(|source| self.decode_error(column, source.into()))
    }

    /// Reads a sid. A CHAR column that is longer than the sid has filled it with spaces.
    pub(crate) fn read_sid<T: SidColumn>(&self, row: &QueryResult, index: usize) -> Result<Value> {
        let mut sid = self.read::<T>(self.sid, row, index)?.into();
        if let Value::String(Some(sid)) = &mut sid {
            sid.truncate(sid.trim_end_matches(' ').len());
        }
        Ok(sid)
    }

    /// Reads a timestamp that was selected as [readable](TimestampExpr::readable), if it is not NULL.
    pub(crate) fn read_timestamp(
        &self,
        timestamp: Timestamp<C>,
        row: &QueryResult,
        index: usize,
    ) -> Result<Option<OffsetDateTime>> {
        let error = |source| self.decode_error(timestamp.column, source);
        match (timestamp.read)(row, index) {
            Ok(Some(read)) if is_unreadable(read) => {
                Err(error("expected a timestamp up to the year 9999".into()))
            }
            read => read.map_err(|source| error(source.into())),
        }
    }

    /// Returns the timestamp columns that the entity has.
    pub(crate) fn timestamps(&self) -> impl Iterator<Item = Timestamp<C>> {
        let others = [self.created_at, self.last_seen];
        [self.expire]
            .into_iter()
            .chain(others.into_iter().flatten())
    }

    /// Reads when a session expires.
    pub(crate) fn read_expire(&self, row: &QueryResult, index: usize) -> Result<OffsetDateTime> {
        let expire = self.read_timestamp(self.expire, row, index)?;
        expire.ok_or_else(|| {
            let problem = "expected a timestamp, found NULL";
            self.decode_error(self.expire.column, problem.into())
        })
    }

    pub(crate) fn read_version(
        &self,
        version: Version<C>,
        row: &QueryResult,
        index: usize,
    ) -> Result<i64> {
        (version.read)(row, index).map_err(|source| self.decode_error(version.column, source))
    }

    /// The error for a value that a column cannot hold.
    pub(crate) fn encode_error(column: C, source: BoxError) -> Error {
        Error::Encode {
            column: column.as_str().to_owned(),
            source,
        }
    }

    /// The error for a value that this store did not write.
    pub(crate) fn decode_error(&self, column: C, source: BoxError) -> Error {
        Error::Decode {
            column: column.as_str().to_owned(),
            sid_column: self.sid.as_str().to_owned(),
            source,
        }
    }
}

/// A timestamp column that the store fills from its clock.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp<C> {
    /// The column.
    pub column: C,
    to_value: fn(OffsetDateTime) -> Value,
    read: fn(&QueryResult, usize) -> std::result::Result<Option<OffsetDateTime>, DbErr>,
}

impl<C: ColumnTrait> Timestamp<C> {
    /// Creates a column that holds timestamps as a `T`.
    pub fn of<T: TimestampColumn>(column: C) -> Self {
        Self {
            column,
            to_value: |timestamp| T::from_utc(timestamp.max(EARLIEST)).into(),
            read: |row, index| {
                let timestamp: Option<T> = row.try_get_by_index(index)?;
                Ok(timestamp.map(|timestamp| timestamp.to_utc()))
            },
        }
    }

    pub(crate) fn value(&self, timestamp: OffsetDateTime) -> Value {
        (self.to_value)(timestamp)
    }

    pub(crate) fn expr(&self, backend: DbBackend) -> TimestampExpr<C> {
        TimestampExpr::new(self.column, self.to_value, backend)
    }
}

/// A column that counts the saves of a session.
#[derive(Clone, Copy, Debug)]
pub struct Version<C> {
    /// The column.
    pub column: C,
    to_value: fn(i64) -> Option<Value>,
    read: fn(&QueryResult, usize) -> std::result::Result<i64, BoxError>,
}

impl<C: ColumnTrait> Version<C> {
    /// Creates a column that counts in a `T`.
    pub fn of<T: VersionColumn>(column: C) -> Self {
        Self {
            column,
            to_value: |count| Some(T::try_from(count).ok()?.into()),
            read: |row, index| {
                let count: T = row.try_get_by_index(index)?;
                count
                    .try_into()
                    .map_err(|_| "expected a number of saves".into())
            },
        }
    }

    pub(crate) fn value(&self, count: i64) -> Result<Value> {
        (self.to_value)(count).ok_or_else(|| Error::Encode {
            column: self.column.as_str().to_owned(),
            source: format!("the number {count} is out of range for its type").into(),
        })
    }
}
