use sea_orm::entity::prelude::*;
use session_store::SessionModel;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub sid: String,
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(header = "User-Agent")]
    pub user_agent: Option<String>,
    #[session(header = "user agent")]
    pub agent: Option<String>,
    #[session(header = "Cookie")]
    pub cookies: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}
fn main() {}
