//! How many sessions were active in each minute of the last day?

use std::time::Duration;

use sea_orm::ActiveValue::Set;
use sea_orm::QueryOrder;
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::counts::Counts;
use crate::session;

pub const MINUTES_PER_DAY: i64 = 24 * 60;

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

/// Takes a sample at the start of every minute, and never returns.
pub async fn every_minute(store: session::Store) {
    loop {
        let now = OffsetDateTime::now_utc();
        if let Err(error) = take(&store, now).await {
            tracing::error!(%error, "cannot take a sample");
        }
        let seconds = 60 - now.second().min(59);
        tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    }
}

/// Takes the minute's sample, unless another process has, and deletes samples older than a day.
pub async fn take(store: &session::Store, now: OffsetDateTime) -> Result<(), DbErr> {
    let minute = minute_of(now);
    let sample = ActiveModel {
        minute: Set(minute),
        sessions: Set(Counts::load(store).await?.sessions),
    };
    Entity::insert(sample)
        .on_conflict_do_nothing()
        .exec_without_returning(store.db())
        .await?;
    Entity::delete_many()
        .filter(Column::Minute.lte(minute - MINUTES_PER_DAY))
        .exec(store.db())
        .await?;
    Ok(())
}

/// Returns the samples of the last day up to now, oldest first. The last one is `sessions`, the current
/// count, so that the chart agrees with the other numbers of its page.
pub async fn last_day(
    db: &DatabaseConnection,
    sessions: i64,
    now: OffsetDateTime,
) -> Result<Vec<Model>, DbErr> {
    let minute = minute_of(now);
    let mut samples = Entity::find()
        .filter(Column::Minute.lt(minute))
        .order_by_asc(Column::Minute)
        .all(db)
        .await?;
    samples.push(Model { minute, sessions });
    Ok(samples)
}

pub fn minute_of(time: OffsetDateTime) -> i64 {
    time.unix_timestamp().div_euclid(60)
}
