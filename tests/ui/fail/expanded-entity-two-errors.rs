use sea_orm::entity::prelude::*;
use session_store::SessionModel;

#[derive(Copy, Clone, Default, Debug, DeriveEntity)]
#[sea_orm(table_name = "session")]
pub struct Entity;

#[derive(Clone, Debug, PartialEq, DeriveModel, DeriveActiveModel, SessionModel)]
pub struct Model {
    pub sid: String,
    pub sess: i32,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(key = 7)]
    pub user_id: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveColumn)]
pub enum Column {
    Sid,
    Sess,
    Expire,
    UserId,
}

#[derive(Copy, Clone, Debug, EnumIter, DerivePrimaryKey)]
pub enum PrimaryKey {
    Sid,
}

impl PrimaryKeyTrait for PrimaryKey {
    type ValueType = String;

    fn auto_increment() -> bool {
        false
    }
}

impl ColumnTrait for Column {
    type EntityName = Entity;

    fn def(&self) -> ColumnDef {
        match self {
            Self::Sid => ColumnType::Text.def(),
            Self::Sess | Self::UserId => ColumnType::Integer.def(),
            Self::Expire => ColumnType::TimestampWithTimeZone.def(),
        }
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

fn main() {
    // Other uses of the entity are fine.
    let _: fn(session_store::SeaOrmStore<Model>) -> Store = |store| store;
}
