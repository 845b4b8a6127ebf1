//! Events: what has happened to sessions, and why they ended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use sea_orm::{ColumnTrait, Condition, DatabaseConnection};
use serde_json::json;
use session_store::{EndReason, Event, Id};
use tests::database::execute;
use tests::{Clock, Visitor, entity, layer, new_session, on_every_database, session_routes, store};
use time::Duration;
use tokio::sync::Semaphore;
use tower_sessions_core::SessionStore;

on_every_database!(
    a_new_session_is_told_of,
    a_renewal_is_told_of_with_both_sids,
    a_sign_out_is_told_of_with_its_row,
    a_revoked_session_is_told_of_with_its_row,
    a_session_that_is_replaced_is_told_of,
    a_session_that_has_expired_is_told_of_when_it_is_pruned,
    a_session_that_had_expired_is_told_of_as_expired_whoever_deletes_it,
    a_damaged_session_is_told_of_without_its_row,
    what_has_failed_is_not_told_of,
    of_sixteen_sign_outs_at_the_same_time_one_is_told_of,
    a_sign_out_that_is_dropped_is_told_of_if_it_happens,
    a_slow_listener_delays_nothing,
    a_listener_that_panics_gets_the_next_event,
    every_listener_gets_every_event,
    events_say_nothing_secret_in_debug_output,
);

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(key = "user")]
    pub user: Option<String>,
    #[session(created_at)]
    pub created_at: TimeDateTimeWithTimeZone,
    #[session(last_seen)]
    pub last_seen: TimeDateTimeWithTimeZone,
    #[session(version)]
    pub version: i64,
});

entity!(damaged {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    /// NULL in the table, though the model says otherwise.
    #[sea_orm(nullable)]
    #[session(skip)]
    pub note: String,
});

type Events = Arc<Mutex<Vec<Event<session::Model>>>>;

async fn a_store(db: DatabaseConnection) -> (session::Store, Clock, Events) {
    let (store, clock) = store::<session::Model>(db).await;
    let store = store.with_idle_timeout(Duration::HOUR);
    let (store, events) = with_listener(store);
    (store, clock, events)
}

fn with_listener(store: session::Store) -> (session::Store, Events) {
    let events = Events::default();
    let told = Arc::clone(&events);
    let store = store.on_event(move |event| {
        told.lock().unwrap().push(event);
        std::future::ready(())
    });
    (store, events)
}

/// Creates the session of a user.
async fn session_of(store: &session::Store, clock: &Clock, user: &str) -> Id {
    let session = new_session(store, clock.now(), [("user", json!(user))]).await;
    session.id
}

/// Returns the events since the last call, as text: the reason and the user of those that ended.
async fn told(store: &session::Store, events: &Events) -> Vec<String> {
    store.events_delivered().await;
    let events: Vec<_> = events.lock().unwrap().drain(..).collect();
    let text = |event: Event<session::Model>| match event {
        Event::Created { .. } => "created".to_owned(),
        Event::Renewed { .. } => "renewed".to_owned(),
        Event::Ended { reason, row, .. } => {
            let user = row.and_then(|row| row.user);
            format!("{reason}: {}", user.as_deref().unwrap_or("-"))
        }
        _ => unreachable!("no other event exists"),
    };
    events.into_iter().map(text).collect()
}

async fn a_new_session_is_told_of(db: DatabaseConnection) {
    let (store, _, events) = a_store(db).await;
    let mut visitor = Visitor::new(&session_routes().layer(layer(&store)));
    visitor.ok("/").await;
    visitor.ok("/get/user").await;
    assert!(told(&store, &events).await.is_empty());
    visitor.ok("/insert/user/ann").await;
    visitor.ok("/insert/user/bob").await;
    store.events_delivered().await;
    let events = events.lock().unwrap();
    let [Event::Created { sid }] = &events[..] else {
        panic!("expected one new session, found {events:?}");
    };
    assert_eq!(*sid, store.sid(&visitor.id()));
}

async fn a_renewal_is_told_of_with_both_sids(db: DatabaseConnection) {
    let (store, _, events) = a_store(db).await;
    let mut visitor = Visitor::new(&session_routes().layer(layer(&store)));
    visitor.ok("/insert/user/ann").await;
    let before = store.sid(&visitor.id());
    told(&store, &events).await;
    visitor.ok("/cycle").await;
    store.events_delivered().await;
    let events = events.lock().unwrap();
    let [Event::Renewed { from, to }] = &events[..] else {
        panic!("expected one renewal, found {events:?}");
    };
    assert_eq!((from, to), (&before, &store.sid(&visitor.id())));
}

async fn a_sign_out_is_told_of_with_its_row(db: DatabaseConnection) {
    let (store, _, events) = a_store(db).await;
    let mut visitor = Visitor::new(&session_routes().layer(layer(&store)));
    visitor.ok("/insert/user/ann").await;
    let row = store.find(&visitor.id()).await.unwrap();
    told(&store, &events).await;
    visitor.ok("/flush").await;
    store.events_delivered().await;
    {
        let events = events.lock().unwrap();
        let [
            Event::Ended {
                sid,
                reason,
                row: ended,
            },
        ] = &events[..]
        else {
            panic!("expected one end, found {events:?}");
        };
        assert_eq!(*reason, EndReason::SignedOut);
        assert_eq!((Some(sid), ended), (row.as_ref().map(|row| &row.sid), &row));
    }
    visitor.ok("/flush").await;
    assert_eq!(told(&store, &events).await.len(), 1, "no row, no event");
}

async fn a_revoked_session_is_told_of_with_its_row(db: DatabaseConnection) {
    let (store, clock, events) = a_store(db).await;
    let keep = session_of(&store, &clock, "ann").await;
    for user in ["ann", "bob", "cat"] {
        session_of(&store, &clock, user).await;
    }
    assert_eq!(told(&store, &events).await, ["created"; 4]);
    assert_eq!(
        store.revoke(session::Column::User.eq("bob")).await.unwrap(),
        1
    );
    assert_eq!(told(&store, &events).await, ["revoked: bob"]);
    let ann = session::Column::User.eq("ann");
    assert_eq!(store.revoke_others(ann, &keep).await.unwrap(), 1);
    assert_eq!(told(&store, &events).await, ["revoked: ann"]);
    assert_eq!(store.delete_all().await.unwrap(), 2);
    let mut rest = told(&store, &events).await;
    rest.sort();
    assert_eq!(rest, ["revoked: ann", "revoked: cat"]);
}

async fn a_session_that_is_replaced_is_told_of(db: DatabaseConnection) {
    let (store, clock, events) = a_store(db).await;
    let mut ids = Vec::new();
    for user in ["one", "two", "three"] {
        ids.push(session_of(&store, &clock, user).await);
        clock.advance(Duration::SECOND);
    }
    told(&store, &events).await;
    let all = Condition::all();
    let revoked = store.revoke_all_but_newest(all, 2, &ids[2]).await.unwrap();
    assert_eq!(revoked, 1);
    assert_eq!(told(&store, &events).await, ["replaced: one"]);
    assert!(store.find(&ids[1]).await.unwrap().is_some());
}

async fn a_session_that_has_expired_is_told_of_when_it_is_pruned(db: DatabaseConnection) {
    let (store, clock, events) = a_store(db).await;
    session_of(&store, &clock, "ann").await;
    clock.advance(Duration::HOUR);
    session_of(&store, &clock, "bob").await;
    told(&store, &events).await;
    assert_eq!(store.prune().await.unwrap(), 1);
    assert_eq!(told(&store, &events).await, ["expired: ann"]);
}

async fn a_session_that_had_expired_is_told_of_as_expired_whoever_deletes_it(
    db: DatabaseConnection,
) {
    let (store, clock, events) = a_store(db).await;
    let store = store.with_absolute_timeout(Duration::hours(2));
    let ann = session_of(&store, &clock, "ann").await;
    session_of(&store, &clock, "bob").await;
    // Beyond the absolute timeout, though its `expire` has not passed.
    let mut cat = new_session(&store, clock.now(), [("user", json!("cat"))]).await;
    cat.expiry_date = clock.now() + Duration::days(9);
    let without_timeouts = tests::without_timeouts(&store, &clock);
    without_timeouts.save(&cat).await.unwrap();
    told(&store, &events).await;
    clock.advance(Duration::hours(2));
    SessionStore::delete(&store, &ann).await.unwrap();
    store.revoke(session::Column::User.eq("bob")).await.unwrap();
    store.delete_all().await.unwrap();
    let expected = ["expired: ann", "expired: bob", "expired: cat"];
    assert_eq!(told(&store, &events).await, expected);
    session_of(&store, &clock, "dan").await;
    store.delete_all().await.unwrap();
    assert_eq!(told(&store, &events).await, ["created", "revoked: dan"]);
}

async fn a_damaged_session_is_told_of_without_its_row(db: DatabaseConnection) {
    let (store, clock) = store::<damaged::Model>(db).await;
    let events = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&events);
    let store = store.on_event(move |event| {
        if let Event::Ended { sid, reason, row } = event {
            told.lock().unwrap().push((sid, reason, row.is_some()));
        }
        std::future::ready(())
    });
    let id = new_session(&store, clock.now(), []).await.id;
    execute(store.db(), "UPDATE session SET note = NULL").await;
    store.revoke(Condition::all()).await.unwrap();
    store.events_delivered().await;
    let expected = (store.sid(&id), EndReason::Damaged, false);
    assert_eq!(*events.lock().unwrap(), [expected]);
}

async fn what_has_failed_is_not_told_of(db: DatabaseConnection) {
    let (store, clock, events) = a_store(db).await;
    let id = session_of(&store, &clock, "ann").await;
    told(&store, &events).await;
    store
        .revoke(session::Column::User.eq("nobody"))
        .await
        .unwrap();
    SessionStore::delete(&store, &Id::default()).await.unwrap();
    assert_eq!(store.prune().await.unwrap(), 0);
    let other = Id::default();
    let refused = store.revoke_all_but_newest(Condition::all(), 1, &other);
    refused.await.unwrap_err();
    store.db().close_by_ref().await.unwrap();
    SessionStore::delete(&store, &id).await.unwrap_err();
    store.delete_all().await.unwrap_err();
    assert!(told(&store, &events).await.is_empty());
}

async fn of_sixteen_sign_outs_at_the_same_time_one_is_told_of(db: DatabaseConnection) {
    let (store, clock, events) = a_store(db).await;
    for _ in 0..8 {
        let id = session_of(&store, &clock, "ann").await;
        told(&store, &events).await;
        let tasks = (0..16).map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                if n % 2 == 0 {
                    SessionStore::delete(&store, &id).await.unwrap();
                } else {
                    store.revoke(session::Column::User.eq("ann")).await.unwrap();
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        let told = told(&store, &events).await;
        assert_eq!(told.len(), 1, "{told:?}");
    }
}

async fn a_sign_out_that_is_dropped_is_told_of_if_it_happens(db: DatabaseConnection) {
    let (store, clock, events) = a_store(db).await;
    let mut ended = 0;
    for micros in 0..40 {
        let id = session_of(&store, &clock, "ann").await;
        let delete = SessionStore::delete(&store, &id);
        let limit = std::time::Duration::from_micros(micros * 50);
        let _ = tokio::time::timeout(limit, delete).await;
        // A statement that was sent may still be on its way.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        ended += usize::from(store.find(&id).await.unwrap().is_none());
    }
    let told = told(&store, &events).await;
    let signed_out = told.iter().filter(|told| *told == "signed out: ann");
    assert_eq!(signed_out.count(), ended);
    assert!(ended > 0, "no sign-out happened");
}

async fn a_slow_listener_delays_nothing(db: DatabaseConnection) {
    let (store, clock, events) = a_store(db).await;
    let gate = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&gate);
    let slow = store.clone().on_event(move |_| {
        let waiting = Arc::clone(&waiting);
        async move { waiting.acquire().await.unwrap().forget() }
    });
    for _ in 0..3 {
        let id = session_of(&slow, &clock, "ann").await;
        SessionStore::delete(&slow, &id).await.unwrap();
    }
    // The other listener has its events, although this one has handled none.
    assert_eq!(told(&store, &events).await.len(), 6);
    gate.add_permits(6);
    slow.events_delivered().await;
    assert_eq!(gate.available_permits(), 0);
}

async fn a_listener_that_panics_gets_the_next_event(db: DatabaseConnection) {
    let (store, clock, events) = a_store(db).await;
    let calls = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&calls);
    let store = store.on_event(move |_| {
        let call = counter.fetch_add(1, Ordering::Relaxed);
        assert!(call != 0, "the closure panics");
        async move { assert!(call != 1, "the future panics") }
    });
    for _ in 0..2 {
        let id = session_of(&store, &clock, "ann").await;
        SessionStore::delete(&store, &id).await.unwrap();
    }
    assert_eq!(told(&store, &events).await.len(), 4);
    assert_eq!(calls.load(Ordering::Relaxed), 4);
}

async fn every_listener_gets_every_event(db: DatabaseConnection) {
    let (store, clock, first) = a_store(db).await;
    let (store, second) = with_listener(store);
    session_of(&store, &clock, "ann").await;
    let clone = store.clone().with_touch_after(Duration::MINUTE);
    clone.delete_all().await.unwrap();
    let expected = ["created", "revoked: ann"];
    assert_eq!(told(&store, &first).await, expected);
    assert_eq!(told(&store, &second).await, expected);
}

async fn events_say_nothing_secret_in_debug_output(db: DatabaseConnection) {
    let (store, clock, events) = a_store(db).await;
    let store = store.with_plain_sid();
    let id = session_of(&store, &clock, "ann").await;
    store.delete_all().await.unwrap();
    store.events_delivered().await;
    let text = format!("{:?}", events.lock().unwrap());
    assert!(text.contains("Revoked"), "{text}");
    assert!(
        !text.contains("ann") && !text.contains(&id.to_string()),
        "{text}"
    );
}
