//! How many users, sessions and visitors are there now?

use sea_orm::{ColumnTrait, DbErr, FromQueryResult, QuerySelect};

use crate::session;

/// Counts of active sessions. A visitor is a session without a user.
#[derive(Debug, FromQueryResult)]
pub struct Counts {
    pub users: i64,
    pub user_sessions: i64,
    pub sessions: i64,
}

impl Counts {
    /// Counts in one statement, so that the numbers agree.
    pub async fn load(store: &session::Store) -> Result<Self, DbErr> {
        // Imported here only, because it adds methods to numbers as well.
        use sea_orm::sea_query::ExprTrait;
        use session::Column::{Sid, UserId};

        let counts = store
            .active()
            .select_only()
            .column_as(UserId.into_expr().count_distinct(), "users")
            .column_as(UserId.count(), "user_sessions")
            .column_as(Sid.count(), "sessions")
            .into_model::<Self>()
            .one(store.db())
            .await?;
        counts.ok_or_else(|| DbErr::RecordNotFound("the counts".to_owned()))
    }

    pub fn visitors(&self) -> i64 {
        self.sessions - self.user_sessions
    }
}
