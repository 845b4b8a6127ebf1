use sea_orm::{ColumnTrait, Condition};
use session_store::Error;

/// Revokes one of a user's sessions. Returns whether there was such a session.
pub async fn revoke_one(store: &session::Store, user_id: i32, sid: &str) -> Result<bool, Error> {
    let condition = Condition::all()
        .add(session::Column::UserId.eq(user_id))
        .add(session::Column::Sid.eq(sid));
    Ok(store.revoke(condition).await? > 0)
}
