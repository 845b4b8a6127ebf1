use axum::BoxError;
use sea_orm::ColumnTrait;
use tower_sessions::Session;

/// Signs a user out everywhere else, and renews the id of this session.
pub async fn password_changed(
    store: &session::Store,
    session: &Session,
    user_id: i32,
) -> Result<(), BoxError> {
    store.set_authenticated(session).await?;
    session.save().await?;
    let id = session.id().ok_or("a saved session has an id")?;
    let of_user = session::Column::UserId.eq(user_id);
    store.revoke_others(of_user, &id).await?;
    Ok(())
}
