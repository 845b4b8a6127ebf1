use sea_orm::entity::prelude::*;

// Names that the generated code also uses.
pub mod session {}
pub mod core {}
pub mod std_ {}
pub fn record() {}
pub const ROW: i32 = 0;
pub struct SessionRef;
pub struct Source;
pub struct ActiveModelTrait;
pub struct Error;
pub struct Extra;
pub struct Columns;
pub struct Timestamp;
pub struct SessionModel;
pub fn row() -> i32 {
    ROW
}
pub fn value(_: &session_store::Data) -> Option<i32> {
    None
}

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, session_store::SessionModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub sid: String,
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    pub record: Option<i32>,
    #[session(default = row())]
    pub row: i32,
    #[session(with = value)]
    pub value: Option<i32>,
    #[session(created_at)]
    pub created: TimeDateTimeWithTimeZone,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}
fn main() {}
