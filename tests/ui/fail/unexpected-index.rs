use sea_orm::entity::prelude::*;
use session_store::SessionModel;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    #[session(index)]
    pub sid: String,
    #[session(index)]
    pub sess: Json,
    #[session(index)]
    pub expire: TimeDateTimeWithTimeZone,
    #[session(index = "user")]
    pub user_id: Option<i32>,
    #[session(index, index)]
    pub tenant: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

fn main() {}
