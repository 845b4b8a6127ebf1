//! An expiry of its own for each session: what a handler says with `Session::set_expiry` holds.

use std::collections::HashMap;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, DatabaseConnection, DbBackend, EntityTrait, QueryFilter, TransactionTrait,
};
use serde_json::{Value, json};
use session_store::Id;
use session_store::{
    CreatedAt, DefaultStore, SeaOrmStore, SessionModel, SessionRef, express_session,
};
use tests::{
    COOKIE_NAME, Clock, Visitor, entity, layer, on_every_database, session_routes, store,
    without_timeouts,
};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use tower_sessions::{Expiry, Session, SessionManagerLayer};
use tower_sessions_core::SessionStore;

on_every_database!(
    on_inactivity_is_the_idle_timeout_of_the_session,
    on_session_end_sets_a_cookie_until_the_browser_closes,
    at_date_time_ends_the_session_used_or_not,
    an_end_in_the_past_ends_the_session,
    none_is_the_expiry_of_the_store_again,
    an_expiry_is_kept_on_every_node_and_after_a_restart,
    the_absolute_timeout_limits_every_expiry,
    the_expiry_is_invisible_and_comes_back_equal,
    a_column_mirrors_the_idle_timeout,
    a_handler_that_fails_sets_no_expiry,
    a_new_session_after_flush_has_the_expiry_of_the_store,
    an_idle_timeout_of_zero_is_refused_and_nothing_is_saved,
    an_expiry_that_the_store_has_not_written_is_an_error,
    concurrent_requests_keep_an_expiry_and_a_change,
    a_touch_leaves_an_expiry_that_another_request_has_chosen,
    under_a_plain_session_manager_layer_the_expiry_is_kept,
    the_layer_decides_whether_the_cookie_is_persistent,
    a_save_expires_by_the_clock_of_the_store,
    a_clock_that_stands_at_1970_ends_no_session,
    an_expiry_that_another_request_chose_later_is_kept_by_a_request_that_loads_again,
    an_end_that_the_request_itself_has_saved_and_passed_is_no_error,
    the_longest_idle_timeout_ends_before_the_last_day_that_a_column_holds,
    a_plain_save_refuses_an_expiry_that_no_load_accepts,
);

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(created_at)]
    pub created_at: TimeDateTimeWithTimeZone,
    #[session(version)]
    pub version: i64,
    #[session(idle_timeout)]
    pub idle_timeout: Option<i64>,
});

const IDLE_TIMEOUT: Duration = Duration::minutes(30);
const MONTH: Duration = Duration::days(30);

async fn a_store<M: SessionModel>(db: DatabaseConnection) -> (SeaOrmStore<M>, Clock) {
    let (store, clock) = store::<M>(db).await;
    (store.with_idle_timeout(IDLE_TIMEOUT), clock)
}

/// Adds routes that set an expiry: in seconds, and by the clock.
fn routes(clock: &Clock) -> Router {
    async fn at(Path(seconds): Path<i64>, State(clock): State<Clock>, session: Session) {
        let end = clock.now() + Duration::seconds(seconds);
        session.set_expiry(Some(Expiry::AtDateTime(end)));
    }
    session_routes()
        .route("/at/{seconds}", get(at))
        .route(
            "/month",
            get(async |session: Session| {
                session.set_expiry(Some(Expiry::OnInactivity(MONTH)));
            }),
        )
        .route(
            "/month-then-fail",
            get(async |session: Session| {
                session.set_expiry(Some(Expiry::OnInactivity(MONTH)));
                StatusCode::BAD_GATEWAY
            }),
        )
        .route(
            "/session-end",
            get(async |session: Session| session.set_expiry(Some(Expiry::OnSessionEnd))),
        )
        .route(
            "/none",
            get(async |session: Session| session.set_expiry(None)),
        )
        .route(
            "/zero",
            get(async |session: Session| {
                session.set_expiry(Some(Expiry::OnInactivity(Duration::ZERO)));
            }),
        )
        .with_state(clock.clone())
}

/// Signs a visitor in.
async fn visitor<M: SessionModel>(store: &SeaOrmStore<M>, clock: &Clock) -> Visitor {
    let mut visitor = Visitor::new(&routes(clock).layer(layer(store)));
    visitor.ok("/insert/user/ann").await;
    visitor
}

/// When the row of the visitor's session expires.
async fn expire<M: SessionModel>(store: &SeaOrmStore<M>, visitor: &Visitor) -> OffsetDateTime {
    let record = without_touch(store).load(&visitor.id()).await.unwrap();
    record.unwrap().expiry_date
}

fn without_touch<M: SessionModel>(store: &SeaOrmStore<M>) -> SeaOrmStore<M> {
    store.clone().with_touch_after(Duration::MAX)
}

/// Requests that read, save and renew the id, each with the cookie that it sets.
const USES: [&str; 3] = ["/get/user", "/insert/n/1", "/cycle"];

fn max_age(set: &str) -> Option<i64> {
    let age = set.split("Max-Age=").nth(1)?;
    Some(age.split(';').next()?.parse().unwrap())
}

async fn on_inactivity_is_the_idle_timeout_of_the_session(db: DatabaseConnection) {
    let (store, clock) = a_store::<express_session::Model>(db).await;
    let mut visitor = visitor(&store, &clock).await;
    let set = visitor.get("/month").await.set_cookie.unwrap();
    assert_eq!(max_age(&set), Some(MONTH.whole_seconds()));
    assert_eq!(expire(&store, &visitor).await, clock.now() + MONTH);
    for path in USES {
        clock.advance(Duration::days(20));
        let set = visitor.get(path).await.set_cookie.unwrap();
        assert_eq!(max_age(&set), Some(MONTH.whole_seconds()), "{path}");
        assert_eq!(
            expire(&store, &visitor).await,
            clock.now() + MONTH,
            "{path}"
        );
    }
    clock.advance(Duration::days(20));
    assert!(store.touch(&visitor.id()).await.unwrap());
    assert_eq!(expire(&store, &visitor).await, clock.now() + MONTH);
    clock.advance(MONTH - Duration::MICROSECOND);
    assert_eq!(store.count().await.unwrap(), 1);
    clock.advance(Duration::MICROSECOND);
    assert_eq!(visitor.ok("/get/user").await, "nothing");
}

async fn on_session_end_sets_a_cookie_until_the_browser_closes(db: DatabaseConnection) {
    let (store, clock) = a_store::<express_session::Model>(db).await;
    let mut visitor = visitor(&store, &clock).await;
    let set = visitor.get("/session-end").await.set_cookie.unwrap();
    assert_eq!(max_age(&set), None);
    for path in USES {
        clock.advance(Duration::minutes(20));
        let set = visitor.get(path).await.set_cookie.unwrap();
        assert_eq!(max_age(&set), None, "{path}");
        assert_eq!(
            expire(&store, &visitor).await,
            clock.now() + IDLE_TIMEOUT,
            "{path}"
        );
    }
    clock.advance(IDLE_TIMEOUT);
    assert_eq!(visitor.ok("/get/user").await, "nothing");
}

async fn at_date_time_ends_the_session_used_or_not(db: DatabaseConnection) {
    let (store, clock) = a_store::<express_session::Model>(db).await;
    let mut visitor = visitor(&store, &clock).await;
    let end = clock.now() + Duration::HOUR;
    let set = visitor.get("/at/3600").await.set_cookie.unwrap();
    assert_eq!(max_age(&set), Some(3600));
    assert_eq!(expire(&store, &visitor).await, end);
    clock.advance(Duration::minutes(25));
    // A read neither moves the row nor sets the cookie.
    assert_eq!(visitor.get("/get/user").await.set_cookie, None);
    assert!(!store.touch(&visitor.id()).await.unwrap());
    assert_eq!(expire(&store, &visitor).await, end);
    let mut left = 35;
    for path in ["/insert/n/1", "/cycle"] {
        let set = visitor.get(path).await.set_cookie.unwrap();
        assert_eq!(max_age(&set), Some(left * 60), "{path}");
        assert_eq!(expire(&store, &visitor).await, end, "{path}");
        clock.advance(Duration::minutes(10));
        left -= 10;
    }
    clock.set(end - Duration::MICROSECOND);
    assert_eq!(visitor.ok("/get/user").await, "ann");
    clock.set(end);
    assert_eq!(store.count().await.unwrap(), 0);
    assert_eq!(visitor.ok("/get/user").await, "nothing");
    assert_eq!(store.prune().await.unwrap(), 1);
}

async fn an_end_in_the_past_ends_the_session(db: DatabaseConnection) {
    let (store, clock) = a_store::<express_session::Model>(db).await;
    let mut visitor = visitor(&store, &clock).await;
    let set = visitor.get("/at/-60").await.set_cookie.unwrap();
    assert_eq!(max_age(&set), Some(0));
    assert_eq!(store.count().await.unwrap(), 0);
}

async fn none_is_the_expiry_of_the_store_again(db: DatabaseConnection) {
    for path in ["/month", "/session-end", "/at/3600"] {
        let (store, clock) = a_store::<express_session::Model>(db.clone()).await;
        let mut visitor = visitor(&store, &clock).await;
        visitor.ok(path).await;
        let set = visitor.get("/none").await.set_cookie.unwrap();
        assert_eq!(max_age(&set), Some(IDLE_TIMEOUT.whole_seconds()), "{path}");
        assert_eq!(expire(&store, &visitor).await, clock.now() + IDLE_TIMEOUT);
        clock.advance(Duration::minutes(20));
        let set = visitor.get("/get/user").await.set_cookie.unwrap();
        assert_eq!(max_age(&set), Some(IDLE_TIMEOUT.whole_seconds()), "{path}");
        let row = store.find(&visitor.id()).await.unwrap().unwrap();
        assert_eq!(row.sess, r#"{"user":"ann"}"#);
        store.delete_all().await.unwrap();
    }
}

async fn an_expiry_is_kept_on_every_node_and_after_a_restart(db: DatabaseConnection) {
    let (store, clock) = a_store::<express_session::Model>(db).await;
    let mut visitor = visitor(&store, &clock).await;
    visitor.ok("/month").await;
    for days in [20, 25, 29] {
        clock.advance(Duration::days(days));
        let node = DefaultStore::new(store.db().clone())
            .with_clock(clock.reader())
            .with_idle_timeout(Duration::minutes(1));
        let cookie = visitor.id().to_string();
        visitor = Visitor::with_cookie(&routes(&clock).layer(layer(&node)), &cookie);
        let set = visitor.get("/get/user").await.set_cookie.unwrap();
        assert_eq!(max_age(&set), Some(MONTH.whole_seconds()), "{days}");
    }
}

async fn the_absolute_timeout_limits_every_expiry(db: DatabaseConnection) {
    async fn limited<M: CreatedAt>(db: DatabaseConnection) -> (SeaOrmStore<M>, Clock) {
        let (store, clock) = a_store::<M>(db).await;
        (store.with_absolute_timeout(Duration::hours(8)), clock)
    }
    for path in ["/month", "/at/86400"] {
        let (store, clock) = limited::<session::Model>(db.clone()).await;
        let mut visitor = visitor(&store, &clock).await;
        let end = clock.now() + Duration::hours(8);
        let set = visitor.get(path).await.set_cookie.unwrap();
        assert_eq!(max_age(&set), Some(8 * 3600), "{path}");
        clock.advance(Duration::hours(7));
        for used in USES {
            visitor.ok(used).await;
            assert_eq!(expire(&store, &visitor).await, end, "{path} {used}");
        }
        clock.set(end);
        assert_eq!(visitor.ok("/get/user").await, "nothing", "{path}");
        store.delete_all().await.unwrap();
    }
    let (store, clock) = limited::<session::Model>(db).await;
    let mut visitor = visitor(&store, &clock).await;
    visitor.ok("/session-end").await;
    for _ in 0..23 {
        clock.advance(Duration::minutes(20));
        assert_eq!(visitor.ok("/get/user").await, "ann");
    }
    clock.advance(Duration::minutes(20));
    assert_eq!(visitor.ok("/get/user").await, "nothing");
}

async fn the_expiry_is_invisible_and_comes_back_equal(db: DatabaseConnection) {
    let (store, clock) = a_store::<session::Model>(db).await;
    for expiry in [
        Expiry::OnInactivity(Duration::new(86_400, 123_456_789)),
        Expiry::OnSessionEnd,
        Expiry::AtDateTime(clock.now() + Duration::new(3600, 123_456_789)),
    ] {
        let set = move |session: Session| async move {
            session.insert("user", "ann").await.unwrap();
            session.set_expiry(Some(expiry));
            false
        };
        let id = tests::send(layer(&store), None, set).await.cookie(None);
        let read = |session: Session| async move {
            let kept = session.get_value("session-store.expiry").await.unwrap();
            assert_eq!(kept, None);
            // It belongs to the store.
            session.insert("session-store.expiry", 1).await.unwrap();
            let error = session.save().await.unwrap_err().to_string();
            assert!(error.contains("`session-store.expiry`"), "{error}");
            session.remove_value("session-store.expiry").await.unwrap();
            session.insert("n", 1).await.unwrap();
            false
        };
        let answer = tests::send(layer(&store), id, read).await;
        assert_eq!(answer.status, StatusCode::OK);
        let row = store.find(&id.unwrap()).await.unwrap().unwrap();
        let data: HashMap<String, Value> = serde_json::from_value(row.sess).unwrap();
        assert_eq!(own_expiry(&data), format!("{:?}", Some(expiry)));
        assert_eq!((&data["user"], &data["n"]), (&json!("ann"), &json!(1)));
    }
}

/// Returns the text of it: the version of tower-sessions may be another than that of the handlers.
fn own_expiry(data: &HashMap<String, Value>) -> String {
    let (id, never) = (Id::default(), OffsetDateTime::UNIX_EPOCH);
    format!("{:?}", SessionRef::new(&id, data, never).expiry)
}

async fn a_column_mirrors_the_idle_timeout(db: DatabaseConnection) {
    let (store, clock) = a_store::<session::Model>(db).await;
    let mut visitor = visitor(&store, &clock).await;
    for (path, expected) in [
        ("/", None),
        ("/month", Some(MONTH.whole_seconds())),
        ("/insert/n/1", Some(MONTH.whole_seconds())),
        ("/session-end", None),
        ("/month", Some(MONTH.whole_seconds())),
        ("/at/60", None),
        ("/month", Some(MONTH.whole_seconds())),
        ("/none", None),
    ] {
        visitor.ok(path).await;
        let row = store.find(&visitor.id()).await.unwrap().unwrap();
        assert_eq!(row.idle_timeout, expected, "{path}");
    }
}

async fn a_handler_that_fails_sets_no_expiry(db: DatabaseConnection) {
    let (store, clock) = a_store::<express_session::Model>(db).await;
    let mut visitor = visitor(&store, &clock).await;
    let response = visitor.get("/month-then-fail").await;
    assert_eq!(response.status, StatusCode::BAD_GATEWAY);
    assert_eq!(response.set_cookie, None);
    visitor.ok("/insert/n/1").await;
    assert_eq!(expire(&store, &visitor).await, clock.now() + IDLE_TIMEOUT);
}

async fn a_new_session_after_flush_has_the_expiry_of_the_store(db: DatabaseConnection) {
    let (store, clock) = a_store::<express_session::Model>(db).await;
    let mut visitor = visitor(&store, &clock).await;
    visitor.ok("/month").await;
    let set = visitor.get("/flush-then-insert").await.set_cookie.unwrap();
    assert_eq!(max_age(&set), Some(IDLE_TIMEOUT.whole_seconds()));
    assert_eq!(expire(&store, &visitor).await, clock.now() + IDLE_TIMEOUT);
}

async fn an_idle_timeout_of_zero_is_refused_and_nothing_is_saved(db: DatabaseConnection) {
    let (store, clock) = a_store::<express_session::Model>(db).await;
    let mut visitor = visitor(&store, &clock).await;
    let before = store.find(&visitor.id()).await.unwrap();
    let response = visitor.get("/zero").await;
    assert_eq!(response.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(store.find(&visitor.id()).await.unwrap(), before);
}

async fn an_expiry_that_the_store_has_not_written_is_an_error(db: DatabaseConnection) {
    let (store, clock) = a_store::<express_session::Model>(db).await;
    let visitor = visitor(&store, &clock).await;
    express_session::Entity::update_many()
        .col_expr(
            express_session::Column::Sess,
            Expr::val(r#"{"session-store.expiry":"secret"}"#),
        )
        .exec(store.db())
        .await
        .unwrap();
    let error = store.load(&visitor.id()).await.unwrap_err();
    assert!(
        matches!(error, tower_sessions_core::session_store::Error::Decode(_)),
        "{error}"
    );
    assert!(!error.to_string().contains("secret"), "{error}");
}

async fn concurrent_requests_keep_an_expiry_and_a_change(db: DatabaseConnection) {
    let (store, clock) = a_store::<session::Model>(db).await;
    // The slow request has read the session before the other changes it, and is saved after it.
    for (slow, other) in [("/month", "/insert/n/1"), ("/insert/n/1", "/month")] {
        let mut visitor = visitor(&store, &clock).await;
        let mut other_visitor = visitor.clone();
        let app = routes(&clock);
        let id = visitor.id();
        let (slow, other) = (slow.to_owned(), other.to_owned());
        let handler = {
            let store = store.clone();
            let app = app.clone();
            move |session: Session| {
                let (store, app, slow, other) =
                    (store.clone(), app.clone(), slow.clone(), other.clone());
                async move {
                    session.get_value("user").await.unwrap();
                    let mut visitor =
                        Visitor::with_cookie(&app.layer(layer(&store)), &id.to_string());
                    visitor.ok(&other).await;
                    if slow == "/month" {
                        session.set_expiry(Some(Expiry::OnInactivity(MONTH)));
                    } else {
                        session.insert("n", "1").await.unwrap();
                    }
                    false
                }
            }
        };
        let answer = tests::send(layer(&store), Some(id), handler).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(expire(&store, &visitor).await, clock.now() + MONTH);
        assert_eq!(other_visitor.ok("/get/n").await, "1");
        assert_eq!(visitor.ok("/get/user").await, "ann");
    }
}

async fn a_touch_leaves_an_expiry_that_another_request_has_chosen(db: DatabaseConnection) {
    if db.get_database_backend() == DbBackend::Sqlite {
        return; // A statement does not wait for the transaction of another connection.
    }
    let (store, clock) = a_store::<session::Model>(db).await;
    let visitor = visitor(&store, &clock).await;
    clock.advance(Duration::minutes(20));
    let end = clock.now() + Duration::MINUTE;
    let chosen = json!({"session-store.expiry": {"at_date_time": end.format(
        &time::format_description::well_known::Rfc3339).unwrap()}});
    let other = store.db().begin().await.unwrap();
    session::Entity::update_many()
        .col_expr(session::Column::Expire, Expr::val(end))
        .col_expr(session::Column::Sess, Expr::val(chosen))
        .filter(session::Column::Sid.eq(store.sid(&visitor.id())))
        .exec(&other)
        .await
        .unwrap();
    // It has read the row as it was before, or will read it as it is after.
    let touch = {
        let (store, id) = (store.clone(), visitor.id());
        tokio::spawn(async move { store.touch(&id).await.unwrap() })
    };
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    other.commit().await.unwrap();
    assert!(!touch.await.unwrap());
    assert_eq!(expire(&store, &visitor).await, end);
}

async fn under_a_plain_session_manager_layer_the_expiry_is_kept(db: DatabaseConnection) {
    let (store, clock) = a_store::<express_session::Model>(db).await;
    let mut visitor = visitor(&store, &clock).await;
    visitor.ok("/month").await;
    let id = visitor.id();
    let plain = SessionManagerLayer::new(store.clone())
        .with_name(COOKIE_NAME)
        .with_expiry(Expiry::OnInactivity(Duration::days(7)));
    let mut plain = Visitor::with_cookie(&routes(&clock).layer(plain), &id.to_string());
    plain.ok("/insert/n/1").await;
    clock.advance(Duration::days(5));
    visitor.ok("/get/n").await;
    assert_eq!(expire(&store, &visitor).await, clock.now() + MONTH);
    // A save there does not outlast the end.
    visitor.ok("/at/3600").await;
    plain.ok("/insert/n/2").await;
    assert_eq!(expire(&store, &visitor).await, clock.now() + Duration::HOUR);
}

async fn the_layer_decides_whether_the_cookie_is_persistent(db: DatabaseConnection) {
    let (store, clock) = a_store::<express_session::Model>(db).await;
    let without_idle_timeout = without_timeouts(&store, &clock);
    let two_weeks = Some(Duration::weeks(2).whole_seconds());
    for (layer, expected) in [
        (layer(&store), Some(IDLE_TIMEOUT.whole_seconds())),
        (layer(&store).with_persistent_cookie(false), None),
        (layer(&without_idle_timeout), None),
        (
            layer(&without_idle_timeout).with_persistent_cookie(true),
            two_weeks,
        ),
    ] {
        let mut visitor = Visitor::new(&routes(&clock).layer(layer));
        let set = visitor.get("/insert/user/ann").await.set_cookie.unwrap();
        assert_eq!(max_age(&set), expected);
        clock.advance(Duration::minutes(20));
        if let Some(set) = visitor.get("/get/user").await.set_cookie {
            assert_eq!(max_age(&set), expected);
        }
        let set = visitor.get("/month").await.set_cookie.unwrap();
        assert_eq!(max_age(&set), Some(MONTH.whole_seconds()));
        let set = visitor.get("/none").await.set_cookie.unwrap();
        assert_eq!(max_age(&set), expected);
    }
}

async fn a_save_expires_by_the_clock_of_the_store(db: DatabaseConnection) {
    let (store, clock) = a_store::<express_session::Model>(db).await;
    for by in [Duration::days(365), -Duration::days(730)] {
        clock.advance(by);
        let mut visitor = visitor(&store, &clock).await;
        assert_eq!(expire(&store, &visitor).await, clock.now() + IDLE_TIMEOUT);
        clock.advance(Duration::minutes(10));
        visitor.ok("/insert/n/1").await;
        assert_eq!(expire(&store, &visitor).await, clock.now() + IDLE_TIMEOUT);
        assert_eq!(visitor.ok("/get/user").await, "ann");
    }
}

async fn a_clock_that_stands_at_1970_ends_no_session(db: DatabaseConnection) {
    let (store, clock) = a_store::<express_session::Model>(db).await;
    let mut visitor = visitor(&store, &clock).await;
    let before = store.find(&visitor.id()).await.unwrap();
    let stopped = store.clone().with_clock(|| OffsetDateTime::UNIX_EPOCH);
    assert!(stopped.load(&visitor.id()).await.unwrap().is_some());
    assert_eq!(store.find(&visitor.id()).await.unwrap(), before);
    assert_eq!(visitor.ok("/get/user").await, "ann");
}

async fn an_expiry_that_another_request_chose_later_is_kept_by_a_request_that_loads_again(
    db: DatabaseConnection,
) {
    let (store, clock) = a_store::<session::Model>(db).await;
    let visitor = visitor(&store, &clock).await;
    let (app, id) = (routes(&clock).layer(layer(&store)), visitor.id());
    let handler = move |session: Session| {
        let mut other = Visitor::with_cookie(&app, &id.to_string());
        async move {
            session.set_expiry(Some(Expiry::OnInactivity(MONTH)));
            session.save().await.unwrap();
            other.ok("/session-end").await;
            session.load().await.unwrap();
            session.insert("n", 1).await.unwrap();
            false
        }
    };
    let answer = tests::send(layer(&store), Some(id), handler).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(expire(&store, &visitor).await, clock.now() + IDLE_TIMEOUT);
}

async fn an_end_that_the_request_itself_has_saved_and_passed_is_no_error(db: DatabaseConnection) {
    let (store, clock) = a_store::<express_session::Model>(db).await;
    let visitor = visitor(&store, &clock).await;
    let now = clock.now();
    let handler = move |session: Session| async move {
        session.set_expiry(Some(Expiry::AtDateTime(now)));
        session.save().await.unwrap();
        false
    };
    let app = axum::Router::new().route(
        "/",
        get(async move |session: Session| {
            handler(session).await;
        }),
    );
    let cookie = visitor.id().to_string();
    let mut visitor = Visitor::with_cookie(&app.layer(layer(&store)), &cookie);
    let response = visitor.get("/").await;
    assert_eq!(response.status, StatusCode::OK);
    assert_eq!(max_age(&response.set_cookie.unwrap()), Some(0));
    assert_eq!(store.count().await.unwrap(), 0);
}

async fn the_longest_idle_timeout_ends_before_the_last_day_that_a_column_holds(
    db: DatabaseConnection,
) {
    let (store, _) = a_store::<express_session::Model>(db).await;
    let handler = |session: Session| async move {
        session.set_expiry(Some(Expiry::OnInactivity(Duration::MAX)));
        session.insert("n", 1).await.unwrap();
        false
    };
    let id = tests::send(layer(&store), None, handler).await.cookie(None);
    let last = datetime!(9999-12-31 00:00 UTC);
    for _ in 0..2 {
        let row = store.find(&id.unwrap()).await.unwrap().unwrap();
        assert_eq!(row.expire, last);
        assert!(!store.touch(&id.unwrap()).await.unwrap());
    }
}

async fn a_plain_save_refuses_an_expiry_that_no_load_accepts(db: DatabaseConnection) {
    let (store, clock) = a_store::<express_session::Model>(db).await;
    let mut record = tests::new_session(&store, clock.now(), [("n", json!(1))]).await;
    for value in [
        json!(1),
        json!(null),
        json!({"on_inactivity": {"secs": -1, "nanos": 0}}),
    ] {
        record.data.insert("session-store.expiry".to_owned(), value);
        let error = store.save(&record).await.unwrap_err().to_string();
        assert!(error.contains("`session-store.expiry`"), "{error}");
    }
    assert!(store.load(&record.id).await.unwrap().is_some());
}
