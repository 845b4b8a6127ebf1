use sea_orm::entity::prelude::*;
use session_store::SessionModel;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, SessionModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub sid: String,
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    pub user_id: Option<i32>,
    pub user_agent: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
fn main() {}
