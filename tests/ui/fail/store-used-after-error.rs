use sea_orm::entity::prelude::*;
use session_store::SessionModel;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub sid: String,
    pub sess: Json,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}
pub async fn of_user(db: DatabaseConnection, user: &str) -> Result<Option<Model>, DbErr> {
    let store = Store::new(db)
        .with_plain_sid()
        .with_absolute_timeout(time::Duration::DAY);
    store
        .active()
        .filter(Column::Sid.ne(user))
        .one(store.db())
        .await
}
fn main() {}
