//! When a visitor was last authenticated.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use sea_orm::DatabaseConnection;
use session_store::SeaOrmStore;
use tests::{Clock, Visitor, entity, layer, on_every_database, row_count, session_routes, store};
use time::Duration;
use tower_sessions::{Expiry, Session};

on_every_database!(
    an_authentication_renews_the_id_and_keeps_the_data,
    an_authentication_is_noted_in_its_column,
    an_authentication_is_recent_for_as_long_as_is_asked,
    an_authentication_begins_a_new_age,
    a_later_save_keeps_the_age_of_the_authentication,
    an_authentication_costs_one_statement,
    a_handler_that_fails_notes_no_authentication,
    what_is_cleared_is_not_authenticated,
    a_save_after_clear_goes_by_the_age_of_the_authentication,
    a_flush_after_an_authentication_ends_a_session_whose_columns_cannot_be_empty,
);

entity!(strict in "strict_session" {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    pub user: String,
});

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    pub user: Option<String>,
    #[session(created_at)]
    pub created_at: TimeDateTimeWithTimeZone,
    #[session(version)]
    pub version: i64,
    #[session(authenticated_at)]
    pub authenticated_at: Option<TimeDateTimeWithTimeZone>,
});

type Store = session::Store;

const ABSOLUTE_TIMEOUT: Duration = Duration::hours(8);

async fn is_recent(store: &Store, session: &Session) -> String {
    let within = store.authenticated_within(session, Duration::minutes(10));
    within.await.unwrap().to_string()
}

fn site(store: &Store) -> Router {
    session_routes()
        .route(
            "/authenticate",
            get(async |State(store): State<Store>, session: Session| {
                store.set_authenticated(&session).await.unwrap();
                is_recent(&store, &session).await
            }),
        )
        .route(
            "/authenticate-then-fail",
            get(async |State(store): State<Store>, session: Session| {
                store.set_authenticated(&session).await.unwrap();
                StatusCode::BAD_GATEWAY
            }),
        )
        .route(
            "/is-recent",
            get(async |State(store): State<Store>, session: Session| {
                is_recent(&store, &session).await
            }),
        )
        .with_state(store.clone())
        .layer(layer(store))
}

async fn visitor(db: DatabaseConnection) -> (Store, Clock, Visitor) {
    let (store, clock) = store::<session::Model>(db).await;
    let store = store
        .with_idle_timeout(Duration::hours(1))
        .with_absolute_timeout(ABSOLUTE_TIMEOUT);
    let mut visitor = Visitor::new(&site(&store));
    visitor.ok("/insert/user/ann").await;
    (store, clock, visitor)
}

async fn row(store: &Store, visitor: &Visitor) -> session::Model {
    store.find(&visitor.id()).await.unwrap().unwrap()
}

async fn an_authentication_renews_the_id_and_keeps_the_data(db: DatabaseConnection) {
    let (store, _, mut visitor) = visitor(db).await;
    let before = visitor.id();
    assert_eq!(visitor.ok("/authenticate").await, "true");
    assert_ne!(visitor.id(), before);
    assert_eq!(store.count().await.unwrap(), 1);
    assert_eq!(visitor.ok("/get/user").await, "ann");
    let mut visitor = Visitor::new(&site(&store));
    assert_eq!(visitor.ok("/authenticate").await, "true");
    assert_eq!(visitor.ok("/is-recent").await, "true");
}

async fn an_authentication_is_noted_in_its_column(db: DatabaseConnection) {
    let (store, clock, mut visitor) = visitor(db).await;
    assert_eq!(row(&store, &visitor).await.authenticated_at, None);
    clock.advance(Duration::minutes(20));
    let authenticated_at = clock.now();
    visitor.ok("/authenticate").await;
    for path in ["/", "/insert/n/1", "/cycle"] {
        clock.advance(Duration::minutes(20));
        visitor.ok(path).await;
        let row = row(&store, &visitor).await;
        assert_eq!(row.authenticated_at, Some(authenticated_at), "{path}");
    }
}

async fn an_authentication_is_recent_for_as_long_as_is_asked(db: DatabaseConnection) {
    let (_, clock, mut visitor) = visitor(db).await;
    assert_eq!(visitor.ok("/is-recent").await, "false");
    visitor.ok("/authenticate").await;
    clock.advance(Duration::minutes(10));
    assert_eq!(visitor.ok("/is-recent").await, "true");
    clock.advance(Duration::MICROSECOND);
    assert_eq!(visitor.ok("/is-recent").await, "false");
    visitor.ok("/authenticate").await;
    assert_eq!(visitor.ok("/is-recent").await, "true");
}

async fn an_authentication_begins_a_new_age(db: DatabaseConnection) {
    let (store, clock, mut visitor) = visitor(db).await;
    for _ in 0..3 {
        for _ in 0..9 {
            clock.advance(Duration::minutes(50));
            assert_eq!(visitor.ok("/get/user").await, "ann");
        }
        visitor.ok("/authenticate").await;
        let row = row(&store, &visitor).await;
        assert_eq!(row.created_at, clock.now());
        assert_eq!(row.expire, clock.now() + Duration::hours(1));
    }
    let end = clock.now() + ABSOLUTE_TIMEOUT;
    while clock.now() + Duration::minutes(50) < end {
        clock.advance(Duration::minutes(50));
        assert_eq!(visitor.ok("/get/user").await, "ann");
    }
    clock.set(end);
    assert_eq!(visitor.ok("/get/user").await, "nothing");
}

async fn a_later_save_keeps_the_age_of_the_authentication(db: DatabaseConnection) {
    let (store, clock, mut visitor) = visitor(db).await;
    visitor.ok("/authenticate").await;
    let began = clock.now();
    for path in ["/insert/n/1", "/cycle", "/insert/n/2"] {
        clock.advance(Duration::minutes(50));
        visitor.ok(path).await;
        assert_eq!(row(&store, &visitor).await.created_at, began, "{path}");
    }
}

async fn an_authentication_costs_one_statement(db: DatabaseConnection) {
    let (store, _, mut visitor) = visitor(db).await;
    let before = row(&store, &visitor).await;
    visitor.ok("/authenticate").await;
    // Each statement that writes the row counts its version.
    assert_eq!(row(&store, &visitor).await.version, before.version + 1);
}

async fn a_handler_that_fails_notes_no_authentication(db: DatabaseConnection) {
    let (store, _, mut visitor) = visitor(db).await;
    let before = row(&store, &visitor).await;
    let response = visitor.get("/authenticate-then-fail").await;
    assert_eq!(response.status, StatusCode::BAD_GATEWAY);
    assert_eq!(row(&store, &visitor).await, before);
    assert_eq!(visitor.ok("/is-recent").await, "false");
}

async fn what_is_cleared_is_not_authenticated(db: DatabaseConnection) {
    for path in ["/clear-then-insert", "/flush-then-insert"] {
        let (store, _, mut visitor) = visitor(db.clone()).await;
        visitor.ok("/authenticate").await;
        visitor.ok(path).await;
        assert_eq!(visitor.ok("/is-recent").await, "false", "{path}");
        assert_eq!(row(&store, &visitor).await.authenticated_at, None, "{path}");
        store.delete_all().await.unwrap();
    }
}

async fn a_save_after_clear_goes_by_the_age_of_the_authentication(db: DatabaseConnection) {
    let (store, clock, mut visitor) = visitor(db).await;
    for _ in 0..9 {
        clock.advance(Duration::minutes(50));
        visitor.ok("/get/user").await;
    }
    let (authenticating, id) = (store.clone(), visitor.id());
    let handler = move |session: Session| {
        let store = authenticating.clone();
        async move {
            store.set_authenticated(&session).await.unwrap();
            session.save().await.unwrap();
            session.clear().await;
            session.insert("user", "bob").await.unwrap();
            false
        }
    };
    let id = tests::send(layer(&store), Some(id), handler)
        .await
        .cookie(None);
    let row = store.find(&id.unwrap()).await.unwrap().unwrap();
    assert_eq!(row.created_at, clock.now());
    assert_eq!(row.expire, clock.now() + Duration::hours(1));
}

async fn a_flush_after_an_authentication_ends_a_session_whose_columns_cannot_be_empty(
    db: DatabaseConnection,
) {
    for fails in [false, true] {
        let (store, _) = store::<strict::Model>(db.clone()).await;
        let sign_in = |session: Session| async move {
            session.insert("user", "ann").await.unwrap();
            false
        };
        let id = tests::send(layer(&store), None, sign_in).await.cookie(None);
        let authenticating: SeaOrmStore<_> = store.clone();
        let flush = move |session: Session| {
            let store = authenticating.clone();
            async move {
                session.set_expiry(Some(Expiry::OnInactivity(Duration::ZERO)));
                store.set_authenticated(&session).await.unwrap();
                session.flush().await.unwrap();
                fails
            }
        };
        let answer = tests::send(layer(&store), id, flush).await;
        assert_eq!(answer.status.is_server_error(), fails);
        assert_eq!(answer.set_cookie, Some(None), "the cookie is removed");
        assert_eq!(row_count(&store).await, 0);
    }
}
