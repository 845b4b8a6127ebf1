//! The age of a session, which its `created_at` column keeps when its id changes.

use axum::Router;
use axum::routing::get;
use sea_orm::{DatabaseConnection, DbBackend};
use tests::database::execute;
use tests::{
    Clock, Visitor, entity, layer, on_every_database, row_count, session_routes, store,
    without_timeouts,
};
use time::{Duration, OffsetDateTime};
use tower_sessions::{Expiry, Session, SessionManagerLayer};
use tower_sessions_core::SessionStore;
use tower_sessions_core::session_store::Error;

use crate::absolute_timeout::{ABSOLUTE_TIMEOUT, store_with_absolute_timeout};

on_every_database!(
    a_session_keeps_its_age_when_its_id_is_cycled,
    a_session_that_is_cleared_and_cycled_keeps_its_age,
    a_flush_resets_the_age,
    under_a_plain_session_manager_layer_the_absolute_timeout_holds,
    unreadable_timestamps_are_ignored_unless_they_are_needed,
);

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(created_at)]
    pub created_at: TimeDateTimeWithTimeZone,
    #[session(last_seen)]
    pub last_seen: Option<TimeDateTimeWithTimeZone>,
});

/// Longer than the absolute timeout: tower-sessions computes the expiry of a saved session from the
/// system clock, which the test does not move.
const IDLE_TIMEOUT: Duration = Duration::hours(10);

async fn store_with_timeouts(db: DatabaseConnection) -> (session::Store, Clock) {
    let (store, clock) = store::<session::Model>(db).await;
    let store = store
        .with_idle_timeout(IDLE_TIMEOUT)
        .with_absolute_timeout(ABSOLUTE_TIMEOUT);
    (store, clock)
}

fn routes() -> Router {
    session_routes()
        .route(
            "/visit",
            get(async |session: Session| {
                let visits: u32 = session.get("visits").await.unwrap().unwrap_or(0);
                session.insert("visits", visits + 1).await.unwrap();
                (visits + 1).to_string()
            }),
        )
        .route(
            "/cycle-twice",
            get(async |session: Session| {
                session.cycle_id().await.unwrap();
                session.save().await.unwrap();
                session.cycle_id().await.unwrap();
            }),
        )
        .route(
            "/clear-and-cycle",
            get(async |session: Session| {
                let visits: u32 = session.get("visits").await.unwrap().unwrap();
                session.clear().await;
                session.insert("visits", visits).await.unwrap();
                session.cycle_id().await.unwrap();
            }),
        )
        .route(
            "/clear-unread-and-cycle",
            get(async |session: Session| {
                session.clear().await;
                session.insert("visits", 1).await.unwrap();
                session.cycle_id().await.unwrap();
            }),
        )
        .route(
            "/flush-then-insert-and-cycle",
            get(async |session: Session| {
                session.flush().await.unwrap();
                session.insert("visits", 1).await.unwrap();
                session.cycle_id().await.unwrap();
            }),
        )
}

async fn created_at(store: &session::Store, visitor: &Visitor) -> OffsetDateTime {
    store.find(&visitor.id()).await.unwrap().unwrap().created_at
}

async fn a_session_keeps_its_age_when_its_id_is_cycled(db: DatabaseConnection) {
    let (store, clock) = store_with_timeouts(db).await;
    let mut visitor = Visitor::new(&routes().layer(layer(&store)));
    visitor.ok("/visit").await;
    let start = clock.now();
    for (visits, path) in (2..).zip(["/cycle", "/cycle-twice", "/cycle"]) {
        clock.advance(Duration::minutes(45));
        let before = visitor.id();
        visitor.ok(path).await;
        assert_ne!(visitor.id(), before);
        assert_eq!(created_at(&store, &visitor).await, start);
        assert_eq!(visitor.ok("/visit").await, visits.to_string());
        let row = store.find(&visitor.id()).await.unwrap().unwrap();
        assert_eq!(row.expire, start + ABSOLUTE_TIMEOUT);
    }
    clock.set(start + ABSOLUTE_TIMEOUT - Duration::SECOND);
    visitor.ok("/cycle").await;
    clock.set(start + ABSOLUTE_TIMEOUT);
    assert_eq!(visitor.ok("/visit").await, "1");
}

async fn a_session_that_is_cleared_and_cycled_keeps_its_age(db: DatabaseConnection) {
    let (store, clock) = store_with_timeouts(db).await;
    let mut visitor = Visitor::new(&routes().layer(layer(&store)));
    visitor.ok("/visit").await;
    let start = clock.now();
    for path in ["/clear-and-cycle", "/clear-unread-and-cycle"] {
        clock.advance(Duration::minutes(45));
        let before = visitor.id();
        visitor.ok(path).await;
        assert_ne!(visitor.id(), before);
        assert_eq!(created_at(&store, &visitor).await, start, "{path}");
        assert_eq!(visitor.ok("/get/visits").await, "1");
    }
    // After an expired session, the age starts again.
    clock.set(start + ABSOLUTE_TIMEOUT);
    visitor.ok("/clear-unread-and-cycle").await;
    assert_eq!(created_at(&store, &visitor).await, clock.now());
}

async fn a_flush_resets_the_age(db: DatabaseConnection) {
    let (store, clock) = store_with_timeouts(db).await;
    let mut visitor = Visitor::new(&routes().layer(layer(&store)));
    for path in ["/flush-then-insert", "/flush-then-insert-and-cycle"] {
        visitor.ok("/visit").await;
        clock.advance(Duration::minutes(45));
        visitor.ok(path).await;
        assert_eq!(created_at(&store, &visitor).await, clock.now(), "{path}");
        assert_eq!(store.count().await.unwrap(), 1);
    }
}

async fn under_a_plain_session_manager_layer_the_absolute_timeout_holds(db: DatabaseConnection) {
    let (store, clock) = store_with_timeouts(db).await;
    let layer =
        SessionManagerLayer::new(store.clone()).with_expiry(Expiry::OnInactivity(IDLE_TIMEOUT));
    let mut visitor = Visitor::new(&routes().layer(layer));
    let start = clock.now();
    for visits in 1..=6 {
        assert_eq!(visitor.ok("/visit").await, visits.to_string());
        clock.advance(Duration::minutes(30));
    }
    assert_eq!(clock.now(), start + ABSOLUTE_TIMEOUT);
    assert_eq!(visitor.ok("/visit").await, "1");
}

async fn unreadable_timestamps_are_ignored_unless_they_are_needed(db: DatabaseConnection) {
    if db.get_database_backend() != DbBackend::Sqlite {
        return; // The other databases refuse an invalid timestamp.
    }
    let (store, clock, session) = store_with_absolute_timeout::<session::Model>(db).await;
    execute(
        store.db(),
        "UPDATE session SET created_at = '2999-99-99 00:00:00', last_seen = 'then'",
    )
    .await;
    let unlimited = without_timeouts(&store, &clock);
    assert!(unlimited.load(&session.id).await.unwrap().is_some());
    let outcome = store.load(&session.id).await;
    assert!(matches!(outcome, Err(Error::Decode(_))), "{outcome:?}");
    let app = routes().layer(layer(&store));
    let mut visitor = Visitor::with_cookie(&app, &session.id.to_string());
    visitor.ok("/flush-then-insert").await;
    assert_ne!(visitor.id(), session.id);
    assert_eq!(row_count(&store).await, 1);
}
