//! The trait `SessionModel`: what a derived model tells the store.

use sea_orm::{
    DbBackend, DbErr, EntityTrait, FromQueryResult, IdenStatic, ModelTrait, QueryResult, Value,
};
use time::OffsetDateTime;

use crate::column::{SessColumn, SidColumn, TimestampColumn, VersionColumn};
use crate::error::{BoxError, Error, Result};
use crate::moments::Moments;
use crate::record::Record;

/// The `Column` of a model's entity.
pub type Column<M> = <<M as ModelTrait>::Entity as EntityTrait>::Column;

/// The `ActiveModel` of a model's entity.
pub type ActiveModel<M> = <<M as ModelTrait>::Entity as EntityTrait>::ActiveModel;

/// An entity's model whose table can hold sessions. Derive it; see [the derive](derive@crate::SessionModel)
/// for the attributes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a session model",
    note = "add `SessionModel` to the derive list of the entity's `Model`"
)]
pub trait SessionModel:
    ModelTrait<Entity: EntityTrait<Model = Self>> + FromQueryResult + Sync + 'static
{
    /// The type of the `sid` field.
    type Sid: SidColumn;
    /// The type of the `sess` field.
    type Sess: SessColumn;
    /// The type of the `expire` field.
    type Expire: TimestampColumn;

    /// The columns that the store itself reads and writes.
    fn columns() -> Columns<Self>;

    /// Fills the extra columns of a row from the session. Called on every create and save.
    ///
    /// # Errors
    ///
    /// A required column has no value in the session, or one of another type.
    fn fill(record: &Record<'_>, row: &mut ActiveModel<Self>) -> Result<()>;

    /// The columns that the application finds sessions by, which get an index each.
    #[must_use]
    fn indexed() -> Vec<Column<Self>> {
        Vec::new()
    }
}

/// A model with a `created_at` column, which an
/// [absolute life](crate::SeaOrmStore::with_absolute_life) needs. The derive implements it where there
/// is such a column, and nobody else should.
#[diagnostic::on_unimplemented(
    message = "an absolute life needs to know when a session was created, and `{Self}` has no \
               `#[session(created_at)]` column",
    label = "needs a column with `#[session(created_at)]`",
    note = "write in the model: `#[session(created_at)] pub created_at: TimeDateTimeWithTimeZone`"
)]
pub trait CreatedAt: SessionModel {}

/// The columns of a [`SessionModel`] that the store itself reads and writes.
#[derive(Debug)]
pub struct Columns<M: SessionModel> {
    /// The primary key: what the store makes of the session id.
    pub sid: Column<M>,
    /// The encoded data.
    pub sess: Column<M>,
    /// When the session ends.
    pub expire: Column<M>,
    /// When the session was created.
    pub created_at: Option<Timestamp<M>>,
    /// Set whenever the session is created, saved or touched.
    pub last_seen: Option<Timestamp<M>>,
    /// Counts the saves.
    pub version: Option<Version<M>>,
}

/// A timestamp column that the store fills from its clock.
#[derive(Debug)]
pub struct Timestamp<M: SessionModel> {
    /// The column.
    pub column: Column<M>,
    value: fn(OffsetDateTime) -> Value,
    read: fn(&QueryResult, usize) -> std::result::Result<Option<OffsetDateTime>, DbErr>,
}

impl<M: SessionModel> Timestamp<M> {
    /// A column that holds moments as a `T`.
    pub fn of<T: TimestampColumn>(column: Column<M>) -> Self {
        Self {
            column,
            value: |moment| T::at(moment).into(),
            read: |row, index| {
                let moment: Option<T> = row.try_get_by_index(index)?;
                Ok(moment.map(|moment| moment.moment()))
            },
        }
    }

    pub(crate) fn at(&self, moment: OffsetDateTime) -> Value {
        (self.value)(moment)
    }

    pub(crate) fn moments(&self, backend: DbBackend) -> Moments<Column<M>> {
        Moments::new(self.column, self.value, backend)
    }

    /// The moment in a row, where the column is not NULL.
    pub(crate) fn read(&self, row: &QueryResult, index: usize) -> Result<Option<OffsetDateTime>> {
        (self.read)(row, index).map_err(|source| decode_error::<M>(self.column, source.into()))
    }
}

/// A column that counts the saves of a session.
#[derive(Debug)]
pub struct Version<M: SessionModel> {
    /// The column.
    pub column: Column<M>,
    value: fn(i64) -> Option<Value>,
    read: fn(&QueryResult, usize) -> std::result::Result<i64, BoxError>,
}

impl<M: SessionModel> Version<M> {
    /// A column that counts in a `T`.
    pub fn of<T: VersionColumn>(column: Column<M>) -> Self {
        Self {
            column,
            value: |count| Some(T::try_from(count).ok()?.into()),
            read: |row, index| {
                let count: T = row.try_get_by_index(index)?;
                count.try_into().map_err(|_| "it is no count".into())
            },
        }
    }

    pub(crate) fn value(&self, count: i64) -> Result<Value> {
        (self.value)(count).ok_or_else(|| Error::Encode {
            column: self.column.as_str().to_owned(),
            source: format!("its type cannot count to {count}").into(),
        })
    }

    pub(crate) fn read(&self, row: &QueryResult, index: usize) -> Result<i64> {
        (self.read)(row, index).map_err(|source| decode_error::<M>(self.column, source))
    }
}

/// A value of a column that this store did not write.
pub(crate) fn decode_error<M: SessionModel>(column: Column<M>, source: BoxError) -> Error {
    Error::Decode {
        column: column.as_str().to_owned(),
        sid_column: M::columns().sid.as_str().to_owned(),
        source,
    }
}
