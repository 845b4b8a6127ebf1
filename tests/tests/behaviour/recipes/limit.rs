use axum::BoxError;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use tower_sessions::Session;

pub const LIMIT: usize = 5;

/// Signs a user in, and revokes the least recently used sessions above the limit.
pub async fn sign_in(
    store: &session::Store,
    session: &Session,
    user_id: i32,
) -> Result<(), BoxError> {
    session.cycle_id().await?;
    session.insert("user_id", user_id).await?;
    session.save().await?;
    let id = session.id().ok_or("a saved session has an id")?;
    let others: Vec<String> = store
        .active()
        .filter(session::Column::UserId.eq(user_id))
        .filter(session::Column::Sid.ne(store.sid(&id)))
        .order_by_desc(session::Column::LastSeen)
        .select_only()
        .column(session::Column::Sid)
        .into_tuple()
        .all(store.db())
        .await?;
    let surplus = others.into_iter().skip(LIMIT - 1);
    store.revoke(session::Column::Sid.is_in(surplus)).await?;
    Ok(())
}
