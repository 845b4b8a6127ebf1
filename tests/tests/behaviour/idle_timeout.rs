//! Sessions that slide: touch, and the load that touches.

use sea_orm::{DatabaseConnection, EntityTrait};
use serde_json::json;
use session_store::{SeaOrmStore, SessionModel};
use tests::{Clock, on_every_database, on_every_database_and_kind, record, store};
use time::{Duration, OffsetDateTime};
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};

on_every_database_and_kind!(
    a_load_slides_the_session,
    a_session_that_is_only_read_outlives_its_life_many_times,
    without_a_life_nothing_slides,
    a_touch_moves_the_end_and_nothing_else,
    a_touch_comes_at_most_once_per_touch_after,
    a_touch_never_shortens,
    a_touch_does_not_revive_an_expired_session,
    a_touch_does_not_bring_back_a_deleted_session,
    a_save_does_not_need_a_touch_first,
    a_save_moves_the_end_when_a_touch_would_or_to_an_earlier_one,
);

on_every_database!(touches_at_the_same_moment_write_once);

const LIFE: Duration = Duration::hours(1);

/// A store whose sessions live an hour and are touched every ten minutes, and one of them.
async fn sliding<M: SessionModel>(db: DatabaseConnection) -> (SeaOrmStore<M>, Clock, Record) {
    let (store, clock) = store::<M>(db).await;
    let store = store
        .with_idle_timeout(LIFE)
        .with_touch_after(Duration::minutes(10));
    let mut session = record(clock.now(), [("n", json!(1))]);
    store.create(&mut session).await.unwrap();
    (store, clock, session)
}

/// When the row says the session ends, read without the store's help.
async fn end<M: SessionModel>(store: &SeaOrmStore<M>, session: &Record) -> OffsetDateTime {
    // A store without a life reads and does not touch.
    let reader = store.clone().with_idle_timeout(Duration::ZERO);
    reader.load(&session.id).await.unwrap().unwrap().expiry_date
}

async fn a_load_slides_the_session<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock, session) = sliding::<M>(db).await;
    clock.advance(Duration::minutes(20));
    let loaded = store.load(&session.id).await.unwrap().unwrap();
    assert_eq!(loaded.expiry_date, clock.now() + LIFE);
    assert_eq!(loaded.data, session.data);
    assert_eq!(end(&store, &session).await, clock.now() + LIFE);
}

async fn a_session_that_is_only_read_outlives_its_life_many_times<M: SessionModel>(
    db: DatabaseConnection,
) {
    let (store, clock, session) = sliding::<M>(db).await;
    for _ in 0..20 {
        clock.advance(Duration::minutes(50));
        assert!(store.load(&session.id).await.unwrap().is_some());
    }
    clock.advance(LIFE);
    assert_eq!(store.load(&session.id).await.unwrap(), None);
}

async fn without_a_life_nothing_slides<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock, session) = sliding::<M>(db).await;
    let still = store.with_idle_timeout(Duration::ZERO);
    clock.advance(Duration::minutes(50));
    assert_eq!(
        still.load(&session.id).await.unwrap(),
        Some(session.clone())
    );
    assert!(!still.touch(&session.id).await.unwrap());
    clock.advance(Duration::minutes(10));
    assert_eq!(still.load(&session.id).await.unwrap(), None);
}

async fn a_touch_moves_the_end_and_nothing_else<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock, session) = sliding::<M>(db).await;
    let mut other = record(clock.now(), []);
    store.create(&mut other).await.unwrap();
    clock.advance(Duration::minutes(20));
    assert!(store.touch(&session.id).await.unwrap());
    let mut touched = session.clone();
    touched.expiry_date = clock.now() + LIFE;
    let reader = store.clone().with_idle_timeout(Duration::ZERO);
    assert_eq!(reader.load(&session.id).await.unwrap(), Some(touched));
    assert_eq!(reader.load(&other.id).await.unwrap(), Some(other));
}

async fn a_touch_comes_at_most_once_per_touch_after<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock, session) = sliding::<M>(db).await;
    let start = clock.now();
    let mut writes = 0;
    for second in 0..(60 * 60) / 30 {
        clock.set(start + Duration::seconds(30 * second));
        if store.touch(&session.id).await.unwrap() {
            writes += 1;
        }
    }
    // At 10, 20, 30, 40 and 50 minutes.
    assert_eq!(writes, 5);
    let before = end(&store, &session).await;
    clock.set(start + Duration::minutes(60) - Duration::MICROSECOND);
    assert_eq!(
        store.load(&session.id).await.unwrap().unwrap().expiry_date,
        before
    );
    clock.set(start + Duration::minutes(60));
    assert_eq!(
        store.load(&session.id).await.unwrap().unwrap().expiry_date,
        clock.now() + LIFE
    );
}

async fn a_touch_never_shortens<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock, mut session) = sliding::<M>(db).await;
    session.expiry_date = clock.now() + Duration::days(30);
    store.save(&session).await.unwrap();
    assert!(!store.touch(&session.id).await.unwrap());
    assert_eq!(store.load(&session.id).await.unwrap(), Some(session));
}

async fn a_touch_does_not_revive_an_expired_session<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock, session) = sliding::<M>(db).await;
    clock.set(session.expiry_date);
    assert!(!store.touch(&session.id).await.unwrap());
    assert_eq!(store.load(&session.id).await.unwrap(), None);
    assert_eq!(store.count().await.unwrap(), 0);
}

async fn a_touch_does_not_bring_back_a_deleted_session<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock, session) = sliding::<M>(db).await;
    store.delete(&session.id).await.unwrap();
    clock.advance(Duration::minutes(20));
    assert!(!store.touch(&session.id).await.unwrap());
    assert!(!store.touch(&Id::default()).await.unwrap());
    assert!(M::Entity::find().all(store.db()).await.unwrap().is_empty());
}

async fn a_save_does_not_need_a_touch_first<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock, mut session) = sliding::<M>(db).await;
    clock.advance(Duration::minutes(50));
    session.expiry_date = clock.now() + Duration::minutes(5);
    store.save(&session).await.unwrap();
    // What is saved says when it ends, also earlier than before.
    assert_eq!(end(&store, &session).await, session.expiry_date);
}

async fn a_save_moves_the_end_when_a_touch_would_or_to_an_earlier_one<M: SessionModel>(
    db: DatabaseConnection,
) {
    let (store, _, mut session) = sliding::<M>(db).await;
    let start = session.expiry_date;
    for (saved, kept) in [
        (
            Duration::minutes(10) - Duration::MICROSECOND,
            Duration::ZERO,
        ),
        (Duration::minutes(10), Duration::minutes(10)),
        (Duration::minutes(15), Duration::minutes(10)),
        (Duration::minutes(9), Duration::minutes(9)),
        (Duration::days(14), Duration::days(14)),
        (Duration::ZERO, Duration::ZERO),
    ] {
        session.expiry_date = start + saved;
        session
            .data
            .insert("saved".to_owned(), json!(saved.whole_seconds()));
        store.save(&session).await.unwrap();
        assert_eq!(end(&store, &session).await, start + kept);
        let reader = store.clone().with_idle_timeout(Duration::ZERO);
        let loaded = reader.load(&session.id).await.unwrap().unwrap();
        assert_eq!(loaded.data, session.data);
    }
}

async fn touches_at_the_same_moment_write_once(db: DatabaseConnection) {
    type Model = tests::kinds::json_and_offset::Model;
    let (store, clock, session) = sliding::<Model>(db).await;
    clock.advance(Duration::minutes(20));
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (store, id) = (store.clone(), session.id);
            tokio::spawn(async move { store.touch(&id).await.unwrap() })
        })
        .collect();
    let mut writes = 0;
    for task in tasks {
        writes += u32::from(task.await.unwrap());
    }
    assert_eq!(writes, 1);
}
