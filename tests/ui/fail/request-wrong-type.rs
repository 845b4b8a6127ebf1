use sea_orm::entity::prelude::*;
use session_store::SessionModel;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub sid: String,
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(request = path)]
    pub path: Option<String>,
    #[session(request = agent)]
    pub agent: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

fn path(request: &axum::http::request::Parts) -> String {
    request.uri.path().to_owned()
}

fn agent(headers: &axum::http::HeaderMap) -> String {
    format!("{headers:?}")
}

fn main() {}
