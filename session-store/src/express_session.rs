//! The default entity: a table `express_session` with the three columns and no others.

use sea_orm::entity::prelude::*;

use session_store_derive::SessionModel;

/// A session's row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, SessionModel)]
#[sea_orm(table_name = "express_session")]
pub struct Model {
    /// The SHA-256 of the session id in hex.
    #[sea_orm(primary_key, auto_increment = false)]
    pub sid: String,
    /// The session's data, as JSON text.
    #[sea_orm(column_type = "Text")]
    pub sess: String,
    /// When the session expires, in UTC.
    pub expire: TimeDateTimeWithTimeZone,
}

/// The table has no relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
