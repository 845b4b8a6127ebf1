//! The compiler's message for a derived model that is not a SeaORM entity.

use sea_orm::ModelTrait;

/// The model of a SeaORM entity. It exists for its message, as SeaORM's traits have none.
#[diagnostic::on_unimplemented(
    message = "`SessionModel` needs a SeaORM entity: add `DeriveEntityModel` to the derive list and \
               `#[sea_orm(table_name = \"…\")]`",
    label = "not a SeaORM entity"
)]
pub trait EntityModel {}

#[diagnostic::do_not_recommend]
impl<M: ModelTrait> EntityModel for M {}

/// Compiles only for the model of a SeaORM entity.
pub const fn require_entity<M: EntityModel>() {}
