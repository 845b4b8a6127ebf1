//! The recipes of `session-store/docs/recipes.md`, over HTTP.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{BoxError, Router};
use sea_orm::DatabaseConnection;
use tests::{Clock, Visitor, entity, on_every_database, session_routes, store, without_timeouts};
use time::Duration;
use tower_sessions::Session;

on_every_database!(
    a_sign_in_ends_the_other_sessions_of_the_user,
    a_sign_in_beyond_the_limit_ends_the_oldest_sessions,
    concurrent_sign_ins_reach_the_limit_and_never_exceed_it,
    a_password_change_signs_out_all_other_sessions,
    a_listed_session_can_be_ended_only_by_its_user,
    operators_see_the_number_of_sessions_per_user,
    only_a_signed_in_visitor_is_a_user,
    a_flash_message_is_shown_once,
    a_page_without_a_flash_message_saves_nothing,
    a_form_is_valid_only_with_the_token_of_its_session,
);

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(index)]
    pub user_id: Option<i32>,
    #[session(created_at)]
    pub created_at: TimeDateTimeWithTimeZone,
    #[session(last_seen)]
    pub last_seen: TimeDateTimeWithTimeZone,
});

/// Includes the code of recipes as the guide has it.
macro_rules! recipes {
    ($($name:ident)*) => {
        $(mod $name {
            #[allow(unused_imports)]
            use super::session;
            include!(concat!("recipes/", stringify!($name), ".rs"));
        })*

        #[test]
        fn the_guide_has_the_code_that_is_tested() {
            let guide = include_str!("../../../session-store/docs/recipes.md");
            $(
                let code = include_str!(concat!("recipes/", stringify!($name), ".rs"));
                assert!(guide.contains(code), stringify!($name));
            )*
            // The first block is the entity.
            let blocks = guide.matches("\n```rust\n").count() - 1;
            let tested = [$(stringify!($name)),*].len();
            assert_eq!(blocks, tested, "the guide has a recipe that is not tested");
        }
    };
}

recipes!(limit password_change revoke_one overview user flash csrf shutdown);

use session::Store;

/// Defines a handler that calls a recipe with the store, the session and a user id.
macro_rules! handler {
    ($recipe:path) => {
        get(
            async |State(store): State<Store>, session: Session, Path(user): Path<i32>| {
                let result = $recipe(&store, &session, user).await;
                result.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
            },
        )
    };
}

async fn sign_in(session: Session, Path(user_id): Path<i32>) {
    session.cycle_id().await.unwrap();
    session.insert("user_id", user_id).await.unwrap();
    session.save().await.unwrap();
}

async fn sign_in_alone(store: &Store, session: &Session, user_id: i32) -> Result<(), BoxError> {
    limit::sign_in(store, session, user_id, 1).await
}

const LIMIT: usize = 5;

async fn sign_in_limited(store: &Store, session: &Session, user_id: i32) -> Result<(), BoxError> {
    limit::sign_in(store, session, user_id, LIMIT as u64).await
}

fn site(store: &Store) -> Router {
    session_routes()
        .route("/sign-in/{user}", get(sign_in))
        .route("/sign-in-alone/{user}", handler!(sign_in_alone))
        .route("/sign-in-limited/{user}", handler!(sign_in_limited))
        .route(
            "/password-changed/{user}",
            handler!(password_change::password_changed),
        )
        .route(
            "/me",
            get(async |user::UserId(user_id): user::UserId| user_id.to_string()),
        )
        .route(
            "/flash/{message}",
            get(async |session: Session, Path(message): Path<String>| {
                flash::set_flash(&session, &message).await.unwrap();
            }),
        )
        .route(
            "/flash",
            get(async |session: Session| {
                let message = flash::take_flash(&session).await.unwrap();
                message.unwrap_or_else(|| "nothing".to_owned())
            }),
        )
        .route(
            "/form",
            get(async |session: Session| csrf::csrf_token(&session).await.unwrap()),
        )
        .route(
            "/submit/{token}",
            get(async |session: Session, Path(token): Path<String>| {
                let is_valid = csrf::is_csrf_token(&session, &token).await.unwrap();
                is_valid.to_string()
            }),
        )
        .layer(store.layer())
        .with_state(store.clone())
}

async fn store_and_site(db: DatabaseConnection) -> (Store, Clock, Router) {
    let (store, clock) = store::<session::Model>(db).await;
    let store = store
        .with_idle_timeout(Duration::days(14))
        .with_touch_after(Duration::ZERO);
    let site = site(&store);
    (store, clock, site)
}

/// Lets visitors request this path, one second apart.
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
        users.push(visitor.ok("/get/user_id").await);
    }
    users
}

async fn a_sign_in_ends_the_other_sessions_of_the_user(db: DatabaseConnection) {
    let (store, clock, site) = store_and_site(db).await;
    let mut others = visitors(&site, &clock, "/sign-in-alone/8", 1).await;
    let mut visitors = visitors(&site, &clock, "/sign-in-alone/7", 3).await;
    assert_eq!(users(&mut visitors).await, ["nothing", "nothing", "7"]);
    assert_eq!(users(&mut others).await, ["8"]);
    assert_eq!(store.count().await.unwrap(), 2);
}

async fn a_sign_in_beyond_the_limit_ends_the_oldest_sessions(db: DatabaseConnection) {
    let (store, clock, site) = store_and_site(db).await;
    let mut others = visitors(&site, &clock, "/sign-in-limited/8", 1).await;
    // Older than all, though it signs in last.
    let mut visitor = visitors(&site, &clock, "/insert/page/1", 1).await.remove(0);
    let mut first = visitors(&site, &clock, "/sign-in-limited/7", LIMIT).await;
    let mut second = visitors(&site, &clock, "/sign-in-limited/7", 1).await;
    visitor.ok("/sign-in-limited/7").await;
    let expected = ["nothing", "nothing", "7", "7", "7"];
    assert_eq!(users(&mut first).await, expected);
    assert_eq!(users(&mut second).await, ["7"]);
    assert_eq!(users(&mut [visitor]).await, ["7"]);
    assert_eq!(users(&mut others).await, ["8"]);
    assert_eq!(store.count().await.unwrap(), LIMIT as u64 + 1);
}

async fn concurrent_sign_ins_reach_the_limit_and_never_exceed_it(db: DatabaseConnection) {
    let (store, clock, site) = store_and_site(db).await;
    for (path, limit) in [("/sign-in-alone/7", 1), ("/sign-in-limited/7", LIMIT)] {
        visitors(&site, &clock, "/sign-in/7", LIMIT).await;
        let concurrent: Vec<_> = (0..4)
            .map(|_| {
                let mut visitor = Visitor::new(&site);
                tokio::spawn(async move {
                    let status = visitor.get(path).await.status;
                    (status, visitor)
                })
            })
            .collect();
        let mut responses = Vec::new();
        for sign_in in concurrent {
            responses.push(sign_in.await.unwrap());
        }
        let mut signed_in = 0;
        for (status, mut visitor) in responses {
            let is_signed_in = visitor.ok("/get/user_id").await == "7";
            // One that failed has been ended by another, and has left nothing behind.
            assert!(status.is_success() || !is_signed_in, "{path}");
            signed_in += usize::from(is_signed_in);
        }
        assert_eq!(signed_in, limit.min(4), "{path}");
        assert_eq!(store.count().await.unwrap(), limit as u64, "{path}");
    }
}

async fn a_password_change_signs_out_all_other_sessions(db: DatabaseConnection) {
    let (store, clock, site) = store_and_site(db).await;
    let mut visitors = visitors(&site, &clock, "/sign-in/7", 3).await;
    let before = visitors[1].id();
    visitors[1].ok("/password-changed/7").await;
    assert_ne!(visitors[1].id(), before);
    assert_eq!(users(&mut visitors).await, ["nothing", "7", "nothing"]);
    assert_eq!(store.count().await.unwrap(), 1);
}

async fn a_listed_session_can_be_ended_only_by_its_user(db: DatabaseConnection) {
    let (store, clock, site) = store_and_site(db).await;
    let mut visitors = visitors(&site, &clock, "/sign-in/7", 2).await;
    let sid = store.sid(&visitors[0].id());
    assert!(!revoke_one::revoke_one(&store, 8, &sid).await.unwrap());
    assert!(revoke_one::revoke_one(&store, 7, &sid).await.unwrap());
    assert!(!revoke_one::revoke_one(&store, 7, &sid).await.unwrap());
    assert_eq!(users(&mut visitors).await, ["nothing", "7"]);
}

async fn operators_see_the_number_of_sessions_per_user(db: DatabaseConnection) {
    let (store, clock, site) = store_and_site(db).await;
    for (path, count) in [("/sign-in/7", 1), ("/sign-in/8", 3), ("/sign-in/9", 1)] {
        visitors(&site, &clock, path, count).await;
    }
    assert_eq!(
        overview::signed_in(&store).await.unwrap(),
        [(8, 3), (7, 1), (9, 1)]
    );
    clock.advance(Duration::days(15));
    assert_eq!(overview::signed_in(&store).await.unwrap(), []);
}

async fn only_a_signed_in_visitor_is_a_user(db: DatabaseConnection) {
    let (_, _, site) = store_and_site(db).await;
    let mut visitor = Visitor::new(&site);
    assert_eq!(visitor.get("/me").await.status, StatusCode::UNAUTHORIZED);
    visitor.ok("/sign-in/7").await;
    assert_eq!(visitor.ok("/me").await, "7");
    visitor.ok("/flush").await;
    assert_eq!(visitor.get("/me").await.status, StatusCode::UNAUTHORIZED);
}

async fn a_flash_message_is_shown_once(db: DatabaseConnection) {
    let (_, _, site) = store_and_site(db).await;
    let mut visitor = Visitor::new(&site);
    visitor.ok("/sign-in/7").await;
    visitor.ok("/flash/saved").await;
    assert_eq!(visitor.ok("/flash").await, "saved");
    assert_eq!(visitor.ok("/flash").await, "nothing");
    assert_eq!(visitor.ok("/me").await, "7");
}

async fn a_page_without_a_flash_message_saves_nothing(db: DatabaseConnection) {
    let (store, clock, site) = store_and_site(db).await;
    // A save would move `last_seen`, and without an idle timeout a load does not.
    let store = without_timeouts(&store, &clock);
    let site_without_touch = self::site(&store);
    let mut visitor = Visitor::new(&site);
    visitor.ok("/sign-in/7").await;
    let id = visitor.id();
    let before = store.find(&id).await.unwrap();
    clock.advance(Duration::HOUR);
    let mut visitor = Visitor::with_cookie(&site_without_touch, &id.to_string());
    assert_eq!(visitor.ok("/flash").await, "nothing");
    assert_eq!(store.find(&id).await.unwrap(), before);
}

async fn a_form_is_valid_only_with_the_token_of_its_session(db: DatabaseConnection) {
    let (_, _, site) = store_and_site(db).await;
    let [mut visitor, mut other] = [Visitor::new(&site), Visitor::new(&site)];
    let token = visitor.ok("/form").await;
    assert_eq!(visitor.ok("/form").await, token);
    let submit = format!("/submit/{token}");
    assert_eq!(visitor.ok(&submit).await, "true");
    assert_eq!(visitor.ok("/submit/made-up").await, "false");
    // A visitor without a token, and one with another.
    assert_eq!(other.ok(&submit).await, "false");
    assert_eq!(other.ok("/submit/made-up").await, "false");
    other.ok("/form").await;
    assert_eq!(other.ok(&submit).await, "false");
}

#[cfg(unix)]
#[tokio::test]
async fn sigterm_completes_the_shutdown() {
    let shutdown = tokio::spawn(shutdown::shutdown());
    // The handler is installed when the future is first polled.
    tokio::task::yield_now().await;
    assert!(!shutdown.is_finished());
    let pid = std::process::id().to_string();
    let mut kill = std::process::Command::new("kill");
    assert!(kill.args(["-TERM", &pid]).status().unwrap().success());
    shutdown.await.unwrap();
}
