//! The time of the last use, which a load writes even if the expiry stays.

use std::collections::BTreeSet;

use axum::routing::get;
use sea_orm::sea_query::Expr;
use sea_orm::{DatabaseConnection, EntityTrait};
use serde_json::json;
use tests::{
    Visitor, entity, layer, on_every_database, record, row_expiry, session_routes, store,
    without_timeouts,
};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use tower_sessions::{Expiry, Session};
use tower_sessions_core::SessionStore;

use crate::absolute_timeout::{ABSOLUTE_TIMEOUT, store_with_absolute_timeout};
use crate::idle_timeout::IDLE_TIMEOUT;

on_every_database!(
    last_seen_is_updated_even_if_the_expiry_does_not_move,
    a_load_fills_an_empty_last_seen,
    a_cookie_is_not_renewed_if_the_expiry_does_not_move,
);

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(created_at)]
    pub created_at: TimeDateTimeWithTimeZone,
    #[session(last_seen)]
    pub last_seen: Option<TimeDateTimeWithTimeZone>,
});

async fn last_seen_is_updated_even_if_the_expiry_does_not_move(db: DatabaseConnection) {
    let (store, clock, session) = store_with_absolute_timeout::<session::Model>(db).await;
    let start = clock.now();
    let store = store.with_idle_timeout(Duration::hours(10));
    let unlimited = without_timeouts(&store, &clock)
        .with_idle_timeout(Duration::hours(10))
        .with_touch_after(Duration::minutes(10));
    let end = start + Duration::days(365);
    let at = json!({"at_date_time": end.format(&Rfc3339).unwrap()});
    let mut year_long = record(start, [("session-store.expiry", at)]);
    year_long.expiry_date = end;
    unlimited.create(&mut year_long).await.unwrap();
    let mut seen = [BTreeSet::new(), BTreeSet::new()];
    for _ in 0..34 {
        clock.advance(Duration::minutes(5));
        let sessions = [(&store, &session), (&unlimited, &year_long)];
        for ((store, session), seen) in sessions.into_iter().zip(&mut seen) {
            store.load(&session.id).await.unwrap().unwrap();
            let row = store.find(&session.id).await.unwrap().unwrap();
            assert_eq!(row.expire, row_expiry(store, session).await);
            seen.insert(row.last_seen);
        }
    }
    // At 5, 15, … 165 minutes; at 0, 10, … 170 minutes.
    assert_eq!(seen.map(|seen| seen.len()), [17, 18]);
    let expiry = row_expiry(&store, &session).await;
    assert_eq!(expiry, start + ABSOLUTE_TIMEOUT);
    let expiry = row_expiry(&unlimited, &year_long).await;
    assert_eq!(expiry, year_long.expiry_date);
}

async fn a_load_fills_an_empty_last_seen(db: DatabaseConnection) {
    let (store, clock, session) = store_with_absolute_timeout::<session::Model>(db).await;
    session::Entity::update_many()
        .col_expr(session::Column::LastSeen, Expr::null())
        .exec(store.db())
        .await
        .unwrap();
    store.load(&session.id).await.unwrap().unwrap();
    let row = store.find(&session.id).await.unwrap().unwrap();
    assert_eq!(row.last_seen, Some(clock.now()));
}

async fn a_cookie_is_not_renewed_if_the_expiry_does_not_move(db: DatabaseConnection) {
    let (store, clock) = store::<session::Model>(db).await;
    let store = store.with_idle_timeout(IDLE_TIMEOUT);
    let app = session_routes().route(
        "/stay-for-a-year",
        get(async |session: Session| {
            let expiry = OffsetDateTime::now_utc() + Duration::days(365);
            session.set_expiry(Some(Expiry::AtDateTime(expiry)));
            session.insert("visits", 1).await.unwrap();
        }),
    );
    let mut visitor = Visitor::new(&app.layer(layer(&store)));
    let set = visitor.get("/stay-for-a-year").await.set_cookie.unwrap();
    assert!(set.contains("Max-Age=3153"), "{set}");
    clock.advance(Duration::days(1));
    assert_eq!(visitor.get("/get/visits").await.set_cookie, None);
    let row = store.find(&visitor.id()).await.unwrap().unwrap();
    assert_eq!(row.last_seen, Some(clock.now()));
}
