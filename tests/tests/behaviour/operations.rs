//! Create, load, save and delete, with every type of column.

use std::collections::HashSet;

use sea_orm::DatabaseConnection;
use serde_json::json;
use session_store::SessionModel;
use tests::{
    create_expiring, neighbouring_timestamps, new_session, on_every_database_and_kind, record,
    row_count, store,
};
use time::{Duration, UtcOffset};
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, ExpiredDeletion};
use tower_sessions::{CachingSessionStore, MemoryStore, SessionStore};

on_every_database_and_kind!(
    a_new_session_comes_back_equal,
    an_unknown_id_loads_nothing,
    create_draws_a_new_id_when_the_id_is_taken,
    concurrent_creates_with_the_same_id_get_different_ids,
    save_replaces_the_data_and_the_expiry,
    save_of_an_unknown_id_is_refused_and_writes_nothing,
    save_does_not_bring_back_a_deleted_session,
    save_does_not_bring_back_an_expired_session,
    delete_deletes_the_session_and_accepts_a_missing_row,
    no_session_is_served_at_or_after_its_expiry,
    an_expiry_with_an_offset_is_the_same_time,
    an_expiry_in_the_far_future_is_stored,
    data_over_the_limit_is_refused_and_nothing_is_truncated,
    data_nested_too_deeply_is_refused_and_nothing_is_written,
    delete_expired_prunes,
    a_caching_session_store_works_over_the_store,
);

async fn a_new_session_comes_back_equal<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let created = new_session(
        &store,
        clock.now(),
        [
            ("", json!("an empty key")),
            ("null", json!(null)),
            ("bools", json!([true, false])),
            (
                "integers",
                json!([0, -1, i64::MIN, u64::MAX, 9_007_199_254_740_993_i64]),
            ),
            (
                "floats",
                json!([0.1, 1.0, -0.0, 1e15, 1e16, -1.8e19, 1e300, 5e-324, f64::MAX]),
            ),
            (
                "text",
                json!("\"\\/\u{8}\u{c}\n\r\t\u{7f} ä ß 漢字 🦀 \u{2028}"),
            ),
            ("nested", json!({"a": [{"b": []}, {}], "": {"c d": [[]]}})),
            ("ключ", json!("a key that is not ASCII")),
        ],
    )
    .await;
    assert_eq!(store.load(&created.id).await.unwrap(), Some(created));
}

async fn an_unknown_id_loads_nothing<M: SessionModel>(db: DatabaseConnection) {
    let (store, _) = store::<M>(db).await;
    assert_eq!(store.load(&Id::default()).await.unwrap(), None);
}

async fn create_draws_a_new_id_when_the_id_is_taken<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let first = new_session(&store, clock.now(), [("who", json!("first"))]).await;
    let mut second = record(clock.now(), [("who", json!("second"))]);
    second.id = first.id;
    store.create(&mut second).await.unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(store.load(&first.id).await.unwrap(), Some(first));
    assert_eq!(store.load(&second.id).await.unwrap(), Some(second));
}

async fn concurrent_creates_with_the_same_id_get_different_ids<M: SessionModel>(
    db: DatabaseConnection,
) {
    let (store, clock) = store::<M>(db).await;
    let id = Id::default();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            let mut record = record(clock.now(), []);
            record.id = id;
            tokio::spawn(async move {
                store.create(&mut record).await.unwrap();
                record.id
            })
        })
        .collect();
    let mut ids = HashSet::new();
    for task in tasks {
        ids.insert(task.await.unwrap());
    }
    assert_eq!(ids.len(), 8);
    assert!(ids.contains(&id));
    assert_eq!(store.count().await.unwrap(), 8);
}

async fn save_replaces_the_data_and_the_expiry<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let mut session =
        new_session(&store, clock.now(), [("old", json!(1)), ("kept", json!(2))]).await;
    session.data = [("kept".into(), json!(3)), ("new".into(), json!(4))].into();
    session.expiry_date += Duration::hours(1);
    store.save(&session).await.unwrap();
    assert_eq!(
        store.load(&session.id).await.unwrap(),
        Some(session.clone())
    );
    // A save that changes nothing still finds the row.
    store.save(&session).await.unwrap();
}

fn is_not_found(outcome: Result<(), Error>) -> bool {
    match outcome {
        Err(Error::Backend(message)) => message == session_store::Error::NotFound.to_string(),
        _ => false,
    }
}

async fn save_of_an_unknown_id_is_refused_and_writes_nothing<M: SessionModel>(
    db: DatabaseConnection,
) {
    let (store, clock) = store::<M>(db).await;
    assert!(is_not_found(store.save(&record(clock.now(), [])).await));
    assert_eq!(row_count(&store).await, 0);
}

async fn save_does_not_bring_back_a_deleted_session<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let session = new_session(&store, clock.now(), [("user", json!(1))]).await;
    let loaded = store.load(&session.id).await.unwrap().unwrap();
    store.delete(&session.id).await.unwrap();
    assert!(is_not_found(store.save(&loaded).await));
    assert_eq!(row_count(&store).await, 0);
}

async fn save_does_not_bring_back_an_expired_session<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let mut session = new_session(&store, clock.now(), [("user", json!(1))]).await;
    clock.set(session.expiry_date);
    session.expiry_date += Duration::hours(1);
    assert!(is_not_found(store.save(&session).await));
    assert_eq!(store.load(&session.id).await.unwrap(), None);
}

async fn delete_deletes_the_session_and_accepts_a_missing_row<M: SessionModel>(
    db: DatabaseConnection,
) {
    let (store, clock) = store::<M>(db).await;
    let mut session = record(clock.now(), []);
    let mut other = record(clock.now(), []);
    store.create(&mut session).await.unwrap();
    store.create(&mut other).await.unwrap();
    store.delete(&session.id).await.unwrap();
    assert_eq!(store.load(&session.id).await.unwrap(), None);
    assert_eq!(store.load(&other.id).await.unwrap(), Some(other));
    store.delete(&session.id).await.unwrap();
}

async fn no_session_is_served_at_or_after_its_expiry<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let expiries = neighbouring_timestamps(clock.now() + Duration::hours(1));
    let sessions = create_expiring(&store, &expiries).await;
    let times = expiries
        .iter()
        .flat_map(|expiry| [*expiry - Duration::MICROSECOND, *expiry]);
    for now in times {
        clock.set(now);
        let active = expiries.iter().filter(|expiry| **expiry > now).count();
        assert_eq!(store.count().await.unwrap(), active as u64, "at {now}");
        assert_eq!(store.active().all(store.db()).await.unwrap().len(), active);
        for session in &sessions {
            let expiry = session.expiry_date;
            let is_active = expiry > now;
            let loaded = store.load(&session.id).await.unwrap();
            assert_eq!(loaded.is_some(), is_active, "{expiry} at {now}");
            let found = store.find(&session.id).await.unwrap();
            assert_eq!(found.is_some(), is_active, "{expiry} at {now}");
            let mut saved = session.clone();
            saved.data.insert("now".into(), json!(now.to_string()));
            assert_eq!(store.save(&saved).await.is_ok(), is_active);
        }
    }
}

async fn an_expiry_with_an_offset_is_the_same_time<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let expiry = clock.now() + Duration::minutes(10) + Duration::milliseconds(500);
    for (hours, minutes) in [(14, 0), (5, 30), (0, 0), (-3, -30), (-12, 0)] {
        clock.set(expiry - Duration::minutes(1));
        let mut session = record(expiry, []);
        session.expiry_date = expiry.to_offset(UtcOffset::from_hms(hours, minutes, 0).unwrap());
        store.create(&mut session).await.unwrap();
        store.save(&session).await.unwrap();
        clock.set(expiry - Duration::MICROSECOND);
        assert_eq!(store.count().await.unwrap(), 1);
        assert_eq!(store.prune().await.unwrap(), 0);
        let loaded = store.load(&session.id).await.unwrap().unwrap();
        assert_eq!(loaded.expiry_date, expiry);
        clock.set(expiry);
        assert_eq!(store.load(&session.id).await.unwrap(), None);
        assert_eq!(store.count().await.unwrap(), 0);
        assert_eq!(store.prune().await.unwrap(), 1);
    }
}

async fn an_expiry_in_the_far_future_is_stored<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let mut session = record(clock.now(), []);
    // The expiry of `Expiry::OnInactivity(Duration::MAX)`.
    session.expiry_date = clock.now().saturating_add(Duration::MAX);
    store.create(&mut session).await.unwrap();
    store.save(&session).await.unwrap();
    let loaded = store.load(&session.id).await.unwrap().unwrap();
    assert_eq!(loaded.expiry_date.year(), 9999);
    assert_eq!(store.prune().await.unwrap(), 0);
    assert_eq!(store.count().await.unwrap(), 1);
}

async fn data_over_the_limit_is_refused_and_nothing_is_truncated<M: SessionModel>(
    db: DatabaseConnection,
) {
    let (store, clock) = store::<M>(db).await;
    let session = new_session(
        &store,
        clock.now(),
        [("fits", json!("x".repeat(1024 * 1024 - 100)))],
    )
    .await;
    assert_eq!(
        store.load(&session.id).await.unwrap(),
        Some(session.clone())
    );

    let mut too_large = session.clone();
    too_large.data.insert("more".into(), json!("y".repeat(200)));
    let Err(Error::Encode(message)) = store.save(&too_large).await else {
        panic!("expected an error")
    };
    assert!(message.contains("the limit is 1048576 bytes"), "{message}");
    assert!(message.contains("the session data is 10486"), "{message}");
    assert!(store.create(&mut too_large).await.is_err());
    assert_eq!(store.load(&session.id).await.unwrap(), Some(session));
    assert_eq!(row_count(&store).await, 1);

    let small = store.with_max_bytes(10);
    assert!(
        small
            .create(&mut record(clock.now(), [("k", json!("0123456789"))]))
            .await
            .is_err()
    );
    small
        .create(&mut record(clock.now(), [("k", json!("0"))]))
        .await
        .unwrap();
}

async fn data_nested_too_deeply_is_refused_and_nothing_is_written<M: SessionModel>(
    db: DatabaseConnection,
) {
    let nested = |levels| (1..levels).fold(json!(1), |value, _| json!([value]));
    let (store, clock) = store::<M>(db).await;
    let deep = new_session(&store, clock.now(), [("deep", nested(31))]).await;
    assert_eq!(store.load(&deep.id).await.unwrap(), Some(deep));

    let Err(Error::Encode(message)) = store
        .create(&mut record(clock.now(), [("deep", nested(128))]))
        .await
    else {
        panic!("expected an error")
    };
    assert!(
        message.contains("nested 128 levels deep, and the limit is"),
        "{message}"
    );
    assert_eq!(row_count(&store).await, 1);
}

async fn delete_expired_prunes<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    store.create(&mut record(clock.now(), [])).await.unwrap();
    let mut active = record(clock.now(), []);
    active.expiry_date += Duration::hours(1);
    store.create(&mut active).await.unwrap();
    clock.advance(Duration::hours(1));
    store.delete_expired().await.unwrap();
    assert_eq!(row_count(&store).await, 1);
    assert_eq!(store.load(&active.id).await.unwrap(), Some(active));
}

async fn a_caching_session_store_works_over_the_store<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let caching = CachingSessionStore::new(MemoryStore::default(), store.clone());
    let mut session: Record = record(clock.now(), [("n", json!(1))]);
    caching.create(&mut session).await.unwrap();
    assert_eq!(
        store.load(&session.id).await.unwrap(),
        Some(session.clone())
    );
    session.data.insert("n".into(), json!(2));
    caching.save(&session).await.unwrap();
    assert_eq!(
        store.load(&session.id).await.unwrap(),
        Some(session.clone())
    );
    // An empty cache loads from the store.
    let caching = CachingSessionStore::new(MemoryStore::default(), store.clone());
    assert_eq!(
        caching.load(&session.id).await.unwrap(),
        Some(session.clone())
    );
    caching.delete(&session.id).await.unwrap();
    assert_eq!(store.load(&session.id).await.unwrap(), None);
    assert_eq!(caching.load(&session.id).await.unwrap(), None);
}
