//! Finding and revoking sessions by their columns.

use std::collections::BTreeSet;

use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Select,
};
use serde_json::json;
use session_store::{SeaOrmStore, SessionModel};
use tests::{
    Clock, entity, neighbouring_timestamps, on_every_database, on_every_database_and_kind, record,
    store,
};
use time::{Duration, OffsetDateTime};
use tower_sessions::SessionStore;
use tower_sessions::session::Id;

on_every_database_and_kind!(
    expired_is_what_a_prune_takes_and_active_the_rest,
    ends_by_compares_as_time_to_the_microsecond,
);

on_every_database!(
    active_lists_the_sessions_of_a_user,
    find_reads_the_row_and_touches_nothing,
    revoke_ends_what_the_condition_holds_for,
    revoke_others_keeps_one,
    clear_ends_every_session,
);

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    pub user_id: Option<i32>,
});

use session::{Column, Model};

/// Users 1, 1, 1, 2 and nobody; the ends are an hour apart.
async fn five(db: DatabaseConnection) -> (SeaOrmStore<Model>, Clock, Vec<Id>) {
    let (store, clock) = store::<Model>(db).await;
    let mut ids = Vec::new();
    for (hours, user) in (1..).zip([Some(1), Some(1), Some(1), Some(2), None]) {
        let mut session = record(clock.now(), [("user_id", json!(user))]);
        session.expiry_date = clock.now() + Duration::hours(hours);
        store.create(&mut session).await.unwrap();
        ids.push(session.id);
    }
    (store, clock, ids)
}

async fn active_lists_the_sessions_of_a_user(db: DatabaseConnection) {
    let (store, clock, ids) = five(db).await;
    let of_user_1 = async || {
        let select = store
            .active()
            .filter(Column::UserId.eq(1))
            .order_by_asc(Column::Expire);
        let rows = select.all(store.db()).await.unwrap();
        rows.into_iter().map(|row| row.sid).collect::<Vec<_>>()
    };
    let sids: Vec<_> = ids.iter().map(|id| store.sid(id)).collect();
    assert_eq!(of_user_1().await, sids[..3]);
    clock.advance(Duration::hours(1));
    assert_eq!(of_user_1().await, sids[1..3]);
    let pages = store
        .active()
        .order_by_asc(Column::Expire)
        .paginate(store.db(), 3);
    assert_eq!(pages.num_items().await.unwrap(), 4);
    assert_eq!(pages.fetch_page(1).await.unwrap()[0].sid, sids[4]);
}

async fn expired_is_what_a_prune_takes_and_active_the_rest<M: SessionModel>(
    db: DatabaseConnection,
) {
    let (store, clock) = store::<M>(db).await;
    let ends = neighbouring_timestamps(clock.now() + Duration::HOUR);
    let sids = create(&store, clock.now(), &ends).await;
    let moments = ends
        .iter()
        .flat_map(|end| [*end - Duration::MICROSECOND, *end]);
    for now in moments {
        clock.set(now);
        let count = ends.iter().filter(|end| **end <= now).count();
        assert_eq!(sids_of(&store, store.expired()).await, set(&sids[..count]));
        assert_eq!(sids_of(&store, store.active()).await, set(&sids[count..]));
    }
    clock.set(ends[4]);
    let expired = store.expired().count(store.db()).await.unwrap();
    assert_eq!(store.prune().await.unwrap(), expired);
    assert_eq!(store.expired().count(store.db()).await.unwrap(), 0);
    assert_eq!(sids_of(&store, M::Entity::find()).await, set(&sids[5..]));
}

async fn ends_by_compares_as_time_to_the_microsecond<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let ends = neighbouring_timestamps(clock.now() + Duration::HOUR);
    let sids = create(&store, clock.now(), &ends).await;
    for (index, end) in ends.iter().enumerate() {
        // An offset does not make it another moment.
        let end = end.to_offset(time::macros::offset!(+5:30));
        let by = M::Entity::find().filter(store.expires_by(end));
        assert_eq!(sids_of(&store, by).await, set(&sids[..=index]));
        let later = M::Entity::find().filter(store.expires_by(end).not());
        assert_eq!(sids_of(&store, later).await, set(&sids[index + 1..]));
    }
}

/// A session for each end; their sids in the order of the ends.
async fn create<M: SessionModel>(
    store: &SeaOrmStore<M>,
    now: OffsetDateTime,
    ends: &[OffsetDateTime],
) -> Vec<String> {
    let mut sids = Vec::new();
    for end in ends {
        let mut session = record(now, []);
        session.expiry_date = *end;
        store.create(&mut session).await.unwrap();
        sids.push(store.sid(&session.id));
    }
    sids
}

async fn sids_of<M: SessionModel>(
    store: &SeaOrmStore<M>,
    select: Select<M::Entity>,
) -> BTreeSet<String> {
    let sids = select.select_only().column(M::columns().sid);
    let sids: Vec<String> = sids.into_tuple().all(store.db()).await.unwrap();
    set(&sids)
}

fn set(sids: &[String]) -> BTreeSet<String> {
    sids.iter().cloned().collect()
}

async fn find_reads_the_row_and_touches_nothing(db: DatabaseConnection) {
    let (store, clock, ids) = five(db).await;
    let store = store.with_idle_timeout(Duration::days(1));
    let row = store.find(&ids[0]).await.unwrap().unwrap();
    assert_eq!((row.sid, row.user_id), (store.sid(&ids[0]), Some(1)));
    assert_eq!(row.expire, clock.now() + Duration::hours(1));
    assert_eq!(store.find(&Id::default()).await.unwrap(), None);
    clock.advance(Duration::hours(1));
    assert_eq!(store.find(&ids[0]).await.unwrap(), None);
}

async fn revoke_ends_what_the_condition_holds_for(db: DatabaseConnection) {
    let (store, _, ids) = five(db).await;
    assert_eq!(store.revoke(Column::UserId.eq(1)).await.unwrap(), 3);
    assert_eq!(store.revoke(Column::UserId.eq(1)).await.unwrap(), 0);
    assert!(store.load(&ids[0]).await.unwrap().is_none());
    assert!(store.load(&ids[3]).await.unwrap().is_some());
    let either = Condition::any()
        .add(Column::UserId.eq(2))
        .add(Column::UserId.is_null());
    assert_eq!(store.revoke(either).await.unwrap(), 2);
    assert_eq!(store.count().await.unwrap(), 0);
}

async fn revoke_others_keeps_one(db: DatabaseConnection) {
    let (store, _, ids) = five(db).await;
    let either = Condition::any()
        .add(Column::UserId.eq(1))
        .add(Column::UserId.eq(2));
    assert_eq!(store.revoke_others(either, &ids[1]).await.unwrap(), 3);
    for (id, is_live) in ids.iter().zip([false, true, false, false, true]) {
        assert_eq!(store.load(id).await.unwrap().is_some(), is_live);
    }
    let plain = store.with_plain_sid();
    let mut session = record(time::OffsetDateTime::now_utc(), [("user_id", json!(1))]);
    plain.create(&mut session).await.unwrap();
    assert_eq!(
        plain
            .revoke_others(Column::UserId.eq(1), &session.id)
            .await
            .unwrap(),
        1
    );
    assert!(plain.load(&session.id).await.unwrap().is_some());
}

async fn clear_ends_every_session(db: DatabaseConnection) {
    let (store, _, _) = five(db).await;
    assert_eq!(store.count().await.unwrap(), 5);
    assert_eq!(store.delete_all().await.unwrap(), 5);
    assert_eq!(store.count().await.unwrap(), 0);
}
