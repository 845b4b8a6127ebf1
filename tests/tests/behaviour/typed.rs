//! The extractors for axum: typed values of a session, and what the layer knows of it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::routing::get;
use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};
use session_store::{Error, Id, SessionInfo, SessionKey, SessionRejection, Typed};
use tests::{Clock, Visitor, entity, layer, on_every_database, row_count, session_routes, store};
use time::{Duration, OffsetDateTime};
use tower_sessions::{Expiry, Session, SessionManagerLayer};

on_every_database!(
    a_typed_value_is_the_default_until_it_is_changed,
    a_typed_value_that_is_not_changed_is_not_saved,
    a_typed_value_is_removed,
    extractors_of_one_request_see_each_other_s_changes,
    typed_values_that_two_requests_change_are_merged_by_key,
    a_value_of_another_type_is_an_error_that_does_not_quote_it,
    a_typed_value_of_a_database_that_cannot_be_reached_is_answered_with_503,
    the_application_can_answer_a_rejection,
    without_a_layer_a_typed_value_is_rejected,
    a_typed_value_works_under_a_plain_layer,
    the_layer_tells_the_id_and_the_expiry_of_a_session_that_was_loaded,
    the_layer_tells_when_the_visitor_was_authenticated,
);

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(version)]
    pub version: i64,
});

const IDLE_TIMEOUT: Duration = Duration::hours(1);

#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
struct CartValue {
    items: Vec<u32>,
}

impl SessionKey for CartValue {
    const KEY: &'static str = "cart";
}

#[derive(Default, Deserialize, Serialize)]
struct ThemeValue(String);

impl SessionKey for ThemeValue {
    const KEY: &'static str = "theme";
}

type Cart = Typed<CartValue, Session>;
type Theme = Typed<ThemeValue, Session>;

fn routes() -> Router {
    session_routes()
        .route("/cart", get(async |cart: Cart| format!("{:?}", cart.items)))
        .route(
            "/add",
            get(async |mut cart: Cart| cart.update(|cart| cart.items.push(7)).await),
        )
        .route(
            "/no-change",
            get(async |mut cart: Cart| cart.update(|cart| cart.items.truncate(9)).await),
        )
        .route("/empty", get(async |cart: Cart| cart.remove().await))
        .route(
            "/dark",
            get(async |mut theme: Theme| theme.update(|theme| theme.0 = "dark".to_owned()).await),
        )
        .route(
            "/twice",
            get(async |mut one: Cart, mut other: Cart| {
                one.update(|cart| cart.items.push(1)).await?;
                assert_eq!(*one, CartValue { items: vec![1] });
                other.update(|cart| cart.items.push(2)).await?;
                Ok::<_, SessionRejection>(format!("{:?}", other.items))
            }),
        )
}

async fn a_store(db: DatabaseConnection) -> (session::Store, Clock) {
    let (store, clock) = store::<session::Model>(db).await;
    (store.with_idle_timeout(IDLE_TIMEOUT), clock)
}

async fn version(store: &session::Store, visitor: &Visitor) -> i64 {
    store.find(&visitor.id()).await.unwrap().unwrap().version
}

async fn a_typed_value_is_the_default_until_it_is_changed(db: DatabaseConnection) {
    let (store, _) = a_store(db).await;
    let mut visitor = Visitor::new(&routes().layer(layer(&store)));
    assert_eq!(visitor.ok("/cart").await, "[]");
    assert_eq!(row_count(&store).await, 0);
    visitor.ok("/add").await;
    visitor.ok("/add").await;
    assert_eq!(visitor.ok("/cart").await, "[7, 7]");
    assert_eq!(visitor.ok("/get/cart").await, r#"{"items":[7,7]}"#);
}

async fn a_typed_value_that_is_not_changed_is_not_saved(db: DatabaseConnection) {
    let (store, _) = a_store(db).await;
    let mut visitor = Visitor::new(&routes().layer(layer(&store)));
    visitor.ok("/no-change").await;
    assert_eq!(row_count(&store).await, 0);
    visitor.ok("/insert/user/ann").await;
    let before = version(&store, &visitor).await;
    for path in ["/cart", "/no-change"] {
        visitor.ok(path).await;
        assert_eq!(version(&store, &visitor).await, before, "{path}");
    }
    assert_eq!(visitor.ok("/get/cart").await, "nothing");
    visitor.ok("/add").await;
    assert_eq!(version(&store, &visitor).await, before + 1);
    visitor.ok("/no-change").await;
    assert_eq!(version(&store, &visitor).await, before + 1);
}

async fn a_typed_value_is_removed(db: DatabaseConnection) {
    let (store, _) = a_store(db).await;
    let mut visitor = Visitor::new(&routes().layer(layer(&store)));
    visitor.ok("/insert/user/ann").await;
    visitor.ok("/add").await;
    visitor.ok("/empty").await;
    assert_eq!(visitor.ok("/get/cart").await, "nothing");
    assert_eq!(visitor.ok("/get/user").await, "ann");
}

async fn extractors_of_one_request_see_each_other_s_changes(db: DatabaseConnection) {
    let (store, _) = a_store(db).await;
    let mut visitor = Visitor::new(&routes().layer(layer(&store)));
    assert_eq!(visitor.ok("/twice").await, "[1, 2]");
    assert_eq!(visitor.ok("/cart").await, "[1, 2]");
}

async fn typed_values_that_two_requests_change_are_merged_by_key(db: DatabaseConnection) {
    let (store, _) = a_store(db).await;
    // The first request ends after the second has begun, and has been saved.
    let second = Arc::new(Mutex::new(None::<Visitor>));
    let slow = {
        let second = Arc::clone(&second);
        async move |mut cart: Cart| {
            let visitor = second.lock().unwrap().take();
            visitor.unwrap().ok("/dark").await;
            cart.update(|cart| cart.items.push(7)).await
        }
    };
    let app = routes().route("/slow", get(slow)).layer(layer(&store));
    let mut visitor = Visitor::new(&app);
    visitor.ok("/insert/user/ann").await;
    *second.lock().unwrap() = Some(visitor.clone());
    visitor.ok("/slow").await;
    assert_eq!(visitor.ok("/cart").await, "[7]");
    assert_eq!(visitor.ok("/get/theme").await, "dark");
    assert_eq!(visitor.ok("/get/user").await, "ann");
}

async fn a_value_of_another_type_is_an_error_that_does_not_quote_it(db: DatabaseConnection) {
    let (store, _) = a_store(db).await;
    let read = async |cart: Result<Cart, SessionRejection>| {
        let rejection = cart.unwrap_err();
        assert!(matches!(
            rejection.error(),
            Error::InvalidValue { key: "cart", .. }
        ));
        format!("{rejection} {rejection:?}")
    };
    let app = routes().route("/rejected", get(read)).layer(layer(&store));
    let mut visitor = Visitor::new(&app);
    visitor.ok("/insert/cart/secret").await;
    for path in ["/cart", "/add"] {
        let response = visitor.get(path).await;
        assert_eq!(response.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.body, "");
    }
    let message = visitor.ok("/rejected").await;
    assert!(
        message.contains("`cart`") && message.contains("CartValue"),
        "{message}"
    );
    assert!(!message.contains("secret"), "{message}");
    assert_eq!(visitor.ok("/get/cart").await, "secret");
}

async fn a_typed_value_of_a_database_that_cannot_be_reached_is_answered_with_503(
    db: DatabaseConnection,
) {
    let (store, _) = a_store(db).await;
    let mut visitor = Visitor::new(&routes().layer(layer(&store)));
    visitor.ok("/add").await;
    store.db().close_by_ref().await.unwrap();
    let response = visitor.get("/cart").await;
    assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers[RETRY_AFTER], "5");
}

async fn the_application_can_answer_a_rejection(db: DatabaseConnection) {
    let (store, _) = a_store(db).await;
    let read = async |cart: Result<Cart, SessionRejection>| match cart {
        Ok(cart) => (StatusCode::OK, format!("{:?}", cart.items)),
        Err(rejection) => (rejection.error().status(), "try later".to_owned()),
    };
    let app = routes().route("/shaped", get(read)).layer(layer(&store));
    let mut visitor = Visitor::new(&app);
    visitor.ok("/add").await;
    assert_eq!(visitor.ok("/shaped").await, "[7]");
    store.db().close_by_ref().await.unwrap();
    let response = visitor.get("/shaped").await;
    assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.body, "try later");
}

async fn without_a_layer_a_typed_value_is_rejected(_: DatabaseConnection) {
    let info = async |info: Result<SessionInfo, SessionRejection>| {
        let rejection = info.unwrap_err();
        assert!(matches!(rejection.error(), Error::MissingLayer));
    };
    let mut visitor = Visitor::new(&routes().route("/info", get(info)));
    let response = visitor.get("/cart").await;
    assert_eq!(response.status, StatusCode::INTERNAL_SERVER_ERROR);
    visitor.ok("/info").await;
}

async fn a_typed_value_works_under_a_plain_layer(db: DatabaseConnection) {
    let (store, _) = a_store(db).await;
    let plain =
        SessionManagerLayer::new(store.clone()).with_expiry(Expiry::OnInactivity(IDLE_TIMEOUT));
    let mut visitor = Visitor::new(&routes().layer(plain));
    visitor.ok("/add").await;
    assert_eq!(visitor.ok("/cart").await, "[7]");
    store.db().close_by_ref().await.unwrap();
    // The error of tower-sessions does not say whether the database can be reached.
    let response = visitor.get("/cart").await;
    assert_eq!(response.status, StatusCode::INTERNAL_SERVER_ERROR);
}

/// What a handler was told, one entry for each time it asked.
type Told = Arc<Mutex<Vec<(Option<Id>, Option<OffsetDateTime>, Option<OffsetDateTime>)>>>;

fn tell(told: &Told, info: &SessionInfo) {
    let all = (info.id(), info.expires_at(), info.authenticated_at());
    told.lock().unwrap().push(all);
}

async fn the_layer_tells_the_id_and_the_expiry_of_a_session_that_was_loaded(
    db: DatabaseConnection,
) {
    let (store, clock) = a_store(db).await;
    let told = Told::default();
    let look = {
        let (told, clock) = (Arc::clone(&told), clock.clone());
        async move |session: Session, info: SessionInfo| {
            tell(&told, &info);
            session.get_value("user").await.unwrap();
            tell(&told, &info);
            clock.advance(Duration::minutes(1));
            session.insert("n", 1).await.unwrap();
            session.save().await.unwrap();
            tell(&told, &info);
            session.flush().await.unwrap();
            tell(&told, &info);
        }
    };
    let app = routes().route("/look", get(look)).layer(layer(&store));
    let nothing = (None, None, None);

    let mut visitor = Visitor::new(&app);
    visitor.ok("/look").await;
    let without_session = std::mem::take(&mut *told.lock().unwrap());
    assert_eq!(without_session[..2], [nothing, nothing]);
    assert!(without_session[2].0.is_some());
    assert_eq!(without_session[3], nothing);

    visitor.ok("/insert/user/ann").await;
    clock.advance(Duration::minutes(30));
    let (id, end) = (visitor.id(), clock.now() + IDLE_TIMEOUT);
    visitor.ok("/look").await;
    let loaded = (Some(id), Some(end), None);
    let saved = (Some(id), Some(end + Duration::minutes(1)), None);
    assert_eq!(*told.lock().unwrap(), [nothing, loaded, saved, nothing]);
}

async fn the_layer_tells_when_the_visitor_was_authenticated(db: DatabaseConnection) {
    let (store, clock) = a_store(db).await;
    let told = Told::default();
    let at_sign_in = {
        let (store, told) = (store.clone(), Arc::clone(&told));
        async move |session: Session, info: SessionInfo| {
            session.get_value("user").await.unwrap();
            store.set_authenticated(&session).await.unwrap();
            tell(&told, &info);
            session.save().await.unwrap();
            tell(&told, &info);
        }
    };
    let look = {
        let told = Arc::clone(&told);
        async move |_: Cart, info: SessionInfo| tell(&told, &info)
    };
    let app = routes()
        .route("/sign-in", get(at_sign_in))
        .route("/look", get(look))
        .layer(layer(&store));
    let mut visitor = Visitor::new(&app);
    visitor.ok("/insert/user/ann").await;
    let before = visitor.id();
    let now = clock.now();
    visitor.ok("/sign-in").await;
    clock.advance(Duration::minutes(5));
    visitor.ok("/look").await;
    let told: Vec<_> = told.lock().unwrap().drain(..).collect();
    let told: Vec<_> = told.into_iter().map(|(id, _, at)| (id, at)).collect();
    let after = Some(visitor.id());
    assert_eq!(
        told,
        [(Some(before), None), (after, Some(now)), (after, Some(now))]
    );
}
