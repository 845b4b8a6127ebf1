use sea_orm::ActiveModelTrait;
use sea_orm::ActiveValue::{NotSet, Set};
use session_store::{EndReason, Event};
use time::OffsetDateTime;

/// The sessions that have ended.
pub mod ended_session {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "ended_session")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        pub user_id: Option<i32>,
        pub user_agent: Option<String>,
        pub signed_in_at: TimeDateTimeWithTimeZone,
        pub ended_at: TimeDateTimeWithTimeZone,
        pub reason: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Returns a store that writes down each session that ends.
pub fn with_audit_trail(store: session::Store) -> session::Store {
    let db = store.db().clone();
    store.on_event(move |event| {
        let db = db.clone();
        async move {
            let Event::Ended { reason, row: Some(row), .. } = event else {
                return;
            };
            let ended_at = match reason {
                EndReason::Expired => row.expire,
                _ => OffsetDateTime::now_utc(),
            };
            let entry = ended_session::ActiveModel {
                id: NotSet,
                user_id: Set(row.user_id),
                user_agent: Set(row.user_agent),
                signed_in_at: Set(row.created_at),
                ended_at: Set(ended_at),
                reason: Set(reason.to_string()),
            };
            if let Err(error) = entry.insert(&db).await {
                tracing::error!(%error, "a session that has ended is not in the audit trail");
            }
        }
    })
}
