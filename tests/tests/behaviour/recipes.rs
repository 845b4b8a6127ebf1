//! The recipes of `session-store/docs/recipes.md`, over HTTP.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use sea_orm::{ColumnTrait, Condition, DatabaseConnection, QueryFilter, QueryOrder, QuerySelect};
use tests::{Clock, Visitor, entity, on_every_database, store};
use time::Duration;
use tower_sessions::Session;

on_every_database!(
    one_session_per_user_the_newest_wins,
    at_most_so_many_sessions_per_user_those_used_last_stay,
    two_sign_ins_at_once_never_leave_more_than_the_limit,
    a_changed_password_signs_out_everywhere_else,
    one_session_of_a_list_is_ended_by_its_user_alone,
    operators_see_who_is_signed_in_with_how_many_sessions,
);

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(index)]
    pub user_id: Option<i32>,
    #[session(last_seen)]
    pub last_seen: TimeDateTimeWithTimeZone,
});

use session::{Column, Store};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

async fn sign_in(session: &Session, user_id: i32) -> Result<(), AnyError> {
    session.cycle_id().await?;
    session.insert("user_id", user_id).await?;
    session.save().await?;
    Ok(())
}

async fn sign_in_alone(store: &Store, session: &Session, user_id: i32) -> Result<(), AnyError> {
    sign_in(session, user_id).await?;
    if let Some(id) = session.id() {
        store.revoke_others(Column::UserId.eq(user_id), &id).await?;
    }
    Ok(())
}

const AT_MOST: usize = 3;

async fn sign_in_among_few(store: &Store, session: &Session, user_id: i32) -> Result<(), AnyError> {
    sign_in(session, user_id).await?;
    let this_one = session.id().map(|id| store.sid(&id));
    let others: Vec<String> = store
        .active()
        .filter(Column::UserId.eq(user_id))
        .filter(Column::Sid.is_not_in(this_one))
        .order_by_desc(Column::LastSeen)
        .select_only()
        .column(Column::Sid)
        .into_tuple()
        .all(store.db())
        .await?;
    let surplus = others.into_iter().skip(AT_MOST - 1);
    store.revoke(Column::Sid.is_in(surplus)).await?;
    Ok(())
}

async fn password_changed(store: &Store, session: &Session, user_id: i32) -> Result<(), AnyError> {
    session.cycle_id().await?;
    session.save().await?;
    if let Some(id) = session.id() {
        store.revoke_others(Column::UserId.eq(user_id), &id).await?;
    }
    Ok(())
}

async fn end_one(store: &Store, user_id: i32, sid: &str) -> Result<bool, AnyError> {
    let mine = Condition::all()
        .add(Column::UserId.eq(user_id))
        .add(Column::Sid.eq(sid));
    Ok(store.revoke(mine).await? > 0)
}

async fn signed_in(store: &Store) -> Result<Vec<(i32, i64)>, AnyError> {
    Ok(store
        .active()
        .filter(Column::UserId.is_not_null())
        .select_only()
        .column(Column::UserId)
        .column_as(Column::Sid.count(), "sessions")
        .group_by(Column::UserId)
        .order_by_desc(Column::Sid.count())
        .order_by_asc(Column::UserId)
        .into_tuple()
        .all(store.db())
        .await?)
}

fn status(done: Result<(), AnyError>) -> StatusCode {
    done.map_or(StatusCode::INTERNAL_SERVER_ERROR, |()| StatusCode::OK)
}

fn site(store: &Store) -> Router {
    Router::new()
        .route(
            "/sign-in/{user}",
            get(async |session: Session, Path(user): Path<i32>| {
                status(sign_in(&session, user).await)
            }),
        )
        .route(
            "/sign-in-alone/{user}",
            get(
                async |State(store): State<Store>, session: Session, Path(user): Path<i32>| {
                    status(sign_in_alone(&store, &session, user).await)
                },
            ),
        )
        .route(
            "/sign-in-among-few/{user}",
            get(
                async |State(store): State<Store>, session: Session, Path(user): Path<i32>| {
                    status(sign_in_among_few(&store, &session, user).await)
                },
            ),
        )
        .route(
            "/password-changed/{user}",
            get(
                async |State(store): State<Store>, session: Session, Path(user): Path<i32>| {
                    status(password_changed(&store, &session, user).await)
                },
            ),
        )
        .route(
            "/user",
            get(async |session: Session| {
                let user: Option<i32> = session.get("user_id").await.unwrap();
                user.map_or_else(String::new, |user| user.to_string())
            }),
        )
        .layer(store.layer())
        .with_state(store.clone())
}

async fn open(db: DatabaseConnection) -> (Store, Clock, Router) {
    let (store, clock) = store::<session::Model>(db).await;
    let store = store
        .with_idle_timeout(Duration::days(14))
        .with_touch_after(Duration::ZERO);
    let site = site(&store);
    (store, clock, site)
}

/// Visitors who have come by this path, a second apart.
async fn visitors(site: &Router, clock: &Clock, path: &str, count: usize) -> Vec<Visitor> {
    let mut visitors = vec![Visitor::new(site); count];
    for visitor in &mut visitors {
        clock.advance(Duration::SECOND);
        visitor.ok(path).await;
    }
    visitors
}

async fn users(visitors: &mut [Visitor]) -> Vec<String> {
    let mut users = Vec::new();
    for visitor in visitors {
        users.push(visitor.ok("/user").await);
    }
    users
}

async fn one_session_per_user_the_newest_wins(db: DatabaseConnection) {
    let (store, clock, site) = open(db).await;
    let mut others = visitors(&site, &clock, "/sign-in-alone/8", 1).await;
    let mut visitors = visitors(&site, &clock, "/sign-in-alone/7", 3).await;
    assert_eq!(users(&mut visitors).await, ["", "", "7"]);
    assert_eq!(users(&mut others).await, ["8"]);
    assert_eq!(store.count().await.unwrap(), 2);
}

async fn at_most_so_many_sessions_per_user_those_used_last_stay(db: DatabaseConnection) {
    let (store, clock, site) = open(db).await;
    let mut others = visitors(&site, &clock, "/sign-in-among-few/8", 1).await;
    let mut first = visitors(&site, &clock, "/sign-in-among-few/7", AT_MOST).await;
    clock.advance(Duration::SECOND);
    first[0].ok("/user").await;
    let mut second = visitors(&site, &clock, "/sign-in-among-few/7", 2).await;
    assert_eq!(users(&mut first).await, ["7", "", ""]);
    assert_eq!(users(&mut second).await, ["7", "7"]);
    assert_eq!(users(&mut others).await, ["8"]);
    assert_eq!(store.count().await.unwrap(), 4);
}

async fn two_sign_ins_at_once_never_leave_more_than_the_limit(db: DatabaseConnection) {
    let (store, clock, site) = open(db).await;
    for (path, limit) in [
        ("/sign-in-alone/7", 1),
        ("/sign-in-among-few/7", AT_MOST as u64),
    ] {
        visitors(&site, &clock, "/sign-in/7", AT_MOST).await;
        let at_once: Vec<_> = (0..4)
            .map(|_| {
                let mut visitor = Visitor::new(&site);
                tokio::spawn(async move { visitor.get(path).await.status })
            })
            .collect();
        for visit in at_once {
            visit.await.unwrap();
        }
        assert!(store.count().await.unwrap() <= limit, "{path}");
    }
}

async fn a_changed_password_signs_out_everywhere_else(db: DatabaseConnection) {
    let (store, clock, site) = open(db).await;
    let mut visitors = visitors(&site, &clock, "/sign-in/7", 3).await;
    let before = visitors[1].id();
    visitors[1].ok("/password-changed/7").await;
    assert_ne!(visitors[1].id(), before);
    assert_eq!(users(&mut visitors).await, ["", "7", ""]);
    assert_eq!(store.count().await.unwrap(), 1);
}

async fn one_session_of_a_list_is_ended_by_its_user_alone(db: DatabaseConnection) {
    let (store, clock, site) = open(db).await;
    let mut visitors = visitors(&site, &clock, "/sign-in/7", 2).await;
    let sid = store.sid(&visitors[0].id());
    assert!(!end_one(&store, 8, &sid).await.unwrap());
    assert!(end_one(&store, 7, &sid).await.unwrap());
    assert!(!end_one(&store, 7, &sid).await.unwrap());
    assert_eq!(users(&mut visitors).await, ["", "7"]);
}

async fn operators_see_who_is_signed_in_with_how_many_sessions(db: DatabaseConnection) {
    let (store, clock, site) = open(db).await;
    for (path, count) in [("/sign-in/7", 1), ("/sign-in/8", 3), ("/sign-in/9", 1)] {
        visitors(&site, &clock, path, count).await;
    }
    assert_eq!(signed_in(&store).await.unwrap(), [(8, 3), (7, 1), (9, 1)]);
    clock.advance(Duration::days(15));
    assert_eq!(signed_in(&store).await.unwrap(), []);
}
