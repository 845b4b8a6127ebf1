//! Listing and revoking sessions by their columns.

use std::collections::BTreeSet;

use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Select,
};
use serde_json::json;
use session_store::{SeaOrmStore, SessionModel};
use tests::{
    Clock, create_expiring, entity, neighbouring_timestamps, new_session, on_every_database,
    on_every_database_and_kind, record, store,
};
use time::Duration;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};

on_every_database_and_kind!(
    expired_selects_what_prune_deletes_and_active_selects_the_rest,
    expires_by_compares_time_to_the_microsecond,
);

on_every_database!(
    active_lists_the_sessions_of_a_user,
    find_reads_the_row_without_a_touch,
    revoke_deletes_the_sessions_that_match_the_condition,
    revoke_others_keeps_the_given_session,
    delete_all_deletes_every_session,
);

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    pub user_id: Option<i32>,
});

use session::{Column, Model};

/// Creates three sessions of user 1, one of user 2 and one without a user, which expire an hour apart.
async fn store_with_five_sessions(db: DatabaseConnection) -> (SeaOrmStore<Model>, Clock, Vec<Id>) {
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
    let (store, clock, ids) = store_with_five_sessions(db).await;
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

async fn expired_selects_what_prune_deletes_and_active_selects_the_rest<M: SessionModel>(
    db: DatabaseConnection,
) {
    let (store, clock) = store::<M>(db).await;
    let expiries = neighbouring_timestamps(clock.now() + Duration::HOUR);
    let sids = sids_of(&store, &create_expiring(&store, &expiries).await);
    let times = expiries
        .iter()
        .flat_map(|expiry| [*expiry - Duration::MICROSECOND, *expiry]);
    for now in times {
        clock.set(now);
        let count = expiries.iter().filter(|expiry| **expiry <= now).count();
        assert_eq!(selected(&store, store.expired()).await, set(&sids[..count]));
        assert_eq!(selected(&store, store.active()).await, set(&sids[count..]));
    }
    clock.set(expiries[4]);
    let expired = store.expired().count(store.db()).await.unwrap();
    assert_eq!(store.prune().await.unwrap(), expired);
    assert_eq!(store.expired().count(store.db()).await.unwrap(), 0);
    assert_eq!(selected(&store, M::Entity::find()).await, set(&sids[5..]));
}

async fn expires_by_compares_time_to_the_microsecond<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let expiries = neighbouring_timestamps(clock.now() + Duration::HOUR);
    let sids = sids_of(&store, &create_expiring(&store, &expiries).await);
    for (index, expiry) in expiries.iter().enumerate() {
        // The same time with an offset.
        let time = expiry.to_offset(time::macros::offset!(+5:30));
        let by = M::Entity::find().filter(store.expires_by(time));
        assert_eq!(selected(&store, by).await, set(&sids[..=index]));
        let later = M::Entity::find().filter(store.expires_by(time).not());
        assert_eq!(selected(&store, later).await, set(&sids[index + 1..]));
    }
}

fn sids_of<M: SessionModel>(store: &SeaOrmStore<M>, sessions: &[Record]) -> Vec<String> {
    let sids = sessions.iter().map(|session| store.sid(&session.id));
    sids.collect()
}

/// Returns the sids of the rows that a query selects.
async fn selected<M: SessionModel>(
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

async fn find_reads_the_row_without_a_touch(db: DatabaseConnection) {
    let (store, clock, ids) = store_with_five_sessions(db).await;
    let store = store.with_idle_timeout(Duration::days(1));
    let row = store.find(&ids[0]).await.unwrap().unwrap();
    assert_eq!((row.sid, row.user_id), (store.sid(&ids[0]), Some(1)));
    assert_eq!(row.expire, clock.now() + Duration::hours(1));
    assert_eq!(store.find(&Id::default()).await.unwrap(), None);
    clock.advance(Duration::hours(1));
    assert_eq!(store.find(&ids[0]).await.unwrap(), None);
}

async fn revoke_deletes_the_sessions_that_match_the_condition(db: DatabaseConnection) {
    let (store, _, ids) = store_with_five_sessions(db).await;
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

async fn revoke_others_keeps_the_given_session(db: DatabaseConnection) {
    let (store, clock, ids) = store_with_five_sessions(db).await;
    let either = Condition::any()
        .add(Column::UserId.eq(1))
        .add(Column::UserId.eq(2));
    assert_eq!(store.revoke_others(either, &ids[1]).await.unwrap(), 3);
    for (id, is_active) in ids.iter().zip([false, true, false, false, true]) {
        assert_eq!(store.load(id).await.unwrap().is_some(), is_active);
    }
    let plain = store.with_plain_sid();
    let session = new_session(&plain, clock.now(), [("user_id", json!(1))]).await;
    assert_eq!(
        plain
            .revoke_others(Column::UserId.eq(1), &session.id)
            .await
            .unwrap(),
        1
    );
    assert!(plain.load(&session.id).await.unwrap().is_some());
}

async fn delete_all_deletes_every_session(db: DatabaseConnection) {
    let (store, _, _) = store_with_five_sessions(db).await;
    assert_eq!(store.count().await.unwrap(), 5);
    assert_eq!(store.delete_all().await.unwrap(), 5);
    assert_eq!(store.count().await.unwrap(), 0);
}
