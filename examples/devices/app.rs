//! What is served where, with which headers, on which tables?

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use sea_orm::{ConnectionTrait, DatabaseConnection, Schema};
use time::Duration;
use tower_sessions::cookie::SameSite;

use crate::error::{AnyError, AppError};
use crate::{account, admin, devices, sample, session, user};

/// The tables, where they are missing, and the store.
pub async fn open(db: DatabaseConnection) -> Result<session::Store, AnyError> {
    let schema = Schema::new(db.get_database_backend());
    for mut table in [
        schema.create_table_from_entity(user::Entity),
        schema.create_table_from_entity(sample::Entity),
    ] {
        db.execute(table.if_not_exists()).await?;
    }
    let store = session::Store::new(db)
        .with_idle_timeout(Duration::days(14))
        // "Last seen" is shown to people, to the minute.
        .with_touch_after(Duration::minutes(1))
        .with_absolute_timeout(Duration::days(90));
    store.create_table().await?;
    Ok(store)
}

pub fn app(store: session::Store) -> Router {
    // On the web, leave `with_secure` out: the cookie is for HTTPS then. `Lax`, so that who follows
    // a link from elsewhere is signed in; what changes anything is a POST with a token.
    let sessions = store
        .layer()
        .with_secure(false)
        .with_same_site(SameSite::Lax)
        .with_name("devices");
    Router::new()
        .route("/", get(devices::list))
        .route("/sessions/end-others", post(devices::end_others))
        .route("/sessions/{sid}/end", post(devices::end))
        .route(
            "/sign-up",
            get(account::sign_up_form).post(account::sign_up),
        )
        .route(
            "/sign-in",
            get(account::sign_in_form).post(account::sign_in),
        )
        .route("/sign-out", post(account::sign_out))
        .route("/admin", get(admin::overview))
        .route("/admin/sessions/{sid}/end", post(admin::end))
        .route("/admin/users/{id}/end", post(admin::end_all_of))
        .layer(sessions)
        .route("/style.css", get(style))
        .fallback(nothing_here)
        .method_not_allowed_fallback(nothing_here)
        .layer(DefaultBodyLimit::max(16 * 1024))
        .layer(map_response(with_headers))
        .with_state(store)
}

async fn nothing_here() -> AppError {
    AppError::NotFound
}

async fn style() -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/css; charset=utf-8"),
        (CACHE_CONTROL, "max-age=300"),
    ];
    (headers, include_str!("style.css"))
}

const HEADERS: [(HeaderName, &str); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "same-origin"),
    // Pages are one person's: after signing out, "back" shows nothing of them.
    (CACHE_CONTROL, "no-store"),
];

async fn with_headers(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        let headers = response.headers_mut();
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}
