use axum::BoxError;
use sea_orm::ColumnTrait;
use tower_sessions::Session;

/// Signs a user in, and revokes the oldest sessions above the limit.
pub async fn sign_in(
    store: &session::Store,
    session: &Session,
    user_id: i32,
    limit: u64,
) -> Result<(), BoxError> {
    store.set_authenticated(session).await?;
    session.insert("user_id", user_id).await?;
    session.save().await?;
    let id = session.id().ok_or("a saved session has an id")?;
    let of_user = session::Column::UserId.eq(user_id);
    store.revoke_all_but_newest(of_user, limit, &id).await?;
    Ok(())
}
