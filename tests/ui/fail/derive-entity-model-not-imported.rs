use sea_orm::prelude::{Json, TimeDateTimeWithTimeZone};
use session_store::SessionModel;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub sid: String,
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    pub user_id: Option<i32>,
    pub user_agent: Option<String>,
}

fn main() {}
