//! The traits of tower-sessions 0.14, which axum-login 0.18 is built on: the same store, the same
//! promises.

use std::convert::Infallible;
use std::task::{Context, Waker};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use axum_login::tower_sessions::session::{Id, Record};
use axum_login::tower_sessions::session_store::{Error, ExpiredDeletion, SessionStore};
use axum_login::tower_sessions::{Expiry, Session, SessionManagerLayer};
use axum_login::{AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend, UserId};
use sea_orm::{DatabaseConnection, EntityTrait};
use serde_json::json;
use tests::database::take_connections;
use tests::{Clock, Visitor, entity, on_every_database};
use time::Duration;

on_every_database!(
    a_session_of_0_14_comes_back_equal_and_is_one_of_today,
    a_save_of_0_14_does_not_bring_back_a_deleted_session,
    a_load_of_0_14_slides_the_session,
    an_id_of_0_14_that_is_taken_is_replaced,
    a_create_of_0_14_that_is_dropped_leaves_the_data_with_its_caller,
    an_error_keeps_its_kind_in_0_14,
    delete_expired_of_0_14_prunes,
    axum_login_fills_the_user_id_column_by_a_pointer,
    a_session_of_axum_login_is_ended_by_its_user_id,
);

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(pointer = "/axum-login.data/user_id", index)]
    pub user_id: Option<i32>,
});

async fn open(db: DatabaseConnection, clock: &Clock) -> session::Store {
    let store = session::Store::new(db)
        .with_idle_timeout(Duration::HOUR)
        .with_clock(clock.reader());
    store.create_table().await.unwrap();
    store
}

fn record(clock: &Clock) -> Record {
    Record {
        id: Id::default(),
        data: [("n".to_owned(), json!({ "deep": [1, 2.5, null] }))].into(),
        expiry_date: clock.now() + Duration::HOUR,
    }
}

async fn a_session_of_0_14_comes_back_equal_and_is_one_of_today(db: DatabaseConnection) {
    let clock = Clock::new();
    let store = open(db, &clock).await;
    let mut session = record(&clock);
    SessionStore::create(&store, &mut session).await.unwrap();
    session.data.insert("more".to_owned(), json!("words"));
    SessionStore::save(&store, &session).await.unwrap();
    let loaded = SessionStore::load(&store, &session.id).await.unwrap();
    assert_eq!(loaded, Some(session.clone()));

    let today = session_store::Id(session.id.0);
    let loaded = tower_sessions::SessionStore::load(&store, &today).await;
    assert_eq!(
        loaded.unwrap().map(|loaded| loaded.data),
        Some(session.data)
    );

    SessionStore::delete(&store, &session.id).await.unwrap();
    assert_eq!(store.count().await.unwrap(), 0);
}

async fn a_save_of_0_14_does_not_bring_back_a_deleted_session(db: DatabaseConnection) {
    let clock = Clock::new();
    let store = open(db, &clock).await;
    let mut session = record(&clock);
    SessionStore::create(&store, &mut session).await.unwrap();
    SessionStore::delete(&store, &session.id).await.unwrap();
    SessionStore::save(&store, &session).await.unwrap_err();
    assert_eq!(store.count().await.unwrap(), 0);
}

async fn a_load_of_0_14_slides_the_session(db: DatabaseConnection) {
    let clock = Clock::new();
    let store = open(db, &clock).await;
    let mut session = record(&clock);
    SessionStore::create(&store, &mut session).await.unwrap();
    clock.advance(Duration::minutes(40));
    let loaded = SessionStore::load(&store, &session.id).await.unwrap();
    let end = clock.now() + Duration::HOUR;
    assert_eq!(loaded.map(|loaded| loaded.expiry_date), Some(end));
    clock.advance(Duration::minutes(59));
    assert_eq!(store.count().await.unwrap(), 1);
}

async fn an_id_of_0_14_that_is_taken_is_replaced(db: DatabaseConnection) {
    let clock = Clock::new();
    let store = open(db, &clock).await;
    let mut first = record(&clock);
    SessionStore::create(&store, &mut first).await.unwrap();
    let mut second = first.clone();
    SessionStore::create(&store, &mut second).await.unwrap();
    assert_ne!(first.id, second.id);
    let loaded = SessionStore::load(&store, &second.id).await.unwrap();
    assert_eq!(loaded, Some(second));
}

async fn a_create_of_0_14_that_is_dropped_leaves_the_data_with_its_caller(db: DatabaseConnection) {
    let clock = Clock::new();
    let store = open(db, &clock).await;
    let mut session = record(&clock);
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

async fn an_error_keeps_its_kind_in_0_14(db: DatabaseConnection) {
    let clock = Clock::new();
    let store = open(db, &clock).await.with_max_bytes(10);
    let mut session = record(&clock);
    let large = SessionStore::create(&store, &mut session).await;
    assert!(matches!(large, Err(Error::Encode(message)) if message.contains("10 bytes")));
    let gone = SessionStore::save(&store.with_max_bytes(1000), &session).await;
    assert!(matches!(gone, Err(Error::Backend(message)) if message.contains("was deleted")));
}

async fn delete_expired_of_0_14_prunes(db: DatabaseConnection) {
    let clock = Clock::new();
    let store = open(db, &clock).await;
    SessionStore::create(&store, &mut record(&clock))
        .await
        .unwrap();
    clock.advance(Duration::HOUR);
    SessionStore::create(&store, &mut record(&clock))
        .await
        .unwrap();
    ExpiredDeletion::delete_expired(&store).await.unwrap();
    let rows = session::Entity::find().all(store.db()).await.unwrap();
    assert_eq!(rows.len(), 1);
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

/// An application as axum-login's readme has it.
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
    let store = open(db, &Clock::new()).await;
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

async fn a_session_of_axum_login_is_ended_by_its_user_id(db: DatabaseConnection) {
    use sea_orm::ColumnTrait;

    let store = open(db, &Clock::new()).await;
    let app = app(&store);
    let (mut laptop, mut phone) = (Visitor::new(&app), Visitor::new(&app));
    for visitor in [&mut laptop, &mut phone] {
        visitor.ok("/login").await;
    }
    let of_user = session::Column::UserId.eq(7);
    let ended = store.revoke_others(of_user, &laptop.id()).await.unwrap();
    assert_eq!(ended, 1);
    assert_eq!(phone.get("/user").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(laptop.ok("/user").await, "7");
}
