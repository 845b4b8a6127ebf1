use sea_orm::entity::prelude::*;
use session_store::SessionModel;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
#[sea_orm(
    schema_name = "web",
    table_name = "session",
    rename_all = "camelCase",
    comment = "a, b"
)]
pub struct Model {
    #[sea_orm(
        primary_key,
        auto_increment = false,
        column_type = "String(StringLen::N(64))",
        enum_name = "SessionId",
        column_name = "session_id"
    )]
    pub sid: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub sess: Json,
    #[sea_orm(indexed, column_name = "ends at")]
    pub expire: TimeDateTimeWithTimeZone,
    pub r#type: Option<String>,
    pub user_id2: Option<i32>,
    pub trailing_: Option<i32>,
    pub self_: Option<i32>,
    #[sea_orm(save_as = "text", select_as = "text", enum_name = "Kind")]
    pub r#match: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

fn main() {
    assert!(matches!(Model::columns().sid, Column::SessionId));
}
