use sea_orm::entity::prelude::*;
use session_store::SessionModel;

#[derive(Clone, Debug, PartialEq, SessionModel)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub sid: String,
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    pub user_id: Option<i32>,
    pub user_agent: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}
fn main() {}
