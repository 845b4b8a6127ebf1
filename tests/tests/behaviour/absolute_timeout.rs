//! The absolute life, which no session outlives.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::routing::get;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DatabaseConnection, DbBackend, EntityTrait, QueryFilter};
use serde_json::json;
use session_store::{CreatedAt, SeaOrmStore, SessionModel};
use tests::database::execute;
use tests::{Clock, Visitor, entity, on_every_database, on_every_database_and_kind, record, store};
use time::{Duration, OffsetDateTime};
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::Error;
use tower_sessions::{Expiry, Session, SessionManagerLayer, SessionStore};

on_every_database_and_kind!(
    a_busy_session_lasts_to_the_end_of_its_absolute_life_and_no_longer,
    a_save_does_not_move_the_end_beyond_the_absolute_life,
    a_touch_does_not_move_the_end_beyond_the_absolute_life,
    a_session_created_with_a_later_end_ends_with_its_absolute_life,
    an_absolute_life_holds_for_sessions_that_are_there_already,
    a_session_whose_age_is_unknown_has_outlived_any_absolute_life,
    without_an_absolute_life_the_age_of_a_session_does_not_matter,
    an_absolute_life_of_any_length_is_none_that_a_database_refuses,
    a_clone_with_another_life_keeps_to_its_own,
);

on_every_database!(
    a_session_keeps_its_age_when_its_id_is_cycled,
    a_session_that_is_cleared_and_cycled_keeps_its_age,
    a_session_that_is_flushed_begins_anew,
    under_the_bare_layer_no_session_outlives_the_life_of_its_row,
    loads_at_the_end_of_the_absolute_life_write_once,
    a_session_is_seen_also_while_its_end_does_not_move,
    a_session_that_was_never_seen_is_seen_at_the_next_load,
    a_cookie_is_not_renewed_where_the_end_does_not_move,
    what_nobody_needs_of_a_damaged_row_is_in_nobodys_way,
);

const LIFE: Duration = Duration::hours(1);
const ABSOLUTE: Duration = Duration::hours(3);

/// A store whose sessions live an hour, touched every ten minutes, and three hours at most.
async fn limited<M: CreatedAt>(db: DatabaseConnection) -> (SeaOrmStore<M>, Clock, Record) {
    let (store, clock) = store::<M>(db).await;
    let store = store
        .with_idle_timeout(LIFE)
        .with_touch_after(Duration::minutes(10))
        .with_absolute_timeout(ABSOLUTE);
    let mut session = record(clock.now(), [("n", json!(1))]);
    store.create(&mut session).await.unwrap();
    (store, clock, session)
}

/// When the row says the session ends, read without the store's help.
async fn row_end<M: SessionModel>(store: &SeaOrmStore<M>, session: &Record) -> OffsetDateTime {
    let reader = SeaOrmStore::<M>::new(store.db().clone());
    let reader = reader.with_clock(|| OffsetDateTime::UNIX_EPOCH);
    reader.load(&session.id).await.unwrap().unwrap().expiry_date
}

async fn is_there<M: SessionModel>(store: &SeaOrmStore<M>, session: &Record) -> bool {
    store.load(&session.id).await.unwrap().is_some()
}

async fn a_clone_with_another_life_keeps_to_its_own<M: CreatedAt>(db: DatabaseConnection) {
    let (limited, clock, mut session) = limited::<M>(db).await;
    let sliding = limited.clone().with_absolute_timeout(Duration::ZERO);
    let plain = sliding.clone().with_idle_timeout(Duration::ZERO);
    let start = clock.now();
    let day = Duration::DAY;
    let in_between = day + Duration::MINUTE;
    for _ in 0..2 {
        for (store, asked, end) in [
            (&limited, day, ABSOLUTE),
            (&sliding, day, day),
            (&sliding, in_between, day),
            (&plain, in_between, in_between),
        ] {
            session.expiry_date = start + asked;
            store.save(&session).await.unwrap();
            assert_eq!(row_end(store, &session).await, start + end);
        }
    }
    clock.advance(ABSOLUTE);
    session.expiry_date = start + day;
    limited.save(&session).await.unwrap_err();
    assert!(!limited.touch(&session.id).await.unwrap());
    sliding.save(&session).await.unwrap();
    clock.advance(day - ABSOLUTE - Duration::MINUTE);
    assert!(!limited.touch(&session.id).await.unwrap());
    assert!(sliding.touch(&session.id).await.unwrap());
}

async fn a_busy_session_lasts_to_the_end_of_its_absolute_life_and_no_longer<M: CreatedAt>(
    db: DatabaseConnection,
) {
    let (store, clock, session) = limited::<M>(db).await;
    let end = clock.now() + ABSOLUTE;
    while clock.now() < end - Duration::minutes(7) {
        clock.advance(Duration::minutes(7));
        let loaded = store.load(&session.id).await.unwrap().unwrap();
        assert!(loaded.expiry_date <= end);
        assert_eq!(row_end(&store, &session).await, loaded.expiry_date);
    }
    assert_eq!(row_end(&store, &session).await, end);
    clock.set(end - Duration::MICROSECOND);
    assert!(is_there(&store, &session).await);
    clock.set(end);
    assert!(!is_there(&store, &session).await);
    assert_eq!(store.count().await.unwrap(), 0);
    assert_eq!(store.prune().await.unwrap(), 1);
}

async fn a_save_does_not_move_the_end_beyond_the_absolute_life<M: CreatedAt>(
    db: DatabaseConnection,
) {
    let (store, clock, mut session) = limited::<M>(db).await;
    let end = clock.now() + ABSOLUTE;
    session.data.insert("n".to_owned(), json!(2));
    for beyond in [Duration::MICROSECOND, Duration::days(30)] {
        session.expiry_date = end + beyond;
        store.save(&session).await.unwrap();
        assert_eq!(row_end(&store, &session).await, end);
    }
    let saved = store.load(&session.id).await.unwrap().unwrap();
    assert_eq!(saved.data, session.data);
    // What is saved may still end it earlier.
    session.expiry_date = clock.now() + Duration::minutes(1);
    store.save(&session).await.unwrap();
    assert_eq!(row_end(&store, &session).await, session.expiry_date);
}

async fn a_touch_does_not_move_the_end_beyond_the_absolute_life<M: CreatedAt>(
    db: DatabaseConnection,
) {
    let (store, clock, session) = limited::<M>(db).await;
    let end = clock.now() + ABSOLUTE;
    for _ in 0..3 {
        clock.advance(Duration::minutes(50));
        assert!(store.touch(&session.id).await.unwrap());
        assert!(row_end(&store, &session).await <= end);
    }
    assert_eq!(row_end(&store, &session).await, end);
    assert!(!store.touch(&session.id).await.unwrap());
    assert!(!store.touch(&Id::default()).await.unwrap());
    clock.set(end);
    assert!(!store.touch(&session.id).await.unwrap());
}

async fn a_session_created_with_a_later_end_ends_with_its_absolute_life<M: CreatedAt>(
    db: DatabaseConnection,
) {
    let (store, clock, _) = limited::<M>(db).await;
    let end = clock.now() + ABSOLUTE;
    let mut session = record(clock.now(), []);
    session.expiry_date = clock.now() + Duration::days(14);
    store.create(&mut session).await.unwrap();
    // What a cache would keep it by.
    assert_eq!(session.expiry_date, end);
    let loaded = store.load(&session.id).await.unwrap().unwrap();
    assert_eq!(loaded.expiry_date, end);
    clock.set(end);
    assert!(!is_there(&store, &session).await);
    assert_eq!(store.prune().await.unwrap(), 2);
}

async fn an_absolute_life_holds_for_sessions_that_are_there_already<M: CreatedAt>(
    db: DatabaseConnection,
) {
    let (unlimited, clock) = store::<M>(db).await;
    let mut session = record(clock.now(), []);
    session.expiry_date = clock.now() + Duration::days(14);
    unlimited.create(&mut session).await.unwrap();
    let store = unlimited
        .clone()
        .with_idle_timeout(LIFE)
        .with_absolute_timeout(ABSOLUTE);
    let end = clock.now() + ABSOLUTE;
    clock.set(end - Duration::MICROSECOND);
    assert_eq!(store.active().all(store.db()).await.unwrap().len(), 1);
    let loaded = store.load(&session.id).await.unwrap().unwrap();
    assert_eq!(loaded.expiry_date, end);
    clock.set(end);
    assert!(!is_there(&store, &session).await);
    assert!(!store.touch(&session.id).await.unwrap());
    let refused = store.save(&session).await;
    assert!(matches!(refused, Err(Error::Backend(_))), "{refused:?}");
    assert!(store.active().all(store.db()).await.unwrap().is_empty());
    assert!(store.find(&session.id).await.unwrap().is_none());
    // Nothing was written: without the limit it is what it was.
    assert_eq!(unlimited.load(&session.id).await.unwrap(), Some(session));
}

async fn a_session_whose_age_is_unknown_has_outlived_any_absolute_life<M: CreatedAt>(
    db: DatabaseConnection,
) {
    let (store, _, session) = limited::<M>(db).await;
    let other = {
        let mut other = record(session.expiry_date - LIFE, []);
        store.create(&mut other).await.unwrap();
        other
    };
    let created_at = M::columns().created_at.unwrap().column;
    M::Entity::update_many()
        .col_expr(created_at, Expr::null())
        .filter(M::columns().sid.eq(store.sid(&session.id)))
        .exec(store.db())
        .await
        .unwrap();
    assert!(!is_there(&store, &session).await);
    assert!(!store.touch(&session.id).await.unwrap());
    assert!(store.save(&session).await.is_err());
    assert!(is_there(&store, &other).await);
    assert_eq!(store.count().await.unwrap(), 1);
}

async fn without_an_absolute_life_the_age_of_a_session_does_not_matter<M: CreatedAt>(
    db: DatabaseConnection,
) {
    let (store, clock, session) = limited::<M>(db).await;
    let store = store.with_absolute_timeout(Duration::ZERO);
    for _ in 0..20 {
        clock.advance(Duration::minutes(50));
        assert!(is_there(&store, &session).await);
    }
}

async fn an_absolute_life_of_any_length_is_none_that_a_database_refuses<M: CreatedAt>(
    db: DatabaseConnection,
) {
    let (store, clock, mut session) = limited::<M>(db).await;
    for absolute in [Duration::days(365 * 3000), Duration::MAX] {
        let store = store.clone().with_absolute_timeout(absolute);
        clock.advance(Duration::minutes(20));
        assert!(store.touch(&session.id).await.unwrap());
        clock.advance(Duration::minutes(20));
        assert!(is_there(&store, &session).await);
        session.expiry_date = clock.now() + LIFE;
        store.save(&session).await.unwrap();
        assert_eq!(store.count().await.unwrap(), 1);
    }
}

async fn loads_at_the_end_of_the_absolute_life_write_once(mut db: DatabaseConnection) {
    let writes = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&writes);
    db.set_metric_callback(move |info| {
        if info.statement.sql.starts_with("UPDATE") {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let (store, clock, session) = limited::<tests::kinds::json_and_offset::Model>(db).await;
    let end = clock.now() + ABSOLUTE;
    while clock.now() < end {
        assert!(is_there(&store, &session).await);
        clock.advance(Duration::minutes(5));
    }
    // At 10, 20, … 110 minutes, and at 120 for the last time.
    assert_eq!(writes.load(Ordering::Relaxed), 12);
}

async fn a_session_is_seen_also_while_its_end_does_not_move(db: DatabaseConnection) {
    let (store, clock, session) = limited::<session::Model>(db).await;
    let store = store.with_idle_timeout(LONG_LIFE);
    let unlimited = store.clone().with_absolute_timeout(Duration::ZERO);
    let mut forever = record(clock.now(), []);
    forever.expiry_date = clock.now() + Duration::days(365);
    unlimited.create(&mut forever).await.unwrap();
    let mut seen = [BTreeSet::new(), BTreeSet::new()];
    for _ in 0..34 {
        clock.advance(Duration::minutes(5));
        let sessions = [(&store, &session), (&unlimited, &forever)];
        for ((store, session), seen) in sessions.into_iter().zip(&mut seen) {
            store.load(&session.id).await.unwrap().unwrap();
            let row = store.find(&session.id).await.unwrap().unwrap();
            assert_eq!(row.expire, row_end(store, session).await);
            seen.insert(row.last_seen);
        }
    }
    // At 5, 15, … 165 minutes; at 0, 10, … 170 minutes.
    assert_eq!(seen.map(|seen| seen.len()), [17, 18]);
    let end = store.find(&session.id).await.unwrap().unwrap().expire;
    assert_eq!(end, session.expiry_date - LIFE + ABSOLUTE);
    let end = unlimited.find(&forever.id).await.unwrap().unwrap().expire;
    assert_eq!(end, forever.expiry_date);
}

async fn a_session_that_was_never_seen_is_seen_at_the_next_load(db: DatabaseConnection) {
    let (store, clock, session) = limited::<session::Model>(db).await;
    session::Entity::update_many()
        .col_expr(session::Column::LastSeen, Expr::null())
        .exec(store.db())
        .await
        .unwrap();
    store.load(&session.id).await.unwrap().unwrap();
    let row = store.find(&session.id).await.unwrap().unwrap();
    assert_eq!(row.last_seen, Some(clock.now()));
}

async fn a_cookie_is_not_renewed_where_the_end_does_not_move(db: DatabaseConnection) {
    let (store, clock) = store::<session::Model>(db).await;
    let store = store.with_idle_timeout(LIFE);
    let mut visitor = Visitor::new(&routes().layer(store.layer()));
    let set = visitor.get("/stay-for-a-year").await.set_cookie.unwrap();
    assert!(set.contains("Max-Age=3153"), "{set}");
    clock.advance(Duration::days(1));
    assert_eq!(visitor.get("/visits").await.set_cookie, None);
    let row = store.find(&visitor.id()).await.unwrap().unwrap();
    assert_eq!(row.last_seen, Some(clock.now()));
}

async fn what_nobody_needs_of_a_damaged_row_is_in_nobodys_way(db: DatabaseConnection) {
    if db.get_database_backend() != DbBackend::Sqlite {
        return; // The others hold no timestamp that is none.
    }
    let (store, _, session) = limited::<session::Model>(db).await;
    execute(
        store.db(),
        "UPDATE session SET created_at = '2999-99-99 00:00:00', last_seen = 'then'",
    )
    .await;
    let unlimited = store.clone().with_absolute_timeout(Duration::ZERO);
    assert!(is_there(&unlimited, &session).await);
    let refused = store.load(&session.id).await;
    assert!(matches!(refused, Err(Error::Decode(_))), "{refused:?}");
    let mut visitor = Visitor::with_cookie(&routes().layer(store.layer()), &session.id.to_string());
    visitor.ok("/anew").await;
    assert_ne!(visitor.id(), session.id);
    assert_eq!(
        session::Entity::find().all(store.db()).await.unwrap().len(),
        1
    );
}

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(created_at)]
    pub created_at: TimeDateTimeWithTimeZone,
    #[session(last_seen)]
    pub last_seen: Option<TimeDateTimeWithTimeZone>,
});

/// tower-sessions takes the end of a session that it saves from the wall's clock, which the test does
/// not move.
const LONG_LIFE: Duration = Duration::hours(10);

fn routes() -> Router {
    Router::new()
        .route(
            "/visit",
            get(async |session: Session| {
                let visits: u32 = session.get("visits").await.unwrap().unwrap_or(0);
                session.insert("visits", visits + 1).await.unwrap();
                (visits + 1).to_string()
            }),
        )
        .route(
            "/cycle",
            get(async |session: Session| session.cycle_id().await.unwrap()),
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
            "/visits",
            get(async |session: Session| {
                let visits: Option<u32> = session.get("visits").await.unwrap();
                visits.unwrap_or(0).to_string()
            }),
        )
        .route(
            "/stay-for-a-year",
            get(async |session: Session| {
                let end = OffsetDateTime::now_utc() + Duration::days(365);
                session.set_expiry(Some(Expiry::AtDateTime(end)));
                session.insert("visits", 1).await.unwrap();
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
            "/anew",
            get(async |session: Session| {
                session.flush().await.unwrap();
                session.insert("visits", 1).await.unwrap();
            }),
        )
        .route(
            "/anew-and-cycle",
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
    let (store, clock) = store::<session::Model>(db).await;
    let store = store
        .with_idle_timeout(LONG_LIFE)
        .with_absolute_timeout(ABSOLUTE);
    let mut visitor = Visitor::new(&routes().layer(store.layer()));
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
        assert_eq!(row.expire, start + ABSOLUTE);
    }
    clock.set(start + ABSOLUTE - Duration::SECOND);
    visitor.ok("/cycle").await;
    clock.set(start + ABSOLUTE);
    assert_eq!(visitor.ok("/visit").await, "1");
}

async fn a_session_that_is_cleared_and_cycled_keeps_its_age(db: DatabaseConnection) {
    let (store, clock) = store::<session::Model>(db).await;
    let store = store
        .with_idle_timeout(LONG_LIFE)
        .with_absolute_timeout(ABSOLUTE);
    let mut visitor = Visitor::new(&routes().layer(store.layer()));
    visitor.ok("/visit").await;
    let start = clock.now();
    for path in ["/clear-and-cycle", "/clear-unread-and-cycle"] {
        clock.advance(Duration::minutes(45));
        let before = visitor.id();
        visitor.ok(path).await;
        assert_ne!(visitor.id(), before);
        assert_eq!(created_at(&store, &visitor).await, start, "{path}");
        assert_eq!(visitor.ok("/visits").await, "1");
    }
    // One that has ended hands its age to no one.
    clock.set(start + ABSOLUTE);
    visitor.ok("/clear-unread-and-cycle").await;
    assert_eq!(created_at(&store, &visitor).await, clock.now());
}

async fn a_session_that_is_flushed_begins_anew(db: DatabaseConnection) {
    let (store, clock) = store::<session::Model>(db).await;
    let store = store
        .with_idle_timeout(LONG_LIFE)
        .with_absolute_timeout(ABSOLUTE);
    let mut visitor = Visitor::new(&routes().layer(store.layer()));
    for path in ["/anew", "/anew-and-cycle"] {
        visitor.ok("/visit").await;
        clock.advance(Duration::minutes(45));
        visitor.ok(path).await;
        assert_eq!(created_at(&store, &visitor).await, clock.now(), "{path}");
        assert_eq!(store.count().await.unwrap(), 1);
    }
}

async fn under_the_bare_layer_no_session_outlives_the_life_of_its_row(db: DatabaseConnection) {
    let (store, clock) = store::<session::Model>(db).await;
    let store = store
        .with_idle_timeout(LONG_LIFE)
        .with_absolute_timeout(ABSOLUTE);
    let layer =
        SessionManagerLayer::new(store.clone()).with_expiry(Expiry::OnInactivity(LONG_LIFE));
    let mut visitor = Visitor::new(&routes().layer(layer));
    let start = clock.now();
    for visits in 1..=6 {
        assert_eq!(visitor.ok("/visit").await, visits.to_string());
        clock.advance(Duration::minutes(30));
    }
    assert_eq!(clock.now(), start + ABSOLUTE);
    assert_eq!(visitor.ok("/visit").await, "1");
}
