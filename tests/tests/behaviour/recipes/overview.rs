use sea_orm::{ColumnTrait, DbErr, QueryFilter, QueryOrder, QuerySelect};

/// Returns the signed-in users and how many sessions each has, the most sessions first.
pub async fn signed_in(store: &session::Store) -> Result<Vec<(i32, i64)>, DbErr> {
    store
        .active()
        .filter(session::Column::UserId.is_not_null())
        .select_only()
        .column(session::Column::UserId)
        .column_as(session::Column::Sid.count(), "sessions")
        .group_by(session::Column::UserId)
        .order_by_desc(session::Column::Sid.count())
        .order_by_asc(session::Column::UserId)
        .into_tuple()
        .all(store.db())
        .await
}
