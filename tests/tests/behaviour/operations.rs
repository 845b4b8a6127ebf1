//! Create, save, load and delete, with every kind of column.

use std::collections::HashSet;

use sea_orm::{DatabaseConnection, EntityTrait};
use serde_json::json;
use session_store::{SeaOrmStore, SessionModel};
use tests::{neighbouring_timestamps, on_every_database_and_kind, record, store};
use time::{Duration, UtcOffset};
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, ExpiredDeletion};
use tower_sessions::{CachingSessionStore, MemoryStore, SessionStore};

on_every_database_and_kind!(
    a_new_session_comes_back_equal,
    an_unknown_id_loads_nothing,
    create_draws_a_new_id_when_the_id_is_taken,
    create_at_the_same_time_under_one_id_gives_each_its_own,
    save_replaces_the_data_and_the_end,
    save_of_an_unknown_id_is_refused_and_writes_nothing,
    save_does_not_bring_back_a_deleted_session,
    save_does_not_bring_back_an_expired_session,
    delete_ends_the_session_and_a_missing_row_is_fine,
    nothing_is_served_from_the_moment_of_its_end,
    an_end_with_an_offset_is_the_same_moment,
    an_end_at_the_edge_of_time_is_kept,
    data_over_the_limit_is_refused_and_nothing_is_cut,
    data_nested_too_deep_is_refused_and_nothing_is_written,
    delete_expired_prunes,
    a_caching_store_serves_the_store_behind_it,
);

async fn rows<M: SessionModel>(store: &SeaOrmStore<M>) -> usize {
    M::Entity::find().all(store.db()).await.unwrap().len()
}

async fn a_new_session_comes_back_equal<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let mut created = record(
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
    );
    store.create(&mut created).await.unwrap();
    assert_eq!(store.load(&created.id).await.unwrap(), Some(created));
}

async fn an_unknown_id_loads_nothing<M: SessionModel>(db: DatabaseConnection) {
    let (store, _) = store::<M>(db).await;
    assert_eq!(store.load(&Id::default()).await.unwrap(), None);
}

async fn create_draws_a_new_id_when_the_id_is_taken<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let mut first = record(clock.now(), [("who", json!("first"))]);
    store.create(&mut first).await.unwrap();
    let mut second = record(clock.now(), [("who", json!("second"))]);
    second.id = first.id;
    store.create(&mut second).await.unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(store.load(&first.id).await.unwrap(), Some(first));
    assert_eq!(store.load(&second.id).await.unwrap(), Some(second));
}

async fn create_at_the_same_time_under_one_id_gives_each_its_own<M: SessionModel>(
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

async fn save_replaces_the_data_and_the_end<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let mut session = record(clock.now(), [("old", json!(1)), ("kept", json!(2))]);
    store.create(&mut session).await.unwrap();
    session.data = [("kept".into(), json!(3)), ("new".into(), json!(4))].into();
    session.expiry_date += Duration::hours(1);
    store.save(&session).await.unwrap();
    assert_eq!(
        store.load(&session.id).await.unwrap(),
        Some(session.clone())
    );
    // Saving the same once more still finds the row.
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
    assert_eq!(rows(&store).await, 0);
}

async fn save_does_not_bring_back_a_deleted_session<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let mut session = record(clock.now(), [("user", json!(1))]);
    store.create(&mut session).await.unwrap();
    let loaded = store.load(&session.id).await.unwrap().unwrap();
    store.delete(&session.id).await.unwrap();
    assert!(is_not_found(store.save(&loaded).await));
    assert_eq!(rows(&store).await, 0);
}

async fn save_does_not_bring_back_an_expired_session<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let mut session = record(clock.now(), [("user", json!(1))]);
    store.create(&mut session).await.unwrap();
    let end = session.expiry_date;
    session.expiry_date += Duration::hours(1);
    clock.set(end);
    assert!(is_not_found(store.save(&session).await));
    assert_eq!(store.load(&session.id).await.unwrap(), None);
}

async fn delete_ends_the_session_and_a_missing_row_is_fine<M: SessionModel>(
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

async fn nothing_is_served_from_the_moment_of_its_end<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let start = clock.now();
    let ends = neighbouring_timestamps(start + Duration::hours(1));
    let mut sessions = Vec::new();
    for end in &ends {
        let mut session = record(start, []);
        session.expiry_date = *end;
        store.create(&mut session).await.unwrap();
        sessions.push(session);
    }
    for (passed, end) in ends.iter().enumerate() {
        for (now, ended) in [(*end - Duration::MICROSECOND, passed), (*end, passed + 1)] {
            // The microsecond before one end can be another's.
            let ended = ended.max(ends.iter().filter(|end| **end <= now).count());
            clock.set(now);
            let live = sessions.len() - ended;
            assert_eq!(store.count().await.unwrap(), live as u64, "at {now}");
            assert_eq!(store.active().all(store.db()).await.unwrap().len(), live);
            for (index, session) in sessions.iter().enumerate() {
                let is_live = index >= ended;
                let loaded = store.load(&session.id).await.unwrap();
                assert_eq!(
                    loaded.is_some(),
                    is_live,
                    "{} at {now}",
                    session.expiry_date
                );
                let found = store.find(&session.id).await.unwrap();
                assert_eq!(found.is_some(), is_live, "{} at {now}", session.expiry_date);
                let mut saved = session.clone();
                saved.data.insert("now".into(), json!(now.to_string()));
                assert_eq!(store.save(&saved).await.is_ok(), is_live);
            }
        }
    }
}

async fn an_end_with_an_offset_is_the_same_moment<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let end = clock.now() + Duration::minutes(10) + Duration::milliseconds(500);
    for (hours, minutes) in [(14, 0), (5, 30), (0, 0), (-3, -30), (-12, 0)] {
        clock.set(end - Duration::minutes(1));
        let mut session = record(end, []);
        session.expiry_date = end.to_offset(UtcOffset::from_hms(hours, minutes, 0).unwrap());
        store.create(&mut session).await.unwrap();
        store.save(&session).await.unwrap();
        clock.set(end - Duration::MICROSECOND);
        assert_eq!(store.count().await.unwrap(), 1);
        assert_eq!(store.prune().await.unwrap(), 0);
        let loaded = store.load(&session.id).await.unwrap().unwrap();
        assert_eq!(loaded.expiry_date, end);
        clock.set(end);
        assert_eq!(store.load(&session.id).await.unwrap(), None);
        assert_eq!(store.count().await.unwrap(), 0);
        assert_eq!(store.prune().await.unwrap(), 1);
    }
}

async fn an_end_at_the_edge_of_time_is_kept<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let mut session = record(clock.now(), []);
    // What `Expiry::OnInactivity(Duration::MAX)` comes to.
    session.expiry_date = clock.now().saturating_add(Duration::MAX);
    store.create(&mut session).await.unwrap();
    store.save(&session).await.unwrap();
    let loaded = store.load(&session.id).await.unwrap().unwrap();
    assert_eq!(loaded.expiry_date.year(), 9999);
    assert_eq!(store.prune().await.unwrap(), 0);
    assert_eq!(store.count().await.unwrap(), 1);
}

async fn data_over_the_limit_is_refused_and_nothing_is_cut<M: SessionModel>(
    db: DatabaseConnection,
) {
    let (store, clock) = store::<M>(db).await;
    let mut session = record(
        clock.now(),
        [("fits", json!("x".repeat(1024 * 1024 - 100)))],
    );
    store.create(&mut session).await.unwrap();
    assert_eq!(
        store.load(&session.id).await.unwrap(),
        Some(session.clone())
    );

    let mut too_large = session.clone();
    too_large.data.insert("more".into(), json!("y".repeat(200)));
    let Err(Error::Encode(message)) = store.save(&too_large).await else {
        panic!("saved")
    };
    assert!(message.contains("the limit is 1048576 bytes"), "{message}");
    assert!(message.contains("the session data is 10486"), "{message}");
    assert!(store.create(&mut too_large).await.is_err());
    assert_eq!(store.load(&session.id).await.unwrap(), Some(session));
    assert_eq!(rows(&store).await, 1);

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

async fn data_nested_too_deep_is_refused_and_nothing_is_written<M: SessionModel>(
    db: DatabaseConnection,
) {
    let nested = |levels| (1..levels).fold(json!(1), |value, _| json!([value]));
    let (store, clock) = store::<M>(db).await;
    let mut deep = record(clock.now(), [("deep", nested(31))]);
    store.create(&mut deep).await.unwrap();
    assert_eq!(store.load(&deep.id).await.unwrap(), Some(deep));

    let Err(Error::Encode(message)) = store
        .create(&mut record(clock.now(), [("deep", nested(128))]))
        .await
    else {
        panic!("created")
    };
    assert!(
        message.contains("nested 128 levels deep, and the limit is"),
        "{message}"
    );
    assert_eq!(rows(&store).await, 1);
}

async fn delete_expired_prunes<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    store.create(&mut record(clock.now(), [])).await.unwrap();
    let mut live = record(clock.now(), []);
    live.expiry_date += Duration::hours(1);
    store.create(&mut live).await.unwrap();
    clock.advance(Duration::hours(1));
    store.delete_expired().await.unwrap();
    assert_eq!(rows(&store).await, 1);
    assert_eq!(store.load(&live.id).await.unwrap(), Some(live));
}

async fn a_caching_store_serves_the_store_behind_it<M: SessionModel>(db: DatabaseConnection) {
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
    // A cache that has forgotten the session asks the store.
    let caching = CachingSessionStore::new(MemoryStore::default(), store.clone());
    assert_eq!(
        caching.load(&session.id).await.unwrap(),
        Some(session.clone())
    );
    caching.delete(&session.id).await.unwrap();
    assert_eq!(store.load(&session.id).await.unwrap(), None);
    assert_eq!(caching.load(&session.id).await.unwrap(), None);
}
