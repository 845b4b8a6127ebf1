//! How many sessions were there, each minute of the last day?

use std::time::Duration;

use sea_orm::ActiveValue::Set;
use sea_orm::QueryOrder;
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::error::AnyError;
use crate::session;

pub const MINUTES_A_DAY: i64 = 24 * 60;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sample")]
pub struct Model {
    /// Minutes since 1970.
    #[sea_orm(primary_key, auto_increment = false)]
    pub minute: i64,
    pub sessions: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Takes samples for ever.
pub async fn every_minute(store: session::Store) {
    loop {
        let now = OffsetDateTime::now_utc();
        if let Err(error) = take(&store, now).await {
            tracing::error!(%error, "no sample was taken");
        }
        // To the beginning of the next minute, so that none has two samples and the next has none.
        let seconds = 60 - now.second().min(59);
        tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    }
}

/// Takes the minute's sample, unless another process has, and forgets those of yesterday.
pub async fn take(store: &session::Store, now: OffsetDateTime) -> Result<(), AnyError> {
    let minute = minute_of(now);
    let sample = ActiveModel {
        minute: Set(minute),
        sessions: Set(store.count().await?.try_into()?),
    };
    Entity::insert(sample)
        .on_conflict_do_nothing()
        .exec_without_returning(store.db())
        .await?;
    Entity::delete_many()
        .filter(Column::Minute.lte(minute - MINUTES_A_DAY))
        .exec(store.db())
        .await?;
    Ok(())
}

/// The samples of the last day, the oldest first.
pub async fn all(db: &DatabaseConnection) -> Result<Vec<Model>, DbErr> {
    Entity::find().order_by_asc(Column::Minute).all(db).await
}

pub fn minute_of(time: OffsetDateTime) -> i64 {
    time.unix_timestamp().div_euclid(60)
}
