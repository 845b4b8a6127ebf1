use sea_orm::entity::prelude::*;
use session_store::SessionModel;

#[derive(Copy, Clone, Default, Debug, DeriveEntity)]
#[sea_orm(table_name = "session")]
pub struct Entity;

#[derive(Clone, Debug, PartialEq, DeriveModel, DeriveActiveModel, SessionModel)]
pub struct Model {
    pub sid: String,
    pub tenant: i32,
    pub sess: String,
    pub expire: TimeDateTimeWithTimeZone,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveColumn)]
pub enum Column {
    Sid,
    Tenant,
    Sess,
    Expire,
}

#[derive(Copy, Clone, Debug, EnumIter, DerivePrimaryKey)]
pub enum PrimaryKey {
    Sid,
    Tenant,
}

impl PrimaryKeyTrait for PrimaryKey {
    type ValueType = (String, i32);

    fn auto_increment() -> bool {
        false
    }
}

impl ColumnTrait for Column {
    type EntityName = Entity;

    fn def(&self) -> ColumnDef {
        match self {
            Self::Sid | Self::Sess => ColumnType::Text.def(),
            Self::Tenant => ColumnType::Integer.def(),
            Self::Expire => ColumnType::TimestampWithTimeZone.def(),
        }
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}
fn main() {}
