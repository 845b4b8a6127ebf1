//! The `with_extras` closure, which fills extra columns at run time.

use sea_orm::ActiveValue::Set;
use sea_orm::DatabaseConnection;
use sea_orm::prelude::ChronoDate;
use serde_json::{Value, json};
use tests::{entity, new_session, on_every_database, record, store};
use time::OffsetDateTime;
use time::macros::datetime;
use tower_sessions::SessionStore;
use tower_sessions::session_store::Error;

use crate::extras::{device, row, set_data, store_with_session};

on_every_database!(
    a_closure_fills_columns_at_run_time,
    a_closure_may_leave_a_column_as_it_is,
    an_error_of_the_closure_refuses_the_save,
    a_closure_cannot_set_the_columns_of_the_store,
    a_time_that_a_driver_cannot_encode_is_refused,
);

async fn a_closure_fills_columns_at_run_time(db: DatabaseConnection) {
    let (store, _, mut session) = store_with_session(db, json!({"user_id": 1})).await;
    let store = store.with_extras(|session, row| {
        row.note = Set(Some(format!(
            "{} keys, user {:?}",
            session.data.len(),
            row.user_id
        )));
        Ok(())
    });
    store.save(&session).await.unwrap();
    assert_eq!(
        row(&store).await.note.as_deref(),
        Some("1 keys, user Set(Some(1))")
    );
    set_data(&mut session, json!({}));
    store.save(&session).await.unwrap();
    assert_eq!(
        row(&store).await.note.as_deref(),
        Some("0 keys, user Set(None)")
    );
}

async fn a_closure_may_leave_a_column_as_it_is(db: DatabaseConnection) {
    let (store, clock, mut session) = store_with_session(db, json!({})).await;
    let store = store.with_extras(|session, row| {
        if let Some(note) = session.data.get("note").and_then(Value::as_str) {
            row.note = Set(Some(note.to_owned()));
        }
        Ok(())
    });
    for (user_id, note, expected) in [
        (1, None, None),
        (2, Some("a"), Some("a")),
        (3, None, Some("a")),
        (4, Some("b"), Some("b")),
    ] {
        set_data(&mut session, json!({"user_id": user_id, "note": note}));
        store.save(&session).await.unwrap();
        let row = row(&store).await;
        assert_eq!(
            (row.user_id, row.note.as_deref()),
            (Some(user_id), expected)
        );
        let other = new_session(&store, clock.now(), [("note", json!(note))]).await;
        let other_row = store.find(&other.id).await.unwrap().unwrap();
        assert_eq!((other_row.user_id, other_row.note.as_deref()), (None, note));
        store.delete(&other.id).await.unwrap();
    }
}

async fn an_error_of_the_closure_refuses_the_save(db: DatabaseConnection) {
    let (store, clock, session) = store_with_session(db, json!({"user_id": 1})).await;
    let before = row(&store).await;
    let store = store.with_extras(|_, _| Err("no note today".into()));
    for outcome in [
        store.save(&session).await,
        store.create(&mut record(clock.now(), [])).await,
    ] {
        let message = outcome.unwrap_err().to_string();
        assert!(
            message.contains("the `with_extras` closure failed: no note today"),
            "{message}"
        );
    }
    assert_eq!(row(&store).await, before);
}

async fn a_closure_cannot_set_the_columns_of_the_store(db: DatabaseConnection) {
    let (store, clock) = store::<device::Model>(db).await;
    let store = store.with_extras(|_, row| {
        row.id = Set("mine".to_owned());
        row.data = Set(json!("mine"));
        row.expires_at = Set(OffsetDateTime::UNIX_EPOCH);
        row.created_at = Set(OffsetDateTime::UNIX_EPOCH);
        row.last_seen = Set(None);
        row.version = Set(99);
        Ok(())
    });
    let session = new_session(&store, clock.now(), [("n", json!(1))]).await;
    for version in [0, 1] {
        let row = row(&store).await;
        assert_eq!(row.id, store.sid(&session.id));
        assert_eq!(row.data, json!({"n": 1}));
        assert_eq!(row.expires_at, session.expiry_date);
        assert_eq!(
            (row.created_at, row.last_seen),
            (clock.now(), Some(clock.now()))
        );
        assert_eq!(row.version, version);
        store.save(&session).await.unwrap();
    }
}

entity!(times in "times_session" {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(skip)]
    pub signed_in: Option<TimeDateTimeWithTimeZone>,
    #[session(skip)]
    pub born: Option<ChronoDate>,
});

/// A driver leaves such a value out of the statement without an error. `MySQL`'s loses its connection too.
async fn a_time_that_a_driver_cannot_encode_is_refused(db: DatabaseConnection) {
    let (store, clock) = store::<times::Model>(db).await;
    let session = new_session(&store, clock.now(), []).await;
    for _ in 0..10 {
        for time in [
            datetime!(-0001-12-31 0:00 UTC),
            datetime!(9999-12-31 23:30 -01:00),
            datetime!(2030-01-01 0:00 +01:00:30),
        ] {
            let store = store.clone().with_extras(move |_, row| {
                row.signed_in = Set(Some(time));
                Ok(())
            });
            assert_refused(store.save(&session).await, "`signed_in`");
        }
        let early = store.clone().with_extras(|_, row| {
            row.born = Set(Some(ChronoDate::MIN));
            Ok(())
        });
        assert_refused(early.save(&session).await, "`born`");
    }
    assert_eq!(store.load(&session.id).await.unwrap(), Some(session));
}

fn assert_refused(outcome: Result<(), Error>, column: &str) {
    let Err(Error::Encode(message)) = outcome else {
        panic!("{column}: {outcome:?}")
    };
    assert!(message.contains(column), "{message}");
}
