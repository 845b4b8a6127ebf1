use sea_orm::entity::prelude::*;
use session_store::SessionModel;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub sid: String,
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(pointer = "user.id")]
    pub user_id: Option<i32>,
}

impl ActiveModelBehavior for ActiveModel {}
fn main() {}
