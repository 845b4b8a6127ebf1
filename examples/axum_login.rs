//! Signs in with axum-login, over a custom entity. The column `user_id` is filled from the data that
//! axum-login keeps in the session, so a query lists a user's sessions.
//!
//! ```sh
//! cargo run --example axum_login
//! ```
//!
//! Then send requests as two browsers. `-b` and `-c` name the file with a browser's cookie:
//!
//! ```sh
//! curl -b laptop -c laptop -d name=ann http://127.0.0.1:3000/login
//! curl -b phone -c phone -d name=ann http://127.0.0.1:3000/login
//! curl -b laptop -c laptop http://127.0.0.1:3000/sessions
//! curl -b laptop -c laptop -X POST http://127.0.0.1:3000/sessions/revoke-others
//! curl -i -b phone -c phone http://127.0.0.1:3000/sessions    # 401: signed out
//! curl -i -b laptop -c laptop -X POST http://127.0.0.1:3000/logout    # 204: signed out
//! ```
//!
//! Environment variables: `PORT` (default 3000) and `DATABASE_URL` (default
//! `sqlite://axum_login.sqlite?mode=rwc`; also `postgres://…` or `mysql://…`).
//!
//! The users are `ann` and `bob`. To sign in, a name is enough: the example is about sessions, not
//! passwords. After the 401 the program logs "possibly suspicious activity", because the phone sent the
//! id of a deleted session.

use std::convert::Infallible;
use std::error::Error;

use axum::extract::{Form, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
// axum-login uses tower-sessions 0.14.
use axum_login::tower_sessions::{Expiry, Session, SessionManagerLayer};
use axum_login::{
    AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend, UserId, login_required,
};
use sea_orm::{ColumnTrait, Database, QueryFilter};
use serde::Deserialize;
use serde_json::{Value, json};
use session_store::connect_options;
use time::{Duration, OffsetDateTime};
use tokio::net::TcpListener;

mod session {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
    #[sea_orm(table_name = "session")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sid: String,
        pub sess: Json,
        pub expire: TimeDateTimeWithTimeZone,
        /// Filled from axum-login's data. `axum-login.data` is its default data key.
        #[session(pointer = "/axum-login.data/user_id", index)]
        pub user_id: Option<i32>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

const IDLE_TIMEOUT: Duration = Duration::days(14);

type AnyError = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .init();
    let url = std::env::var("DATABASE_URL")
        .unwrap_or_else(|_| "sqlite://axum_login.sqlite?mode=rwc".to_owned());

    let db = Database::connect(connect_options(url)).await?;
    let store = session::Store::new(db.clone()).with_idle_timeout(IDLE_TIMEOUT);
    store.create_table().await?;
    let prune = store.prune_every(Duration::minutes(15));

    serve(app(store)).await?;
    prune.stop().await;
    db.close().await?;
    Ok(())
}

/// Serves on the port `PORT`, by default 3000, until Ctrl-C or SIGTERM.
async fn serve(app: Router) -> Result<(), AnyError> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .map_err(|error| {
            format!("cannot listen on port {port}: {error}; set PORT to a free port")
        })?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app)
        .with_graceful_shutdown(shutdown_signal())
        .await?;
    Ok(())
}

/// Completes on Ctrl-C or SIGTERM.
async fn shutdown_signal() {
    #[cfg(unix)]
    let sigterm = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut sigterm) => sigterm.recv().await,
            // Without a handler, SIGTERM ends the program at once.
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let sigterm = std::future::pending::<Option<()>>();
    tokio::select! {
        Ok(()) = tokio::signal::ctrl_c() => {}
        _ = sigterm => {}
    }
}

fn app(store: session::Store) -> Router {
    let sessions = SessionManagerLayer::new(store.clone())
        .with_expiry(Expiry::OnInactivity(IDLE_TIMEOUT))
        // For HTTP on this machine. In production remove `with_secure`: the cookie then needs HTTPS.
        .with_secure(false);
    let auth = AuthManagerLayerBuilder::new(Users, sessions).build();
    Router::new()
        .route("/sessions", get(my_sessions))
        .route("/sessions/revoke-others", post(revoke_others))
        .route_layer(from_fn(renew_cookie))
        .route_layer(login_required!(Users))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .layer(auth)
        .with_state(store)
}

/// Changes the session once a day, so that the cookie is sent again with a new expiry. Loading a
/// session extends the expiry of its row only.
async fn renew_cookie(
    auth: AuthSession<Users>,
    request: Request,
    next: Next,
) -> Result<Response, StatusCode> {
    let session = auth.session;
    let today = OffsetDateTime::now_utc().to_julian_day();
    if session.get("day").await.map_err(internal)? != Some(today) {
        session.insert("day", today).await.map_err(internal)?;
    }
    Ok(next.run(request).await)
}

#[derive(Clone, Debug)]
struct User {
    id: i32,
    name: &'static str,
}

const USERS: [User; 2] = [User { id: 1, name: "ann" }, User { id: 2, name: "bob" }];

impl AuthUser for User {
    type Id = i32;

    fn id(&self) -> i32 {
        self.id
    }

    /// A user is signed out when this value changes. With passwords, return the password's hash.
    fn session_auth_hash(&self) -> &[u8] {
        self.name.as_bytes()
    }
}

#[derive(Clone, Debug)]
struct Users;

#[derive(Deserialize)]
struct Login {
    name: String,
}

impl AuthnBackend for Users {
    type User = User;
    type Credentials = Login;
    type Error = Infallible;

    async fn authenticate(&self, login: Login) -> Result<Option<User>, Infallible> {
        Ok(USERS.into_iter().find(|user| user.name == login.name))
    }

    async fn get_user(&self, id: &UserId<Self>) -> Result<Option<User>, Infallible> {
        Ok(USERS.into_iter().find(|user| user.id == *id))
    }
}

async fn login(
    mut auth: AuthSession<Users>,
    Form(login): Form<Login>,
) -> Result<Json<Value>, StatusCode> {
    let user = auth.authenticate(login).await.map_err(internal)?;
    let user = user.ok_or(StatusCode::UNAUTHORIZED)?;
    auth.login(&user).await.map_err(internal)?;
    Ok(Json(json!({ "signed_in_as": user.name })))
}

async fn logout(mut auth: AuthSession<Users>) -> Result<StatusCode, StatusCode> {
    auth.logout().await.map_err(internal)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn my_sessions(
    State(store): State<session::Store>,
    auth: AuthSession<Users>,
) -> Result<Json<Value>, StatusCode> {
    let user = auth.user.ok_or(StatusCode::UNAUTHORIZED)?;
    let current_sid = session_id(&auth.session).map(|id| store.sid(&id));
    let rows = store
        .active()
        .filter(session::Column::UserId.eq(user.id))
        .all(store.db())
        .await
        .map_err(internal)?;
    let sessions = rows.into_iter().map(|row| {
        json!({ "expires": row.expire.to_string(), "is_current": current_sid.as_ref() == Some(&row.sid) })
    });
    Ok(Json(sessions.collect()))
}

async fn revoke_others(
    State(store): State<session::Store>,
    auth: AuthSession<Users>,
) -> Result<Json<Value>, StatusCode> {
    let user = auth.user.ok_or(StatusCode::UNAUTHORIZED)?;
    let current_id = session_id(&auth.session).ok_or(StatusCode::UNAUTHORIZED)?;
    let revoked = store
        .revoke_others(session::Column::UserId.eq(user.id), &current_id)
        .await
        .map_err(internal)?;
    Ok(Json(json!({ "revoked": revoked })))
}

/// Converts the id of tower-sessions 0.14 to the type that the store's methods take.
fn session_id(session: &Session) -> Option<session_store::Id> {
    session.id().map(|id| session_store::Id(id.0))
}

fn internal(error: impl Error) -> StatusCode {
    tracing::error!(%error);
    StatusCode::INTERNAL_SERVER_ERROR
}

#[cfg(test)]
mod process;

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Method;
    use axum::http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
    use tower::ServiceExt;

    use super::*;

    struct Browser {
        app: Router,
        cookie: String,
    }

    impl Browser {
        async fn send(&mut self, method: Method, path: &str, body: &str) -> (StatusCode, Value) {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header(COOKIE, &self.cookie)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Body::from(body.to_owned()))
                .unwrap();
            let response = self.app.clone().oneshot(request).await.unwrap();
            if let Some(set_cookie) = response.headers().get(SET_COOKIE) {
                let pair = set_cookie.to_str().unwrap().split(';').next().unwrap();
                self.cookie = pair.to_owned();
            }
            let status = response.status();
            let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
        }
    }

    #[tokio::test]
    async fn an_axum_login_user_lists_all_sessions_and_revokes_the_others() {
        let db = Database::connect("sqlite::memory:").await.unwrap();
        let store = session::Store::new(db).with_idle_timeout(IDLE_TIMEOUT);
        store.create_table().await.unwrap();
        let app = app(store.clone());
        let browser = || Browser {
            app: app.clone(),
            cookie: String::new(),
        };
        let (mut laptop, mut phone, mut bobs_laptop) = (browser(), browser(), browser());
        assert_eq!(
            laptop.send(Method::GET, "/sessions", "").await.0,
            StatusCode::UNAUTHORIZED
        );
        for (browser, name) in [
            (&mut laptop, "ann"),
            (&mut phone, "ann"),
            (&mut bobs_laptop, "bob"),
        ] {
            let (status, body) = browser
                .send(Method::POST, "/login", &format!("name={name}"))
                .await;
            assert_eq!(
                (status, body),
                (StatusCode::OK, json!({ "signed_in_as": name }))
            );
        }
        assert_eq!(
            laptop.send(Method::POST, "/login", "name=eve").await.0,
            StatusCode::UNAUTHORIZED
        );
        let (_, sessions) = laptop.send(Method::GET, "/sessions", "").await;
        assert_eq!(sessions.as_array().map(Vec::len), Some(2));

        let revoked = laptop
            .send(Method::POST, "/sessions/revoke-others", "")
            .await;
        assert_eq!(revoked, (StatusCode::OK, json!({ "revoked": 1 })));
        for (browser, status) in [
            (&mut laptop, StatusCode::OK),
            (&mut phone, StatusCode::UNAUTHORIZED),
            (&mut bobs_laptop, StatusCode::OK),
        ] {
            assert_eq!(browser.send(Method::GET, "/sessions", "").await.0, status);
        }
        assert_eq!(
            laptop.send(Method::POST, "/logout", "").await.0,
            StatusCode::NO_CONTENT
        );
        assert_eq!(store.count().await.unwrap(), 1);
    }
}
