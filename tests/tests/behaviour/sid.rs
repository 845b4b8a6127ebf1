//! The `sid` column: the hash of the id, or the id itself with `with_plain_sid`.

use sea_orm::{DatabaseConnection, DbBackend, EntityTrait};
use serde_json::json;
use session_store::Id;
use tests::database::execute;
use tests::kinds::json_and_offset::{Entity, Model};
use tests::{layer, new_session, on_every_database, record, store, without_timeouts};
use tower_sessions_core::SessionStore;

on_every_database!(
    the_table_holds_the_hash_of_the_id,
    a_plain_sid_is_the_id_itself,
    plain_ids_that_differ_only_in_case_are_different_sessions,
    neither_debug_output_nor_an_error_contains_an_id,
);

async fn the_table_holds_the_hash_of_the_id(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    let session = new_session(&store, clock.now(), []).await;
    let sid = Entity::find().one(store.db()).await.unwrap().unwrap().sid;
    assert_eq!(sid, store.sid(&session.id));
    assert_eq!(sid.len(), 64);
    assert!(
        sid.bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    );
    assert!(!sid.contains(&session.id.to_string()));
    // A reader of the table cannot use the hash as a cookie.
    assert!(sid.parse::<Id>().is_err());
}

async fn a_plain_sid_is_the_id_itself(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    let plain = store.clone().with_plain_sid();
    let mut session = new_session(&plain, clock.now(), [("n", json!(1))]).await;
    assert_eq!(plain.sid(&session.id), session.id.to_string());
    let row = Entity::find().one(plain.db()).await.unwrap().unwrap();
    assert_eq!(row.sid, session.id.to_string());
    assert_eq!(
        plain.load(&session.id).await.unwrap(),
        Some(session.clone())
    );
    assert_eq!(plain.find(&session.id).await.unwrap(), Some(row));
    session.data.insert("n".into(), json!(2));
    plain.save(&session).await.unwrap();
    assert_eq!(
        plain.load(&session.id).await.unwrap(),
        Some(session.clone())
    );
    assert_eq!(store.load(&session.id).await.unwrap(), None);
    plain.delete(&session.id).await.unwrap();
    assert_eq!(plain.load(&session.id).await.unwrap(), None);
}

async fn plain_ids_that_differ_only_in_case_are_different_sessions(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    // A load with a hashed id before makes no difference.
    assert_eq!(store.load(&Id::default()).await.unwrap(), None);
    let store = store
        .with_plain_sid()
        .with_idle_timeout(time::Duration::days(1));
    let mut lower = record(clock.now(), [("who", json!("lower"))]);
    lower.id = "abcdefghijklmnopqrstuA".parse().unwrap();
    let mut upper = record(clock.now(), [("who", json!("upper"))]);
    upper.id = "ABCDEFGHIJKLMNOPQRSTUA".parse().unwrap();
    store.create(&mut lower).await.unwrap();

    // MariaDB's default collation treats them as equal.
    assert_eq!(store.load(&upper.id).await.unwrap(), None);
    assert_eq!(store.find(&upper.id).await.unwrap(), None);
    assert!(store.save(&upper).await.is_err());
    assert!(!store.touch(&upper.id).await.unwrap());
    store.delete(&upper.id).await.unwrap();
    let kept = store.find(&lower.id).await.unwrap().unwrap();
    assert_eq!(kept.sess, json!({"who": "lower"}));

    // The second session has a separate row; the collation decides whether it keeps its id.
    store.create(&mut upper).await.unwrap();
    let reader = without_timeouts(&store, &clock).with_plain_sid();
    assert_eq!(reader.load(&upper.id).await.unwrap(), Some(upper));
    assert_eq!(reader.load(&lower.id).await.unwrap(), Some(lower));
}

async fn neither_debug_output_nor_an_error_contains_an_id(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    let store = store.with_idle_timeout(time::Duration::days(1));
    let session = new_session(&store, clock.now(), [("secret", json!("hunter2"))]).await;
    let mut texts = vec![format!("{store:?} {:?}", layer(&store))];
    if store.db().get_database_backend() != DbBackend::Sqlite {
        // PostgreSQL adds the row to the error of a violated constraint.
        let check = format!(
            "ALTER TABLE session ADD CHECK (expire < '{}')",
            session.expiry_date.date() + time::Duration::days(1)
        );
        execute(store.db(), &check).await;
        clock.set(session.expiry_date - time::Duration::MINUTE);
        let error = store
            .clone()
            .with_idle_timeout(time::Duration::days(9))
            .touch(&session.id)
            .await;
        texts.push(format!("{:?}", error.unwrap_err()));
    }
    execute(store.db(), "ALTER TABLE session RENAME TO away").await;
    texts.push(format!("{:?}", store.touch(&session.id).await.unwrap_err()));
    texts.push(format!("{:?}", store.save(&session).await.unwrap_err()));
    for text in texts {
        assert!(!text.contains(&session.id.to_string()), "{text}");
        assert!(!text.contains(&store.sid(&session.id)), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
