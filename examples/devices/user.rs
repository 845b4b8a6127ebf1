//! Who has an account, and who is the administrator?

use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use sea_orm::{
    DbBackend, IsolationLevel, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    #[sea_orm(unique)]
    pub name: String,
    pub password_hash: String,
    pub is_admin: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Adds an account. The first account becomes the administrator.
pub async fn add(
    db: &DatabaseConnection,
    name: String,
    password_hash: String,
) -> Result<Model, DbErr> {
    let user = ActiveModel {
        name: Set(name),
        password_hash: Set(password_hash),
        is_admin: Set(false),
        ..Default::default()
    };
    if has_users(db).await? {
        return user.insert(db).await;
    }
    // If two requests find no account at the same time, the database rejects one of them, and the user
    // tries again as the second account.
    let transaction = db
        .begin_with_options(TransactionOptions {
            // SQLite has only this level, and logs a warning if it is set.
            isolation_level: (db.get_database_backend() != DbBackend::Sqlite)
                .then_some(IsolationLevel::Serializable),
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        })
        .await?;
    let is_admin = !has_users(&transaction).await?;
    let user = ActiveModel {
        is_admin: Set(is_admin),
        ..user
    };
    let user = user.insert(&transaction).await?;
    transaction.commit().await?;
    Ok(user)
}

/// Replaces the password of an account.
pub async fn set_password_hash(
    db: &DatabaseConnection,
    id: i32,
    password_hash: String,
) -> Result<(), DbErr> {
    let user = ActiveModel {
        id: Set(id),
        password_hash: Set(password_hash),
        ..Default::default()
    };
    user.update(db).await?;
    Ok(())
}

/// Returns whether there is any account.
pub async fn has_users(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    Ok(Entity::find().count(db).await? > 0)
}
