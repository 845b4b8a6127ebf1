//! Which routes, response headers and tables does the site have?

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
use session_store::Error;
use time::Duration;
use tower_sessions::cookie::SameSite;

use crate::error::{AnyError, AppError};
use crate::{account, admin, change_password, devices, sample, session, user};

/// Creates missing tables and returns the store.
pub async fn open(db: DatabaseConnection) -> Result<session::Store, AnyError> {
    let schema = Schema::new(db.get_database_backend());
    for mut table in [
        schema.create_table_from_entity(user::Entity),
        schema.create_table_from_entity(sample::Entity),
    ] {
        db.execute(table.if_not_exists()).await?;
    }
    let store = session::Store::new(db)
        // Of users who do not choose to stay signed in.
        .with_idle_timeout(Duration::days(1))
        // The pages show "Last seen" to the minute.
        .with_touch_after(Duration::minutes(1))
        .with_absolute_timeout(Duration::days(90));
    store.create_table().await?;
    Ok(store)
}

pub fn app(store: session::Store) -> Router {
    // For HTTP on this machine. In production remove `with_secure`: the cookie then needs HTTPS. With
    // `Lax`, users who follow a link from another site are signed in. Every change is a POST with a
    // CSRF token.
    let sessions = store
        .layer()
        .with_secure(false)
        .with_same_site(SameSite::Lax)
        .with_name("devices")
        .with_persistent_cookie(false)
        // `add_headers` adds `no-store` to responses without a `Cache-Control`.
        .with_cache_headers(false)
        .on_error(|error: &Error, _: Response| match error {
            // Another device has signed this one out while the request ran.
            Error::NotFound => AppError::NotSignedIn.into_response(),
            error => AppError::Internal(error.to_string().into()).into_response(),
        });
    Router::new()
        .route("/", get(devices::list))
        .route("/sessions/revoke-others", post(devices::revoke_others))
        .route("/sessions/{sid}/revoke", post(devices::revoke))
        .route(
            "/sign-up",
            get(account::sign_up_form).post(account::sign_up),
        )
        .route(
            "/sign-in",
            get(account::sign_in_form).post(account::sign_in),
        )
        .route("/sign-out", post(account::sign_out))
        .route(
            "/password",
            get(change_password::form).post(change_password::change),
        )
        .route("/admin", get(admin::overview))
        .route("/admin/sessions/{sid}/revoke", post(admin::revoke))
        .route("/admin/users/{id}/revoke", post(admin::revoke_user))
        .layer(sessions)
        .route("/style.css", get(stylesheet))
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
        .layer(DefaultBodyLimit::max(16 * 1024))
        .layer(map_response(add_headers))
        .with_state(store)
}

async fn not_found() -> AppError {
    AppError::NotFound
}

async fn stylesheet() -> impl IntoResponse {
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
    // After signing out, the browser's "back" shows no page of the user.
    (CACHE_CONTROL, "no-store"),
];

async fn add_headers(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        let headers = response.headers_mut();
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}
