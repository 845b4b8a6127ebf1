//! The traits of tower-sessions 0.14, which axum-login 0.18 uses: the store keeps the same promises.

use std::convert::Infallible;
use std::task::{Context, Waker};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use axum_login::tower_sessions::session::{Id, Record};
use axum_login::tower_sessions::session_store::{Error, ExpiredDeletion, SessionStore};
use axum_login::tower_sessions::{Expiry, Session, SessionManagerLayer};
use axum_login::{AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend, UserId};
use sea_orm::DatabaseConnection;
use serde_json::json;
use tests::database::take_connections;
use tests::{Clock, Visitor, entity, on_every_database, row_count, store};
use time::{Duration, OffsetDateTime};

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
);

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(pointer = "/axum-login.data/user_id", index)]
    pub user_id: Option<i32>,
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

#[derive(Clone, Debug)]
struct User;

impl AuthUser for User {
    type Id = i32;

    fn id(&self) -> i32 {
        7
    }

    fn session_auth_hash(&self) -> &[u8] {
        b"hash of the password"
    }
}

#[derive(Clone, Debug)]
struct Users;

impl AuthnBackend for Users {
    type User = User;
    type Credentials = ();
    type Error = Infallible;

    async fn authenticate(&self, (): ()) -> Result<Option<User>, Infallible> {
        Ok(Some(User))
    }

    async fn get_user(&self, _: &UserId<Self>) -> Result<Option<User>, Infallible> {
        Ok(Some(User))
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
            get(async |mut auth: AuthSession<Users>| auth.login(&User).await.unwrap()),
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
        .layer(AuthManagerLayerBuilder::new(Users, sessions).build())
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
