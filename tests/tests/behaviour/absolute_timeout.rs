//! The absolute timeout: no session is active for longer, however often it is used.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter};
use serde_json::json;
use session_store::Id;
use session_store::{CreatedAt, SeaOrmStore, SessionModel};
use tests::{
    Clock, count_statements, new_session, on_every_database, on_every_database_and_kind, record,
    row_expiry, store, without_timeouts,
};
use time::Duration;
use tower_sessions_core::SessionStore;
use tower_sessions_core::session::Record;
use tower_sessions_core::session_store::Error;

use crate::idle_timeout::{IDLE_TIMEOUT, store_with_idle_timeout};

on_every_database_and_kind!(
    a_busy_session_expires_at_its_absolute_timeout,
    a_save_does_not_move_the_expiry_beyond_the_absolute_timeout,
    a_touch_does_not_move_the_expiry_beyond_the_absolute_timeout,
    a_session_created_with_a_later_expiry_expires_at_its_absolute_timeout,
    the_absolute_timeout_applies_to_existing_sessions,
    a_session_of_unknown_age_counts_as_expired,
    without_an_absolute_timeout_the_age_of_a_session_does_not_matter,
    databases_accept_an_absolute_timeout_of_any_length,
    clones_with_other_timeouts_do_not_affect_each_other,
);

on_every_database!(loads_stop_writing_once_the_expiry_is_at_the_absolute_timeout);

pub(crate) const ABSOLUTE_TIMEOUT: Duration = Duration::hours(3);

/// Creates a store with both timeouts that touches its sessions every ten minutes, and a session.
pub(crate) async fn store_with_absolute_timeout<M: CreatedAt>(
    db: DatabaseConnection,
) -> (SeaOrmStore<M>, Clock, Record) {
    let (store, clock, session) = store_with_idle_timeout::<M>(db).await;
    let store = store.with_absolute_timeout(ABSOLUTE_TIMEOUT);
    (store, clock, session)
}

async fn is_loaded<M: SessionModel>(store: &SeaOrmStore<M>, session: &Record) -> bool {
    store.load(&session.id).await.unwrap().is_some()
}

async fn clones_with_other_timeouts_do_not_affect_each_other<M: CreatedAt>(db: DatabaseConnection) {
    let (both, clock, mut session) = store_with_absolute_timeout::<M>(db).await;
    let neither = without_timeouts(&both, &clock);
    let idle = neither
        .clone()
        .with_idle_timeout(IDLE_TIMEOUT)
        .with_touch_after(Duration::minutes(10));
    let start = clock.now();
    let day = Duration::DAY;
    let day_and_a_minute = day + Duration::MINUTE;
    for _ in 0..2 {
        for (store, saved, expected) in [
            (&both, day, ABSOLUTE_TIMEOUT),
            (&idle, day, day),
            (&idle, day_and_a_minute, day),
            (&neither, day_and_a_minute, day_and_a_minute),
        ] {
            session.expiry_date = start + saved;
            store.save(&session).await.unwrap();
            assert_eq!(row_expiry(store, &session).await, start + expected);
        }
    }
    clock.advance(ABSOLUTE_TIMEOUT);
    session.expiry_date = start + day;
    both.save(&session).await.unwrap_err();
    assert!(!both.touch(&session.id).await.unwrap());
    idle.save(&session).await.unwrap();
    clock.advance(day - ABSOLUTE_TIMEOUT - Duration::MINUTE);
    assert!(!both.touch(&session.id).await.unwrap());
    assert!(idle.touch(&session.id).await.unwrap());
}

async fn a_busy_session_expires_at_its_absolute_timeout<M: CreatedAt>(db: DatabaseConnection) {
    let (store, clock, session) = store_with_absolute_timeout::<M>(db).await;
    let expiry = clock.now() + ABSOLUTE_TIMEOUT;
    while clock.now() < expiry - Duration::minutes(7) {
        clock.advance(Duration::minutes(7));
        let loaded = store.load(&session.id).await.unwrap().unwrap();
        assert!(loaded.expiry_date <= expiry);
        assert_eq!(row_expiry(&store, &session).await, loaded.expiry_date);
    }
    assert_eq!(row_expiry(&store, &session).await, expiry);
    clock.set(expiry - Duration::MICROSECOND);
    assert!(is_loaded(&store, &session).await);
    clock.set(expiry);
    assert!(!is_loaded(&store, &session).await);
    assert_eq!(store.count().await.unwrap(), 0);
    assert_eq!(store.prune().await.unwrap(), 1);
}

async fn a_save_does_not_move_the_expiry_beyond_the_absolute_timeout<M: CreatedAt>(
    db: DatabaseConnection,
) {
    let (store, clock, mut session) = store_with_absolute_timeout::<M>(db).await;
    let expiry = clock.now() + ABSOLUTE_TIMEOUT;
    session.data.insert("n".to_owned(), json!(2));
    for beyond in [Duration::MICROSECOND, Duration::days(30)] {
        session.expiry_date = expiry + beyond;
        store.save(&session).await.unwrap();
        assert_eq!(row_expiry(&store, &session).await, expiry);
    }
    let saved = store.load(&session.id).await.unwrap().unwrap();
    assert_eq!(saved.data, session.data);
    // A save may still set an earlier expiry.
    session.expiry_date = clock.now() + Duration::minutes(1);
    store.save(&session).await.unwrap();
    assert_eq!(row_expiry(&store, &session).await, session.expiry_date);
}

async fn a_touch_does_not_move_the_expiry_beyond_the_absolute_timeout<M: CreatedAt>(
    db: DatabaseConnection,
) {
    let (store, clock, session) = store_with_absolute_timeout::<M>(db).await;
    let expiry = clock.now() + ABSOLUTE_TIMEOUT;
    for _ in 0..3 {
        clock.advance(Duration::minutes(50));
        assert!(store.touch(&session.id).await.unwrap());
        assert!(row_expiry(&store, &session).await <= expiry);
    }
    assert_eq!(row_expiry(&store, &session).await, expiry);
    assert!(!store.touch(&session.id).await.unwrap());
    assert!(!store.touch(&Id::default()).await.unwrap());
    clock.set(expiry);
    assert!(!store.touch(&session.id).await.unwrap());
}

async fn a_session_created_with_a_later_expiry_expires_at_its_absolute_timeout<M: CreatedAt>(
    db: DatabaseConnection,
) {
    let (store, clock) = store::<M>(db).await;
    let store = store.with_absolute_timeout(ABSOLUTE_TIMEOUT);
    let expiry = clock.now() + ABSOLUTE_TIMEOUT;
    let mut session = record(clock.now(), []);
    session.expiry_date = clock.now() + Duration::days(14);
    store.create(&mut session).await.unwrap();
    // A cache would keep the session until this time.
    assert_eq!(session.expiry_date, expiry);
    let loaded = store.load(&session.id).await.unwrap().unwrap();
    assert_eq!(loaded.expiry_date, expiry);
    clock.set(expiry);
    assert!(!is_loaded(&store, &session).await);
    assert_eq!(store.prune().await.unwrap(), 1);
}

async fn the_absolute_timeout_applies_to_existing_sessions<M: CreatedAt>(db: DatabaseConnection) {
    let (unlimited, clock) = store::<M>(db).await;
    let mut session = record(clock.now(), []);
    session.expiry_date = clock.now() + Duration::days(14);
    unlimited.create(&mut session).await.unwrap();
    let store = unlimited
        .clone()
        .with_idle_timeout(IDLE_TIMEOUT)
        .with_absolute_timeout(ABSOLUTE_TIMEOUT);
    let expiry = clock.now() + ABSOLUTE_TIMEOUT;
    clock.set(expiry - Duration::MICROSECOND);
    assert_eq!(store.active().all(store.db()).await.unwrap().len(), 1);
    let loaded = store.load(&session.id).await.unwrap().unwrap();
    assert_eq!(loaded.expiry_date, expiry);
    clock.set(expiry);
    assert!(!is_loaded(&store, &session).await);
    assert!(!store.touch(&session.id).await.unwrap());
    let outcome = store.save(&session).await;
    assert!(matches!(outcome, Err(Error::Backend(_))), "{outcome:?}");
    assert!(store.active().all(store.db()).await.unwrap().is_empty());
    assert!(store.find(&session.id).await.unwrap().is_none());
    // Only the load has written: without the timeout, the session is there until then.
    clock.set(expiry - Duration::MICROSECOND);
    session.expiry_date = expiry;
    assert_eq!(unlimited.load(&session.id).await.unwrap(), Some(session));
}

async fn a_session_of_unknown_age_counts_as_expired<M: CreatedAt>(db: DatabaseConnection) {
    let (store, clock, session) = store_with_absolute_timeout::<M>(db).await;
    let other = new_session(&store, clock.now(), []).await;
    let created_at = M::columns().created_at.unwrap().column;
    M::Entity::update_many()
        .col_expr(created_at, Expr::null())
        .filter(M::columns().sid.eq(store.sid(&session.id)))
        .exec(store.db())
        .await
        .unwrap();
    assert!(!is_loaded(&store, &session).await);
    assert!(!store.touch(&session.id).await.unwrap());
    assert!(store.save(&session).await.is_err());
    assert!(is_loaded(&store, &other).await);
    assert_eq!(store.count().await.unwrap(), 1);
}

async fn without_an_absolute_timeout_the_age_of_a_session_does_not_matter<M: CreatedAt>(
    db: DatabaseConnection,
) {
    let (store, clock, session) = store_with_idle_timeout::<M>(db).await;
    for _ in 0..20 {
        clock.advance(Duration::minutes(50));
        assert!(is_loaded(&store, &session).await);
    }
}

async fn databases_accept_an_absolute_timeout_of_any_length<M: CreatedAt>(db: DatabaseConnection) {
    let (store, clock, mut session) = store_with_absolute_timeout::<M>(db).await;
    for timeout in [Duration::days(365 * 3000), Duration::MAX] {
        let store = store.clone().with_absolute_timeout(timeout);
        clock.advance(Duration::minutes(20));
        assert!(store.touch(&session.id).await.unwrap());
        clock.advance(Duration::minutes(20));
        assert!(is_loaded(&store, &session).await);
        session.expiry_date = clock.now() + IDLE_TIMEOUT;
        store.save(&session).await.unwrap();
        assert_eq!(store.count().await.unwrap(), 1);
    }
}

async fn loads_stop_writing_once_the_expiry_is_at_the_absolute_timeout(mut db: DatabaseConnection) {
    let statements = count_statements(&mut db);
    let writes = || {
        let statements = statements.lock().unwrap();
        statements.iter().filter(|word| *word == "UPDATE").count()
    };
    let (store, clock, session) =
        store_with_absolute_timeout::<tests::kinds::json_and_offset::Model>(db).await;
    let expiry = clock.now() + ABSOLUTE_TIMEOUT;
    while clock.now() < expiry {
        assert!(is_loaded(&store, &session).await);
        clock.advance(Duration::minutes(5));
    }
    // At 10, 20, … 110 minutes, and for the last time at 120.
    assert_eq!(writes(), 12);
}
