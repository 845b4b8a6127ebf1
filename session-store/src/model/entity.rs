//! What derived code asks of a model's entity.

use sea_orm::{ColumnTrait, EntityTrait, ModelTrait, PrimaryKeyTrait};

use super::types::SidColumn;

/// The `PrimaryKey` enum of the entity that a `Column` enum belongs to.
pub type PrimaryKey<C> = <<C as ColumnTrait>::EntityName as EntityTrait>::PrimaryKey;

/// The model of a SeaORM entity. It exists for its message, as SeaORM's traits have none.
#[diagnostic::on_unimplemented(
    message = "`SessionModel` needs a SeaORM entity: add `DeriveEntityModel` to the derive list and \
               `#[sea_orm(table_name = \"…\")]`",
    label = "not a SeaORM entity",
    note = "in SeaORM's expanded format, add `DeriveModel` and `DeriveActiveModel` instead"
)]
pub trait EntityModel {}

#[diagnostic::do_not_recommend]
impl<M: ModelTrait> EntityModel for M {}

/// Compiles only for the model of a SeaORM entity.
pub const fn require_entity<M: EntityModel>() {}

/// The type of a primary key that is the `sid` column and no other. It exists for its message.
#[diagnostic::on_unimplemented(
    message = "expected the `sid` column as the only primary key, found a key of type `{Self}`: \
               remove the other variants of `PrimaryKey`, and write `type ValueType = String`",
    label = "not the only primary key"
)]
pub trait SidKey {}

#[diagnostic::do_not_recommend]
impl<T: SidColumn> SidKey for T {}

/// Compiles only for a primary key that is the `sid` column.
pub fn require_sid_key<P: PrimaryKeyTrait<ValueType: SidKey>>(_sid: P) {}
