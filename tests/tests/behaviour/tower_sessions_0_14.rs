//! The traits of tower-sessions 0.14, which axum-login 0.18 uses: the store keeps the same promises.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use axum_login::tower_sessions::session::{Id, Record};
use axum_login::tower_sessions::session_store::{Error, ExpiredDeletion, SessionStore};
use axum_login::tower_sessions::{Expiry, Session, SessionManagerLayer};
use axum_login::{
    AuthManager, AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend, UserId,
};
use axum_messages::{Messages, MessagesManagerLayer};
use sea_orm::DatabaseConnection;
use serde_json::json;
use session_store::SessionInfo;
use tests::database::take_connections;
use tests::{Clock, Visitor, entity, on_every_database, row_count, store};
use time::{Duration, OffsetDateTime};
use tower::layer::layer_fn;

on_every_database!(
    a_session_of_0_14_comes_back_equal_also_through_the_current_version,
    a_save_of_0_14_does_not_bring_back_a_deleted_session,
    a_load_of_0_14_touches_the_session,
    a_create_of_0_14_replaces_an_id_that_is_taken,
    a_dropped_create_of_0_14_leaves_the_record_unchanged,
    errors_of_0_14_keep_their_kind,
    delete_expired_of_0_14_prunes,
    axum_login_fills_the_user_id_column_by_a_pointer,
    a_session_of_axum_login_can_be_revoked_by_its_user_id,
    under_axum_login_the_changes_of_two_requests_are_merged,
    a_login_during_which_the_session_is_ended_leaves_no_session,
    set_authenticated_and_login_give_one_new_id_and_keep_one_row,
    a_login_of_a_session_with_a_user_keeps_its_id_without_set_authenticated,
    a_logout_ends_the_session_and_removes_its_cookie,
    under_axum_login_a_visitor_who_only_reads_stays_signed_in,
    a_changed_password_ends_the_session_and_removes_its_cookie,
    a_login_with_the_cookie_from_before_a_changed_password_begins_a_new_session,
    an_expiry_that_is_set_at_login_holds_for_later_requests,
    axum_login_answers_500_if_the_session_cannot_be_loaded,
    a_middleware_around_axum_login_learns_why_the_session_cannot_be_loaded,
    a_flash_message_of_axum_messages_is_shown_once,
);

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(pointer = "/axum-login.data/user_id", index)]
    pub user_id: Option<i32>,
});

// The application under `store.layer_for()`.
entity!(versioned {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(pointer = "/axum-login.data/user_id", index)]
    pub user_id: Option<i32>,
    #[session(created_at)]
    pub created_at: TimeDateTimeWithTimeZone,
    #[session(version)]
    pub version: i64,
});

async fn store_with_idle_timeout(db: DatabaseConnection) -> (session::Store, Clock) {
    let (store, clock) = store::<session::Model>(db).await;
    (store.with_idle_timeout(Duration::HOUR), clock)
}

/// Returns a record of tower-sessions 0.14 that expires an hour after `now`.
pub(crate) fn record(now: OffsetDateTime) -> Record {
    Record {
        id: Id::default(),
        data: [("n".to_owned(), json!({ "deep": [1, 2.5, null] }))].into(),
        expiry_date: now + Duration::HOUR,
    }
}

async fn a_session_of_0_14_comes_back_equal_also_through_the_current_version(
    db: DatabaseConnection,
) {
    let (store, clock) = store_with_idle_timeout(db).await;
    let mut session = record(clock.now());
    SessionStore::create(&store, &mut session).await.unwrap();
    session.data.insert("more".to_owned(), json!("words"));
    SessionStore::save(&store, &session).await.unwrap();
    let loaded = SessionStore::load(&store, &session.id).await.unwrap();
    assert_eq!(loaded, Some(session.clone()));

    let id = session_store::Id(session.id.0);
    let loaded = tower_sessions::SessionStore::load(&store, &id).await;
    assert_eq!(
        loaded.unwrap().map(|loaded| loaded.data),
        Some(session.data)
    );

    SessionStore::delete(&store, &session.id).await.unwrap();
    assert_eq!(store.count().await.unwrap(), 0);
}

async fn a_save_of_0_14_does_not_bring_back_a_deleted_session(db: DatabaseConnection) {
    let (store, clock) = store_with_idle_timeout(db).await;
    let mut session = record(clock.now());
    SessionStore::create(&store, &mut session).await.unwrap();
    SessionStore::delete(&store, &session.id).await.unwrap();
    SessionStore::save(&store, &session).await.unwrap_err();
    assert_eq!(store.count().await.unwrap(), 0);
}

async fn a_load_of_0_14_touches_the_session(db: DatabaseConnection) {
    let (store, clock) = store_with_idle_timeout(db).await;
    let mut session = record(clock.now());
    SessionStore::create(&store, &mut session).await.unwrap();
    clock.advance(Duration::minutes(40));
    let loaded = SessionStore::load(&store, &session.id).await.unwrap();
    let expiry = clock.now() + Duration::HOUR;
    assert_eq!(loaded.map(|loaded| loaded.expiry_date), Some(expiry));
    clock.advance(Duration::minutes(59));
    assert_eq!(store.count().await.unwrap(), 1);
}

async fn a_create_of_0_14_replaces_an_id_that_is_taken(db: DatabaseConnection) {
    let (store, clock) = store_with_idle_timeout(db).await;
    let mut first = record(clock.now());
    SessionStore::create(&store, &mut first).await.unwrap();
    let mut second = first.clone();
    SessionStore::create(&store, &mut second).await.unwrap();
    assert_ne!(first.id, second.id);
    let loaded = SessionStore::load(&store, &second.id).await.unwrap();
    assert_eq!(loaded, Some(second));
}

async fn a_dropped_create_of_0_14_leaves_the_record_unchanged(db: DatabaseConnection) {
    let (store, clock) = store_with_idle_timeout(db).await;
    let mut session = record(clock.now());
    let before = session.clone();
    let _taken = take_connections(store.db()).await;
    let mut create = SessionStore::create(&store, &mut session);
    let polled = create
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    drop(create);
    assert_eq!(session, before);
}

async fn errors_of_0_14_keep_their_kind(db: DatabaseConnection) {
    let (store, clock) = store_with_idle_timeout(db).await;
    let store = store.with_max_bytes(10);
    let mut session = record(clock.now());
    let large = SessionStore::create(&store, &mut session).await;
    assert!(matches!(large, Err(Error::Encode(message)) if message.contains("10 bytes")));
    let missing = SessionStore::save(&store.with_max_bytes(1000), &session).await;
    assert!(matches!(missing, Err(Error::Backend(message)) if message.contains("was deleted")));
}

async fn delete_expired_of_0_14_prunes(db: DatabaseConnection) {
    let (store, clock) = store_with_idle_timeout(db).await;
    SessionStore::create(&store, &mut record(clock.now()))
        .await
        .unwrap();
    clock.advance(Duration::HOUR);
    SessionStore::create(&store, &mut record(clock.now()))
        .await
        .unwrap();
    ExpiredDeletion::delete_expired(&store).await.unwrap();
    assert_eq!(row_count(&store).await, 1);
}

#[derive(Clone, Debug, Default)]
struct User {
    hash: Vec<u8>,
}

impl AuthUser for User {
    type Id = i32;

    fn id(&self) -> i32 {
        7
    }

    fn session_auth_hash(&self) -> &[u8] {
        &self.hash
    }
}

/// One user, with the hash of the password.
#[derive(Clone, Debug, Default)]
struct Users(Arc<Mutex<Vec<u8>>>);

impl Users {
    fn user(&self) -> User {
        let hash = self.0.lock().unwrap().clone();
        User { hash }
    }
}

impl AuthnBackend for Users {
    type User = User;
    type Credentials = ();
    type Error = Infallible;

    async fn authenticate(&self, (): ()) -> Result<Option<User>, Infallible> {
        Ok(Some(self.user()))
    }

    async fn get_user(&self, _: &UserId<Self>) -> Result<Option<User>, Infallible> {
        Ok(Some(self.user()))
    }
}

/// The application of axum-login's README.
fn app(store: &session::Store) -> Router {
    let sessions =
        SessionManagerLayer::new(store.clone()).with_expiry(Expiry::OnInactivity(Duration::HOUR));
    Router::new()
        .route(
            "/cart",
            get(async |auth: AuthSession<Users>| {
                let session: Session = auth.session;
                session.insert("cart", 3).await.unwrap();
            }),
        )
        .route(
            "/login",
            get(async |mut auth: AuthSession<Users>| auth.login(&User::default()).await.unwrap()),
        )
        .route(
            "/logout",
            get(async |mut auth: AuthSession<Users>| {
                auth.logout().await.unwrap();
            }),
        )
        .route(
            "/user",
            get(async |auth: AuthSession<Users>| match auth.user {
                Some(user) => Ok(user.id().to_string()),
                None => Err(StatusCode::UNAUTHORIZED),
            }),
        )
        .layer(AuthManagerLayerBuilder::new(Users::default(), sessions).build())
}

async fn user_ids(store: &session::Store) -> Vec<Option<i32>> {
    let rows = store.active().all(store.db()).await.unwrap();
    rows.into_iter().map(|row| row.user_id).collect()
}

async fn axum_login_fills_the_user_id_column_by_a_pointer(db: DatabaseConnection) {
    let (store, _) = store_with_idle_timeout(db).await;
    let mut visitor = Visitor::new(&app(&store));
    visitor.ok("/cart").await;
    assert_eq!(user_ids(&store).await, [None]);
    let before = visitor.id();
    visitor.ok("/login").await;
    assert_ne!(visitor.id(), before);
    assert_eq!(user_ids(&store).await, [Some(7)]);
    assert_eq!(visitor.ok("/user").await, "7");
    visitor.ok("/cart").await;
    assert_eq!(user_ids(&store).await, [Some(7)]);
    visitor.ok("/logout").await;
    assert_eq!(user_ids(&store).await, []);
    assert_eq!(visitor.get("/user").await.status, StatusCode::UNAUTHORIZED);
}

async fn a_session_of_axum_login_can_be_revoked_by_its_user_id(db: DatabaseConnection) {
    use sea_orm::ColumnTrait;

    let (store, _) = store_with_idle_timeout(db).await;
    let app = app(&store);
    let (mut laptop, mut phone) = (Visitor::new(&app), Visitor::new(&app));
    for visitor in [&mut laptop, &mut phone] {
        visitor.ok("/login").await;
    }
    let of_user = session::Column::UserId.eq(7);
    let revoked = store.revoke_others(of_user, &laptop.id()).await.unwrap();
    assert_eq!(revoked, 1);
    assert_eq!(phone.get("/user").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(laptop.ok("/user").await, "7");
}

struct Site {
    store: versioned::Store,
    clock: Clock,
    users: Users,
}

impl Site {
    async fn new(db: DatabaseConnection) -> Self {
        let (store, clock) = store::<versioned::Model>(db).await;
        Self {
            store: store.with_idle_timeout(Duration::HOUR),
            clock,
            users: Users::default(),
        }
    }

    /// Puts the layer of axum-login, and then that of the store, around these routes.
    fn app(&self, routes: Router<versioned::Store>) -> Router {
        let users = self.users.clone();
        let auth = layer_fn(move |app| AuthManager::new(app, users.clone(), "axum-login.data"));
        let user = async |auth: AuthSession<Users>| match auth.user {
            Some(user) => Ok(user.id().to_string()),
            None => Err(StatusCode::UNAUTHORIZED),
        };
        let login = async |mut auth: AuthSession<Users>| {
            let user = auth.backend.user();
            auth.login(&user).await.unwrap();
        };
        routes
            .route("/user", get(user))
            .route("/login", get(login))
            .layer(auth)
            .layer(self.store.layer_for::<Session>())
            .with_state(self.store.clone())
    }
}

async fn under_axum_login_the_changes_of_two_requests_are_merged(db: DatabaseConnection) {
    let site = Site::new(db).await;
    let other = Arc::new(Mutex::new(None::<Visitor>));
    let slow = {
        let other = Arc::clone(&other);
        async move |auth: AuthSession<Users>| {
            let mut other = other.lock().unwrap().take().unwrap();
            other.ok("/fast").await;
            auth.session.insert("slow", 1).await.unwrap();
        }
    };
    let fast = async |auth: AuthSession<Users>| auth.session.insert("fast", 2).await.unwrap();
    let routes = Router::new().route("/slow", get(slow));
    let mut visitor = Visitor::new(&site.app(routes.route("/fast", get(fast))));
    visitor.ok("/login").await;
    *other.lock().unwrap() = Some(visitor.clone());
    visitor.ok("/slow").await;
    let row = site.store.find(&visitor.id()).await.unwrap().unwrap();
    assert_eq!(
        (&row.sess["slow"], &row.sess["fast"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(row.user_id, Some(7));
}

async fn a_login_during_which_the_session_is_ended_leaves_no_session(db: DatabaseConnection) {
    let site = Site::new(db).await;
    let login_first = async |State(store): State<versioned::Store>,
                             mut auth: AuthSession<Users>| {
        auth.login(&User::default()).await.unwrap();
        store.delete_all().await.unwrap();
    };
    let login_last = async |State(store): State<versioned::Store>, mut auth: AuthSession<Users>| {
        store.delete_all().await.unwrap();
        auth.login(&User::default()).await.unwrap();
    };
    let cart = async |auth: AuthSession<Users>| auth.session.insert("cart", 3).await.unwrap();
    let routes = Router::new()
        .route("/login-first", get(login_first))
        .route("/login-last", get(login_last))
        .route("/cart", get(cart));
    let mut visitor = Visitor::new(&site.app(routes));
    for path in ["/login-first", "/login-last"] {
        visitor.ok("/cart").await;
        let response = visitor.get(path).await;
        assert_eq!(response.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(visitor.cookie, None, "{path}");
        assert_eq!(row_count(&site.store).await, 0, "{path}");
    }
}

async fn set_authenticated_and_login_give_one_new_id_and_keep_one_row(db: DatabaseConnection) {
    let site = Site::new(db).await;
    let login = async |State(store): State<versioned::Store>, mut auth: AuthSession<Users>| {
        store.set_authenticated(&auth.session).await.unwrap();
        auth.login(&User::default()).await.unwrap();
        let within = store.authenticated_within(&auth.session, Duration::MINUTE);
        assert!(within.await.unwrap());
    };
    let cart = async |auth: AuthSession<Users>| auth.session.insert("cart", 3).await.unwrap();
    let routes = Router::new().route("/noted-login", get(login));
    let mut visitor = Visitor::new(&site.app(routes.route("/cart", get(cart))));
    visitor.ok("/cart").await;
    let before = site.store.find(&visitor.id()).await.unwrap().unwrap();
    site.clock.advance(Duration::minutes(5));
    visitor.ok("/noted-login").await;
    assert_eq!(row_count(&site.store).await, 1);
    let row = site.store.find(&visitor.id()).await.unwrap().unwrap();
    assert_ne!(row.sid, before.sid);
    // Each statement that writes the row counts its version.
    assert_eq!(row.version, before.version + 1);
    assert_eq!((row.user_id, row.created_at), (Some(7), site.clock.now()));
    assert_eq!(row.sess["cart"], json!(3));
}

async fn a_login_of_a_session_with_a_user_keeps_its_id_without_set_authenticated(
    db: DatabaseConnection,
) {
    let site = Site::new(db).await;
    let login = async |State(store): State<versioned::Store>, mut auth: AuthSession<Users>| {
        store.set_authenticated(&auth.session).await.unwrap();
        auth.login(&User::default()).await.unwrap();
    };
    let mut visitor = Visitor::new(&site.app(Router::new().route("/noted-login", get(login))));
    visitor.ok("/login").await;
    let id = visitor.id();
    visitor.ok("/login").await;
    assert_eq!(visitor.id(), id);
    visitor.ok("/noted-login").await;
    assert_ne!(visitor.id(), id);
    assert_eq!(row_count(&site.store).await, 1);
}

async fn a_logout_ends_the_session_and_removes_its_cookie(db: DatabaseConnection) {
    let site = Site::new(db).await;
    let logout = async |mut auth: AuthSession<Users>| {
        auth.logout().await.unwrap();
    };
    let mut visitor = Visitor::new(&site.app(Router::new().route("/logout", get(logout))));
    visitor.ok("/login").await;
    let mut copy = visitor.clone();
    visitor.ok("/logout").await;
    assert_eq!(visitor.cookie, None);
    assert_eq!(row_count(&site.store).await, 0);
    assert_eq!(copy.get("/user").await.status, StatusCode::UNAUTHORIZED);
}

async fn under_axum_login_a_visitor_who_only_reads_stays_signed_in(db: DatabaseConnection) {
    let site = Site::new(db).await;
    let mut visitor = Visitor::new(&site.app(Router::new()));
    visitor.ok("/login").await;
    for _ in 0..4 {
        site.clock.advance(Duration::minutes(45));
        let response = visitor.get("/user").await;
        assert_eq!(response.body, "7");
        let set_cookie = response.set_cookie.unwrap();
        assert!(set_cookie.contains("Max-Age=3600"), "{set_cookie}");
    }
    site.clock.advance(Duration::HOUR);
    assert_eq!(visitor.get("/user").await.status, StatusCode::UNAUTHORIZED);
}

async fn a_changed_password_ends_the_session_and_removes_its_cookie(db: DatabaseConnection) {
    let site = Site::new(db).await;
    let mut visitor = Visitor::new(&site.app(Router::new()));
    visitor.ok("/login").await;
    assert_eq!(visitor.ok("/user").await, "7");
    *site.users.0.lock().unwrap() = b"of another password".to_vec();
    assert_eq!(visitor.get("/user").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(visitor.cookie, None);
    assert_eq!(row_count(&site.store).await, 0);
}

async fn a_login_with_the_cookie_from_before_a_changed_password_begins_a_new_session(
    db: DatabaseConnection,
) {
    let site = Site::new(db).await;
    let mut visitor = Visitor::new(&site.app(Router::new()));
    visitor.ok("/login").await;
    let before = visitor.id();
    *site.users.0.lock().unwrap() = b"of another password".to_vec();
    visitor.ok("/login").await;
    assert_ne!(visitor.id(), before);
    assert_eq!(row_count(&site.store).await, 1);
    assert_eq!(visitor.ok("/user").await, "7");
}

async fn an_expiry_that_is_set_at_login_holds_for_later_requests(db: DatabaseConnection) {
    let site = Site::new(db).await;
    let keep = async |mut auth: AuthSession<Users>| {
        let month = Expiry::OnInactivity(Duration::days(30));
        auth.session.set_expiry(Some(month));
        auth.login(&User::default()).await.unwrap();
    };
    let mut visitor = Visitor::new(&site.app(Router::new().route("/keep", get(keep))));
    visitor.ok("/keep").await;
    for _ in 0..3 {
        site.clock.advance(Duration::days(20));
        let response = visitor.get("/user").await;
        assert_eq!(response.body, "7");
        let set_cookie = response.set_cookie.unwrap();
        assert!(set_cookie.contains("Max-Age=2592000"), "{set_cookie}");
        let row = site.store.find(&visitor.id()).await.unwrap().unwrap();
        assert_eq!(row.expire, site.clock.now() + Duration::days(30));
    }
}

async fn axum_login_answers_500_if_the_session_cannot_be_loaded(db: DatabaseConnection) {
    let site = Site::new(db).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let (handled, asked) = (Arc::clone(&calls), Arc::clone(&calls));
    let users = site.users.clone();
    let page = get(async move || {
        handled.fetch_add(1, Ordering::Relaxed);
    });
    let on_error = move |_: &session_store::Error, response: Response| {
        asked.fetch_add(1, Ordering::Relaxed);
        response
    };
    let app = Router::new()
        .route("/", page)
        .layer(layer_fn(move |app| {
            AuthManager::new(app, users.clone(), "axum-login.data")
        }))
        .layer(site.store.layer_for::<Session>().on_error(on_error));
    let mut signing_in = Visitor::new(&site.app(Router::new()));
    signing_in.ok("/login").await;
    let mut visitor = Visitor::new(&app);
    visitor.cookie = signing_in.cookie;

    site.store.db().close_by_ref().await.unwrap();
    let response = visitor.get("/").await;
    assert_eq!(response.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(response.body, "");
    assert!(visitor.cookie.is_some());
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    // Without a cookie, nothing is loaded.
    Visitor::new(&app).ok("/").await;
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

/// The middleware of the chapter on axum-login.
async fn answer_load_errors(
    Extension(info): Extension<SessionInfo>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    match info.error() {
        Some(error) if response.status().is_server_error() => error.status().into_response(),
        _ => response,
    }
}

async fn a_middleware_around_axum_login_learns_why_the_session_cannot_be_loaded(
    db: DatabaseConnection,
) {
    let site = Site::new(db).await;
    let users = site.users.clone();
    let app = Router::new()
        .route("/", get(async || "page"))
        .layer(layer_fn(move |app| {
            AuthManager::new(app, users.clone(), "axum-login.data")
        }))
        .layer(from_fn(answer_load_errors))
        .layer(site.store.layer_for::<Session>());
    let mut signing_in = Visitor::new(&site.app(Router::new()));
    signing_in.ok("/login").await;
    let mut visitor = Visitor::new(&app);
    visitor.cookie = signing_in.cookie;
    assert_eq!(visitor.ok("/").await, "page");

    site.store.db().close_by_ref().await.unwrap();
    let response = visitor.get("/").await;
    assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(visitor.cookie.is_some());
}

async fn a_flash_message_of_axum_messages_is_shown_once(db: DatabaseConnection) {
    let site = Site::new(db).await;
    let leave = async |messages: Messages| {
        messages.info("saved");
    };
    let show = async |messages: Messages| {
        let messages = messages.into_iter().map(|message| message.message);
        messages.collect::<Vec<_>>().join(", ")
    };
    let routes = Router::new()
        .route("/leave", get(leave))
        .route("/show", get(show))
        .layer(MessagesManagerLayer);
    let mut visitor = Visitor::new(&site.app(routes));
    visitor.ok("/login").await;
    visitor.ok("/leave").await;
    assert_eq!(visitor.ok("/show").await, "saved");
    assert_eq!(visitor.ok("/show").await, "");
    assert_eq!(visitor.ok("/user").await, "7");
}
