//! What does a row of the session table hold?

use sea_orm::entity::prelude::*;
use session_store::SessionModel;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub sid: String,
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    /// Filled from the session key `user_id`, which signing in sets. NULL for a visitor.
    #[session(index)]
    pub user_id: Option<i32>,
    /// Filled from the session key `user_agent`.
    #[sea_orm(column_type = "Text", nullable)]
    pub user_agent: Option<String>,
    #[session(created_at)]
    pub created_at: TimeDateTimeWithTimeZone,
    #[session(last_seen)]
    pub last_seen: TimeDateTimeWithTimeZone,
    /// In seconds, if the user stays signed in here when the browser closes.
    #[session(idle_timeout)]
    pub idle_timeout: Option<i64>,
    #[session(version)]
    pub version: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "crate::user::Entity",
        from = "Column::UserId",
        to = "crate::user::Column::Id",
        on_delete = "Cascade"
    )]
    User,
}

impl Related<crate::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::User.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
