//! The trait `SessionModel`, by which a derived model describes itself to the store.

use http::request::Parts;
use sea_orm::{EntityTrait, FromQueryResult, ModelTrait};

use super::columns::Columns;
use super::session_ref::SessionRef;
use super::types::{SessColumn, SidColumn};
use crate::error::Result;

/// The `Column` enum of a model's entity.
pub type Column<M> = <<M as ModelTrait>::Entity as EntityTrait>::Column;

/// The `ActiveModel` of a model's entity.
pub type ActiveModel<M> = <<M as ModelTrait>::Entity as EntityTrait>::ActiveModel;

/// A SeaORM model whose table can hold sessions.
///
/// Derive it. [The derive](derive@crate::SessionModel) documents the attributes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement `SessionModel`",
    label = "not a session model",
    note = "add `SessionModel` to the derive list of the entity's `Model`"
)]
pub trait SessionModel:
    ModelTrait<Entity: EntityTrait<Model = Self>> + FromQueryResult + Sync + 'static
{
    /// The type of the `sid` field.
    type Sid: SidColumn;
    /// The type of the `sess` field.
    type Sess: SessColumn;

    /// Returns the columns that the store itself reads and writes.
    fn columns() -> Columns<Column<Self>>;

    /// Fills the extra columns of a row from the session. Called on every create and save.
    ///
    /// # Errors
    ///
    /// Returns an error if the session has no value for a required column, or one of another type.
    fn fill(session: &SessionRef<'_>, row: &mut ActiveModel<Self>) -> Result<()>;

    /// Whether there are columns with `#[session(header = …)]` or `#[session(request = …)]`.
    const HAS_REQUEST_COLUMNS: bool = false;

    /// Fills the columns that come from the request. Called once for each request under
    /// [`store.layer()`](crate::SeaOrmStore::layer), if there are any.
    fn fill_from_request(request: &Parts, row: &mut ActiveModel<Self>) {
        let _ = (request, row);
    }

    /// Returns the columns with `#[session(index)]`, which get an index each.
    #[must_use]
    fn indexed() -> Vec<Column<Self>> {
        Vec::new()
    }
}

/// A model with a version column, which [`with_cache`](crate::SeaOrmStore::with_cache) needs.
///
/// The derive implements it where there is such a column. Do not implement it by hand.
#[diagnostic::on_unimplemented(
    message = "expected a model with a `#[session(version)]` column, and `{Self}` has none",
    label = "has no `#[session(version)]` column",
    note = "add to the model: `#[session(version)] pub version: i64`"
)]
pub trait Versioned: SessionModel {}

/// A model with a `created_at` column, which
/// [`with_absolute_timeout`](crate::SeaOrmStore::with_absolute_timeout) and
/// [`revoke_all_but_newest`](crate::SeaOrmStore::revoke_all_but_newest) need.
///
/// The derive implements it where there is such a column. Do not implement it by hand.
#[diagnostic::on_unimplemented(
    message = "expected a model with a `#[session(created_at)]` column, and `{Self}` has none",
    label = "has no `#[session(created_at)]` column",
    note = "add to the model: `#[session(created_at)] pub created_at: TimeDateTimeWithTimeZone`"
)]
pub trait CreatedAt: SessionModel {}
