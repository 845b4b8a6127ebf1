//! The recipes of `session-store/docs/recipes.md`, over HTTP.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, USER_AGENT};
use axum::http::{Request, StatusCode};
use axum::routing::{get, post};
use axum::{BoxError, Router, middleware};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, Schema};
use session_store::{SeaOrmStore, SessionModel};
use tests::{
    Clock, Visitor, entity, layer, on_every_database, row_count, send, session_routes, store,
};
use time::Duration;
use tower::ServiceExt;
use tower_sessions::Session;

on_every_database!(
    a_sign_in_ends_the_other_sessions_of_the_user,
    a_sign_in_beyond_the_limit_ends_the_oldest_sessions,
    concurrent_sign_ins_reach_the_limit_and_never_exceed_it,
    a_password_change_signs_out_all_other_sessions,
    a_password_change_is_an_authentication,
    a_session_that_is_kept_signed_in_lasts_thirty_days_after_its_last_use,
    a_session_that_is_not_kept_ends_with_the_browser_or_after_half_an_hour,
    the_last_sign_in_says_whether_a_session_is_kept,
    a_sensitive_page_asks_for_a_password_older_than_ten_minutes,
    a_back_channel_logout_by_sid_ends_one_session,
    a_back_channel_logout_by_sub_ends_all_sessions_of_the_user,
    an_invalid_back_channel_logout_ends_nothing,
    a_running_request_does_not_bring_back_a_session_after_a_back_channel_logout,
    a_listed_session_can_be_ended_only_by_its_user,
    operators_see_the_number_of_sessions_per_user,
    only_a_signed_in_visitor_is_a_user,
    a_flash_message_is_shown_once,
    a_page_without_a_flash_message_saves_nothing,
    a_form_is_valid_only_with_the_token_of_its_session,
    an_audit_trail_says_who_was_signed_in_until_when_and_why_it_ended,
    ends_are_counted_by_their_reason,
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
    #[session(header = "user-agent")]
    pub user_agent: Option<String>,
});

/// What recipes get from the rest of an application.
mod of_the_guide {
    pub use super::session;
}

/// Includes the code of recipes as the guide has it.
macro_rules! recipes {
    ($($name:ident)*) => {
        $(mod $name {
            // By a glob, so a recipe may have an entity of its own.
            #[allow(unused_imports)]
            use super::of_the_guide::*;
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

recipes!(
    keep_signed_in sudo limit password_change revoke_one back_channel overview user flash csrf
    audit_trail count_ends shutdown
);

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

async fn sign_in_and_keep(
    State(store): State<Store>,
    session: Session,
    Path((user_id, keep)): Path<(i32, bool)>,
) {
    keep_signed_in::sign_in(&store, &session, user_id, keep)
        .await
        .unwrap();
}

fn site(store: &Store) -> Router {
    let sudo = middleware::from_fn_with_state(store.clone(), sudo::require_recent_password);
    session_routes()
        .route("/sign-in/{user}", get(sign_in))
        .route("/sign-in-alone/{user}", handler!(sign_in_alone))
        .route("/sign-in-limited/{user}", handler!(sign_in_limited))
        .route(
            "/password-changed/{user}",
            handler!(password_change::password_changed),
        )
        .route("/sign-in/{user}/{keep}", get(sign_in_and_keep))
        .route("/sensitive", get(async || "done").route_layer(sudo))
        .route(
            "/confirm-password",
            get(async |State(store): State<Store>, session: Session| {
                store.set_authenticated(&session).await.unwrap();
            }),
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
        .layer(layer(store))
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

async fn a_password_change_is_an_authentication(db: DatabaseConnection) {
    let (_, clock, site) = store_and_site(db).await;
    let mut visitor = visitors(&site, &clock, "/sign-in/7", 1).await.remove(0);
    let asked = visitor.get("/sensitive").await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER);
    visitor.ok("/password-changed/7").await;
    assert_eq!(visitor.ok("/sensitive").await, "done");
}

/// The application of "Keep me signed in".
async fn site_that_keeps(db: DatabaseConnection) -> (Store, Clock, Router) {
    let (store, clock) = store::<session::Model>(db).await;
    let store = store.with_idle_timeout(Duration::minutes(30));
    let site = session_routes()
        .route("/sign-in/{user}/{keep}", get(sign_in_and_keep))
        .layer(layer(&store).with_persistent_cookie(false))
        .with_state(store.clone());
    (store, clock, site)
}

async fn a_session_that_is_kept_signed_in_lasts_thirty_days_after_its_last_use(
    db: DatabaseConnection,
) {
    let (_, clock, site) = site_that_keeps(db).await;
    let mut visitor = Visitor::new(&site);
    let set_cookie = visitor.get("/sign-in/7/true").await.set_cookie.unwrap();
    assert!(set_cookie.contains("Max-Age=2592000"), "{set_cookie}");
    clock.advance(Duration::hours(2));
    let slid = visitor.get("/get/user_id").await;
    let set_cookie = slid.set_cookie.unwrap();
    assert!(set_cookie.contains("Max-Age=2592000"), "{set_cookie}");
    assert_eq!(slid.body, "7");
    for _ in 0..2 {
        clock.advance(Duration::days(29));
        assert_eq!(visitor.ok("/get/user_id").await, "7");
    }
    clock.advance(Duration::days(31));
    assert_eq!(visitor.ok("/get/user_id").await, "nothing");
}

async fn a_session_that_is_not_kept_ends_with_the_browser_or_after_half_an_hour(
    db: DatabaseConnection,
) {
    let (_, clock, site) = site_that_keeps(db).await;
    let mut visitor = Visitor::new(&site);
    let signed_in = visitor.get("/sign-in/7/false").await;
    let set_cookie = signed_in.set_cookie.unwrap();
    assert!(!set_cookie.contains("Max-Age"), "{set_cookie}");
    assert!(!set_cookie.contains("Expires"), "{set_cookie}");
    for _ in 0..2 {
        clock.advance(Duration::minutes(20));
        let read = visitor.get("/get/user_id").await;
        assert_eq!(read.body, "7");
        assert!(!read.set_cookie.is_some_and(|set| set.contains("Max-Age")));
    }
    clock.advance(Duration::minutes(31));
    assert_eq!(visitor.ok("/get/user_id").await, "nothing");
}

async fn the_last_sign_in_says_whether_a_session_is_kept(db: DatabaseConnection) {
    let (_, clock, site) = site_that_keeps(db).await;
    let mut visitor = Visitor::new(&site);
    visitor.ok("/sign-in/7/true").await;
    visitor.ok("/sign-in/7/false").await;
    clock.advance(Duration::minutes(31));
    assert_eq!(visitor.ok("/get/user_id").await, "nothing");
}

async fn a_sensitive_page_asks_for_a_password_older_than_ten_minutes(db: DatabaseConnection) {
    let (_, clock, site) = store_and_site(db).await;
    let mut stranger = Visitor::new(&site);
    let refused = stranger.get("/sensitive").await;
    assert_eq!(refused.status, StatusCode::SEE_OTHER);

    let mut visitor = Visitor::new(&site);
    visitor.ok("/sign-in/7/true").await;
    clock.advance(Duration::minutes(10));
    assert_eq!(visitor.ok("/sensitive").await, "done");
    clock.advance(Duration::SECOND);
    let refused = visitor.get("/sensitive").await;
    assert_eq!(refused.status, StatusCode::SEE_OTHER);
    assert_eq!(refused.body, "");

    let before = visitor.id();
    visitor.ok("/confirm-password").await;
    assert_ne!(visitor.id(), before);
    assert_eq!(visitor.ok("/sensitive").await, "done");
    assert_eq!(visitor.ok("/me").await, "7");
    visitor.ok("/flush").await;
    let refused = visitor.get("/sensitive").await;
    assert_eq!(refused.status, StatusCode::SEE_OTHER);
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

/// A provider's token says `valid`, a sid, and a sub. What is empty is not in the token.
async fn verify(token: String) -> Option<back_channel::LogoutClaims> {
    let claims = token.strip_prefix("valid.")?;
    let (sid, sub) = claims.split_once('.')?;
    let claim = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Some(back_channel::LogoutClaims {
        sid: claim(sid),
        sub: claim(sub),
    })
}

/// An application whose users sign in at a provider: `/callback/{sid}/{sub}`.
fn oidc_site<M: SessionModel>(
    store: &SeaOrmStore<M>,
    back_channel: axum::routing::MethodRouter,
) -> Router {
    let callback = async |session: Session, Path((sid, sub)): Path<(String, String)>| {
        session.insert("oidc_sid", sid).await.unwrap();
        session.insert("oidc_sub", sub).await.unwrap();
    };
    session_routes()
        .route("/callback/{sid}/{sub}", get(callback))
        .layer(layer(store))
        .route("/back-channel-logout", back_channel)
}

/// Posts a logout token. Returns the status.
async fn log_out(site: &Router, body: &str) -> StatusCode {
    let request = Request::post("/back-channel-logout")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body.to_owned()))
        .unwrap();
    let response = site.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    response.status()
}

/// Defines the store and the application of the recipe, and three sessions: two of the user 7.
macro_rules! oidc {
    ($db:ident, $store:ident, $site:ident, $visitors:ident) => {
        let ($store, _) = store::<back_channel::session::Model>($db).await;
        let of_route = $store.clone();
        let logout = post(async move |request| {
            back_channel::back_channel_logout(&of_route, verify, request).await
        });
        let $site = oidc_site(&$store, logout);
        let mut $visitors = vec![Visitor::new(&$site); 3];
        for (visitor, path) in $visitors.iter_mut().zip(["a/7", "b/7", "c/8"]) {
            visitor.ok(&format!("/callback/{path}")).await;
        }
    };
}

async fn subs(visitors: &mut [Visitor]) -> Vec<String> {
    let mut subs = Vec::new();
    for visitor in visitors {
        subs.push(visitor.ok("/get/oidc_sub").await);
    }
    subs
}

async fn a_back_channel_logout_by_sid_ends_one_session(db: DatabaseConnection) {
    oidc!(db, _store, site, visitors);
    assert_eq!(
        log_out(&site, "logout_token=valid.a.7").await,
        StatusCode::OK
    );
    assert_eq!(subs(&mut visitors).await, ["nothing", "7", "8"]);
    // It was signed out already.
    assert_eq!(
        log_out(&site, "logout_token=valid.a.").await,
        StatusCode::OK
    );
    assert_eq!(subs(&mut visitors).await, ["nothing", "7", "8"]);
}

async fn a_back_channel_logout_by_sub_ends_all_sessions_of_the_user(db: DatabaseConnection) {
    oidc!(db, _store, site, visitors);
    assert_eq!(
        log_out(&site, "logout_token=valid..7").await,
        StatusCode::OK
    );
    assert_eq!(subs(&mut visitors).await, ["nothing", "nothing", "8"]);
}

async fn an_invalid_back_channel_logout_ends_nothing(db: DatabaseConnection) {
    oidc!(db, _store, site, visitors);
    for body in [
        "logout_token=forged.a.7",
        "logout_token=valid..",
        "token=valid.a.7",
        "",
    ] {
        let status = log_out(&site, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(subs(&mut visitors).await, ["7", "7", "8"]);
}

async fn a_running_request_does_not_bring_back_a_session_after_a_back_channel_logout(
    db: DatabaseConnection,
) {
    oidc!(db, store, site, visitors);
    for body in ["logout_token=valid.a.7", "logout_token=valid..7"] {
        let id = visitors.remove(0).id();
        let site = site.clone();
        let answer = send(layer(&store), Some(id), move |session: Session| {
            let site = site.clone();
            async move {
                session.insert("visits", 1).await.unwrap();
                session.cycle_id().await.unwrap();
                assert_eq!(log_out(&site, body).await, StatusCode::OK);
                false
            }
        });
        let answer = answer.await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.set_cookie, Some(None));
    }
    assert_eq!(subs(&mut visitors).await, ["8"]);
    assert_eq!(row_count(&store).await, 1);
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
    // A save would move `last_seen`, and without an idle timeout a load does not.
    let (store, clock) = store::<session::Model>(db).await;
    let mut visitor = Visitor::new(&site(&store));
    visitor.ok("/sign-in/7").await;
    let id = visitor.id();
    let before = store.find(&id).await.unwrap();
    clock.advance(Duration::HOUR);
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

async fn an_audit_trail_says_who_was_signed_in_until_when_and_why_it_ended(db: DatabaseConnection) {
    use audit_trail::ended_session;

    let schema = Schema::new(db.get_database_backend());
    let mut table = schema.create_table_from_entity(ended_session::Entity);
    db.execute(&table.take()).await.unwrap();
    let (store, clock) = store::<session::Model>(db).await;
    let store = store.with_idle_timeout(Duration::HOUR);
    let store = audit_trail::with_audit_trail(store);
    let app = session_routes()
        .route("/sign-in/{user}", get(sign_in))
        .layer(layer(&store));
    let began = clock.now();
    for (user, agent) in [(1, "Firefox"), (2, "Chrome"), (3, "Safari")] {
        let request = Request::get(format!("/sign-in/{user}")).header(USER_AGENT, agent);
        let request = request.body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap();
    }
    let of_user = |user: i32| session::Column::UserId.eq(user);
    store.revoke(of_user(1)).await.unwrap();
    clock.advance(Duration::HOUR);
    store.revoke(of_user(2)).await.unwrap();
    store.prune().await.unwrap();
    store.events_delivered().await;

    let entries = ended_session::Entity::find().all(store.db()).await.unwrap();
    let told = entries.iter().map(|entry| {
        assert_eq!(entry.signed_in_at, began);
        let agent = entry.user_agent.as_deref().unwrap();
        (entry.user_id, agent, entry.reason.as_str())
    });
    let told: Vec<_> = told.collect();
    let expected = [
        (Some(1), "Firefox", "revoked"),
        (Some(2), "Chrome", "expired"),
        (Some(3), "Safari", "expired"),
    ];
    assert_eq!(told, expected);
    assert_eq!(entries[2].ended_at, began + Duration::HOUR);
}

async fn ends_are_counted_by_their_reason(db: DatabaseConnection) {
    let (store, _) = store::<session::Model>(db).await;
    let ends = count_ends::Ends::default();
    let store = ends.counted_by(store);
    let app = session_routes()
        .route("/sign-in/{user}", get(sign_in))
        .layer(layer(&store));
    let mut visitors = [1, 2, 3].map(|_| Visitor::new(&app));
    for visitor in &mut visitors {
        visitor.ok("/sign-in/7").await;
    }
    visitors[0].ok("/flush").await;
    store.delete_all().await.unwrap();
    store.events_delivered().await;
    assert_eq!(ends.counts(), [("revoked", 2), ("signed out", 1)].into());
}
