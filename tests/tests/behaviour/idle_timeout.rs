//! The idle timeout: `touch`, and loads that touch the session.

use sea_orm::DatabaseConnection;
use serde_json::json;
use session_store::Id;
use session_store::{SeaOrmStore, SessionModel};
use tests::{
    Clock, new_session, on_every_database, on_every_database_and_kind, row_count, row_expiry,
    store, without_timeouts,
};
use time::Duration;
use tower_sessions_core::SessionStore;
use tower_sessions_core::session::Record;

on_every_database_and_kind!(
    a_load_touches_the_session,
    a_session_that_is_only_loaded_stays_active,
    without_an_idle_timeout_nothing_is_touched,
    a_touch_moves_the_expiry_and_nothing_else,
    a_session_is_touched_at_most_once_per_touch_after,
    a_shorter_idle_timeout_applies_from_the_next_use_on,
    a_touch_does_not_revive_an_expired_session,
    a_touch_does_not_bring_back_a_deleted_session,
    a_save_writes_the_expiry_without_a_touch,
    a_save_moves_the_expiry_back_or_forward_by_at_least_touch_after,
);

on_every_database!(concurrent_touches_write_once);

pub(crate) const IDLE_TIMEOUT: Duration = Duration::hours(1);

/// Creates a store that touches its sessions every ten minutes, and a session.
pub(crate) async fn store_with_idle_timeout<M: SessionModel>(
    db: DatabaseConnection,
) -> (SeaOrmStore<M>, Clock, Record) {
    let (store, clock) = store::<M>(db).await;
    let store = store
        .with_idle_timeout(IDLE_TIMEOUT)
        .with_touch_after(Duration::minutes(10));
    let session = new_session(&store, clock.now(), [("n", json!(1))]).await;
    (store, clock, session)
}

async fn a_load_touches_the_session<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock, session) = store_with_idle_timeout::<M>(db).await;
    clock.advance(Duration::minutes(20));
    let loaded = store.load(&session.id).await.unwrap().unwrap();
    assert_eq!(loaded.expiry_date, clock.now() + IDLE_TIMEOUT);
    assert_eq!(loaded.data, session.data);
    assert_eq!(
        row_expiry(&store, &session).await,
        clock.now() + IDLE_TIMEOUT
    );
}

async fn a_session_that_is_only_loaded_stays_active<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock, session) = store_with_idle_timeout::<M>(db).await;
    for _ in 0..20 {
        clock.advance(Duration::minutes(50));
        assert!(store.load(&session.id).await.unwrap().is_some());
    }
    clock.advance(IDLE_TIMEOUT);
    assert_eq!(store.load(&session.id).await.unwrap(), None);
}

async fn without_an_idle_timeout_nothing_is_touched<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock, session) = store_with_idle_timeout::<M>(db).await;
    let store = without_timeouts(&store, &clock);
    clock.advance(Duration::minutes(50));
    assert_eq!(
        store.load(&session.id).await.unwrap(),
        Some(session.clone())
    );
    assert!(!store.touch(&session.id).await.unwrap());
    clock.advance(Duration::minutes(10));
    assert_eq!(store.load(&session.id).await.unwrap(), None);
}

async fn a_touch_moves_the_expiry_and_nothing_else<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock, session) = store_with_idle_timeout::<M>(db).await;
    let other = new_session(&store, clock.now(), []).await;
    clock.advance(Duration::minutes(20));
    assert!(store.touch(&session.id).await.unwrap());
    let mut touched = session.clone();
    touched.expiry_date = clock.now() + IDLE_TIMEOUT;
    let reader = without_timeouts(&store, &clock);
    assert_eq!(reader.load(&session.id).await.unwrap(), Some(touched));
    assert_eq!(reader.load(&other.id).await.unwrap(), Some(other));
}

async fn a_session_is_touched_at_most_once_per_touch_after<M: SessionModel>(
    db: DatabaseConnection,
) {
    let (store, clock, session) = store_with_idle_timeout::<M>(db).await;
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
    let before = row_expiry(&store, &session).await;
    clock.set(start + Duration::minutes(60) - Duration::MICROSECOND);
    assert_eq!(
        store.load(&session.id).await.unwrap().unwrap().expiry_date,
        before
    );
    clock.set(start + Duration::minutes(60));
    assert_eq!(
        store.load(&session.id).await.unwrap().unwrap().expiry_date,
        clock.now() + IDLE_TIMEOUT
    );
}

async fn a_shorter_idle_timeout_applies_from_the_next_use_on<M: SessionModel>(
    db: DatabaseConnection,
) {
    let (store, clock, mut session) = store_with_idle_timeout::<M>(db).await;
    for lifetime in [Duration::days(14), IDLE_TIMEOUT + Duration::seconds(2)] {
        session.expiry_date = clock.now() + lifetime;
        without_timeouts(&store, &clock)
            .save(&session)
            .await
            .unwrap();
        let loaded = store.load(&session.id).await.unwrap().unwrap();
        assert_eq!(loaded.expiry_date, clock.now() + IDLE_TIMEOUT);
        let expiry = row_expiry(&store, &session).await;
        assert_eq!(expiry, clock.now() + IDLE_TIMEOUT);
    }
    // A second is left to columns that round, and to clocks that differ.
    session.expiry_date = clock.now() + IDLE_TIMEOUT + Duration::SECOND;
    without_timeouts(&store, &clock)
        .save(&session)
        .await
        .unwrap();
    assert!(!store.touch(&session.id).await.unwrap());
    assert_eq!(row_expiry(&store, &session).await, session.expiry_date);
}

async fn a_touch_does_not_revive_an_expired_session<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock, session) = store_with_idle_timeout::<M>(db).await;
    clock.set(session.expiry_date);
    assert!(!store.touch(&session.id).await.unwrap());
    assert_eq!(store.load(&session.id).await.unwrap(), None);
    assert_eq!(store.count().await.unwrap(), 0);
}

async fn a_touch_does_not_bring_back_a_deleted_session<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock, session) = store_with_idle_timeout::<M>(db).await;
    store.delete(&session.id).await.unwrap();
    clock.advance(Duration::minutes(20));
    assert!(!store.touch(&session.id).await.unwrap());
    assert!(!store.touch(&Id::default()).await.unwrap());
    assert_eq!(row_count(&store).await, 0);
}

async fn a_save_writes_the_expiry_without_a_touch<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock, mut session) = store_with_idle_timeout::<M>(db).await;
    clock.advance(Duration::minutes(50));
    session.expiry_date = clock.now() + Duration::minutes(5);
    store.save(&session).await.unwrap();
    // The saved expiry is earlier than that of the row.
    assert_eq!(row_expiry(&store, &session).await, session.expiry_date);
}

async fn a_save_moves_the_expiry_back_or_forward_by_at_least_touch_after<M: SessionModel>(
    db: DatabaseConnection,
) {
    let (store, clock, mut session) = store_with_idle_timeout::<M>(db).await;
    let start = session.expiry_date;
    for (saved, expected) in [
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
        assert_eq!(row_expiry(&store, &session).await, start + expected);
        let reader = without_timeouts(&store, &clock);
        let loaded = reader.load(&session.id).await.unwrap().unwrap();
        assert_eq!(loaded.data, session.data);
    }
}

async fn concurrent_touches_write_once(db: DatabaseConnection) {
    type Model = tests::kinds::json_and_offset::Model;
    let (store, clock, session) = store_with_idle_timeout::<Model>(db).await;
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
