//! Signs in with axum-login under the store's own layer: visitors who only read stay signed in, and changes
//! of one session at the same time are merged. The column `user_id` is filled from the data that axum-login
//! keeps in the session, so a query lists a user's sessions.
//!
//! ```sh
//! cargo run --example axum_login
//! ```
//!
//! Then open the address that it prints, or send requests as two browsers. `-b` and `-c` name the file with a
//! browser's cookie:
//!
//! ```sh
//! curl -b laptop -c laptop -d name=ann -d password=secret http://127.0.0.1:3000/login
//! curl -b phone -c phone -d name=ann -d password=secret http://127.0.0.1:3000/login
//! curl -b laptop -c laptop http://127.0.0.1:3000/    # two sessions
//! curl -b laptop -c laptop -X POST http://127.0.0.1:3000/revoke-others
//! curl -b phone -c phone http://127.0.0.1:3000/    # signed out
//! curl -b laptop -c laptop -X POST http://127.0.0.1:3000/logout
//! ```
//!
//! Environment variables: `PORT` (default 3000) and `DATABASE_URL` (default
//! `sqlite://axum_login.sqlite?mode=rwc`; also `postgres://…` or `mysql://…`).
//!
//! The users are `ann` and `bob`, with the password `secret`. They are kept in memory, because the example is
//! about sessions. The forms need no CSRF token: the cookie is `SameSite=Strict`.

use std::convert::Infallible;
use std::error::Error;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
// axum-login uses tower-sessions 0.14.
use axum_login::tower_sessions::Session;
use axum_login::{AuthManager, AuthSession, AuthUser, AuthnBackend, UserId, predicate_required};
use maud::{DOCTYPE, Markup, html};
use sea_orm::{ColumnTrait, Database, QueryFilter};
use serde::Deserialize;
use session_store::connect_options;
use time::Duration;
use tokio::net::TcpListener;
use tower::layer::layer_fn;

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
        /// Filled from axum-login's data.
        #[session(pointer = "/axum-login.data/user_id", index)]
        pub user_id: Option<i32>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

const IDLE_TIMEOUT: Duration = Duration::days(14);

/// The session key of axum-login's data.
const DATA_KEY: &str = "axum-login.data";

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
    // For HTTP on this machine. In production remove `with_secure`: the cookie then needs HTTPS.
    let sessions = store.layer_for::<Session>().with_secure(false);
    let users = Users::default();
    let auth = layer_fn(move |app| AuthManager::new(app, users.clone(), DATA_KEY));
    Router::new()
        .route("/revoke-others", post(revoke_others))
        .route("/password", post(change_password))
        // Not `login_required!` with a URL: after its 307, a browser sends the form there once more.
        .route_layer(predicate_required!(is_signed_in, Redirect::to("/")))
        .route("/", get(home))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .layer(auth)
        .layer(sessions)
        .with_state(store)
}

async fn is_signed_in(auth: AuthSession<Users>) -> bool {
    auth.user.is_some()
}

#[derive(Clone, Debug)]
struct User {
    id: i32,
    name: &'static str,
    password: String,
    /// Another one after each change of the password.
    password_version: [u8; 8],
}

impl AuthUser for User {
    type Id = i32;

    fn id(&self) -> i32 {
        self.id
    }

    /// A user's sessions end when this value changes. With a database, return the password's hash.
    fn session_auth_hash(&self) -> &[u8] {
        &self.password_version
    }
}

#[derive(Clone, Debug)]
struct Users(Arc<Mutex<Vec<User>>>);

impl Default for Users {
    fn default() -> Self {
        let users = [(1, "ann"), (2, "bob")].map(|(id, name)| User {
            id,
            name,
            password: "secret".to_owned(),
            password_version: [0; 8],
        });
        Self(Arc::new(Mutex::new(users.into())))
    }
}

impl Users {
    fn find(&self, is_wanted: impl Fn(&User) -> bool) -> Option<User> {
        let users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        users.iter().find(|user| is_wanted(user)).cloned()
    }

    /// Returns the user with the new password.
    fn change_password(&self, id: i32, password: String) -> Option<User> {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let user = users.iter_mut().find(|user| user.id == id)?;
        let version = u64::from_be_bytes(user.password_version) + 1;
        user.password = password;
        user.password_version = version.to_be_bytes();
        Some(user.clone())
    }
}

#[derive(Deserialize)]
struct Login {
    name: String,
    password: String,
}

impl AuthnBackend for Users {
    type User = User;
    type Credentials = Login;
    type Error = Infallible;

    async fn authenticate(&self, login: Login) -> Result<Option<User>, Infallible> {
        let is_right = |user: &User| user.name == login.name && user.password == login.password;
        Ok(self.find(is_right))
    }

    async fn get_user(&self, id: &UserId<Self>) -> Result<Option<User>, Infallible> {
        Ok(self.find(|user| user.id == *id))
    }
}

async fn login(
    State(store): State<session::Store>,
    mut auth: AuthSession<Users>,
    Form(login): Form<Login>,
) -> Result<Response, StatusCode> {
    let Some(user) = auth.authenticate(login).await.map_err(internal)? else {
        return Ok((StatusCode::UNAUTHORIZED, sign_in_page(true)).into_response());
    };
    // The session gets a new id, and its absolute timeout would begin now.
    let noted = store.set_authenticated(&auth.session).await;
    noted.map_err(internal)?;
    auth.login(&user).await.map_err(internal)?;
    Ok(Redirect::to("/").into_response())
}

async fn logout(mut auth: AuthSession<Users>) -> Result<Redirect, StatusCode> {
    auth.logout().await.map_err(internal)?;
    Ok(Redirect::to("/"))
}

async fn home(
    State(store): State<session::Store>,
    auth: AuthSession<Users>,
) -> Result<Html<String>, StatusCode> {
    let Some(user) = auth.user else {
        return Ok(sign_in_page(false));
    };
    let current_sid = session_id(&auth.session).map(|id| store.sid(&id));
    let of_user = session::Column::UserId.eq(user.id);
    let rows = store.active().filter(of_user).all(store.db()).await;
    let rows = rows.map_err(internal)?;
    Ok(page(&html! {
        h1 { "Sessions of " (user.name) }
        ul {
            @for row in rows {
                li {
                    "until " (row.expire)
                    @if current_sid.as_ref() == Some(&row.sid) { " (this one)" }
                }
            }
        }
        form method="post" action="/revoke-others" { button { "Sign out all others" } }
        form method="post" action="/password" {
            label { "New password " input name="password" type="password" id="password"; }
            button { "Change the password" }
        }
        form method="post" action="/logout" { button { "Sign out" } }
    }))
}

fn sign_in_page(is_refused: bool) -> Html<String> {
    page(&html! {
        h1 { "Sign in" }
        @if is_refused { p { "No user has this name and password." } }
        form method="post" action="/login" {
            label { "Name " input name="name" id="name"; }
            label { "Password " input name="password" type="password" id="password"; }
            button { "Sign in" }
        }
    })
}

fn page(content: &Markup) -> Html<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" { head { title { "axum-login" } } body { main { (content) } } }
    };
    Html(page.into_string())
}

async fn revoke_others(
    State(store): State<session::Store>,
    auth: AuthSession<Users>,
) -> Result<Redirect, StatusCode> {
    let user = auth.user.ok_or(StatusCode::UNAUTHORIZED)?;
    let current_id = session_id(&auth.session).ok_or(StatusCode::UNAUTHORIZED)?;
    let of_user = session::Column::UserId.eq(user.id);
    let revoked = store.revoke_others(of_user, &current_id).await;
    revoked.map_err(internal)?;
    Ok(Redirect::to("/"))
}

#[derive(Deserialize)]
struct NewPassword {
    password: String,
}

/// Changes the password. axum-login ends the user's other sessions when they are next used.
async fn change_password(
    mut auth: AuthSession<Users>,
    Form(new): Form<NewPassword>,
) -> Result<Redirect, StatusCode> {
    let id = auth.user.as_ref().ok_or(StatusCode::UNAUTHORIZED)?.id;
    let user = auth.backend.change_password(id, new.password);
    let user = user.ok_or(StatusCode::UNAUTHORIZED)?;
    // This session goes on, under a new id: `login` renews it only for a session without a user.
    auth.session.cycle_id().await.map_err(internal)?;
    auth.login(&user).await.map_err(internal)?;
    Ok(Redirect::to("/"))
}

/// Converts the id of tower-sessions 0.14 to the type that the store's methods take.
fn session_id(session: &Session) -> Option<session_store::Id> {
    session.id().map(|id| session_store::Id(id.0))
}

fn internal(error: impl Display) -> StatusCode {
    tracing::error!(%error);
    StatusCode::INTERNAL_SERVER_ERROR
}

#[cfg(test)]
mod driver;
#[cfg(test)]
mod process;

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
    use axum::http::{Method, Request};
    use tokio::time::{Instant, sleep};
    use tower::ServiceExt;

    use super::driver::{self, Driver};
    use super::*;

    struct Visitor {
        app: Router,
        cookie: String,
    }

    impl Visitor {
        async fn send(&mut self, method: Method, path: &str, body: &str) -> (StatusCode, String) {
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
            (status, String::from_utf8(body.to_vec()).unwrap())
        }

        async fn sign_in(&mut self, name: &str, password: &str) -> StatusCode {
            let body = format!("name={name}&password={password}");
            self.send(Method::POST, "/login", &body).await.0
        }

        /// Returns how many sessions the home page lists, or `None` if it asks to sign in.
        async fn sessions(&mut self) -> Option<usize> {
            let (status, page) = self.send(Method::GET, "/", "").await;
            assert_eq!(status, StatusCode::OK);
            let is_signed_in = page.contains("<h1>Sessions of ");
            is_signed_in.then(|| page.matches("<li>").count())
        }
    }

    async fn store() -> session::Store {
        let db = Database::connect("sqlite::memory:").await.unwrap();
        let store = session::Store::new(db).with_idle_timeout(IDLE_TIMEOUT);
        store.create_table().await.unwrap();
        store
    }

    #[tokio::test]
    async fn an_axum_login_user_lists_all_sessions_and_revokes_the_others() {
        let store = store().await;
        let app = app(store.clone());
        let [mut laptop, mut phone, mut bobs_laptop] = [(); 3].map(|()| Visitor {
            app: app.clone(),
            cookie: String::new(),
        });
        assert_eq!(laptop.sessions().await, None);
        assert_eq!(
            laptop.sign_in("eve", "secret").await,
            StatusCode::UNAUTHORIZED
        );
        assert_eq!(
            laptop.sign_in("ann", "wrong").await,
            StatusCode::UNAUTHORIZED
        );
        for (visitor, name) in [
            (&mut laptop, "ann"),
            (&mut phone, "ann"),
            (&mut bobs_laptop, "bob"),
        ] {
            assert_eq!(visitor.sign_in(name, "secret").await, StatusCode::SEE_OTHER);
        }
        assert_eq!(laptop.sessions().await, Some(2));
        laptop.send(Method::POST, "/revoke-others", "").await;
        assert_eq!(laptop.sessions().await, Some(1));
        assert_eq!(phone.sessions().await, None);
        assert_eq!(bobs_laptop.sessions().await, Some(1));
        laptop.send(Method::POST, "/logout", "").await;
        assert_eq!(laptop.sessions().await, None);
        assert_eq!(store.count().await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_form_that_is_sent_after_the_session_has_ended_leads_to_the_sign_in() {
        let store = store().await;
        let [mut laptop, mut signed_out] = [(); 2].map(|()| Visitor {
            app: app(store.clone()),
            cookie: String::new(),
        });
        laptop.sign_in("ann", "secret").await;
        for path in ["/password", "/revoke-others"] {
            let (status, _) = signed_out.send(Method::POST, path, "password=better").await;
            // Not a 307, after which a browser sends the form, with its password, once more.
            assert_eq!(status, StatusCode::SEE_OTHER, "{path}");
        }
        assert_eq!(laptop.sessions().await, Some(1));
    }

    #[tokio::test]
    async fn a_change_of_the_password_renews_the_id_of_this_session() {
        let store = store().await;
        let mut laptop = Visitor {
            app: app(store.clone()),
            cookie: String::new(),
        };
        laptop.sign_in("ann", "secret").await;
        let before = laptop.cookie.clone();
        laptop
            .send(Method::POST, "/password", "password=better")
            .await;
        assert_eq!(laptop.sessions().await, Some(1));
        assert_ne!(laptop.cookie, before);
        assert_eq!(store.count().await.unwrap(), 1);
    }

    /// Starts the site on a free port, and returns its address.
    async fn site(idle_timeout: Duration) -> String {
        let store = store().await;
        let store = store
            .with_idle_timeout(idle_timeout)
            .with_touch_after(idle_timeout / 8);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app(store)).await });
        address
    }

    async fn sign_in(browser: &driver::Browser, password: &str) {
        browser.go("/").await;
        browser.type_into("name", "ann").await;
        browser.type_into("password", password).await;
        browser.press("Sign in").await;
    }

    #[tokio::test]
    async fn a_user_who_only_reads_stays_signed_in_for_three_idle_timeouts() {
        const IDLE_TIMEOUT: Duration = Duration::seconds(8);
        let Some(mut driver) = Driver::start().await else {
            return;
        };
        let site = site(IDLE_TIMEOUT).await;
        let reader = driver.browser(&site, driver::desktop()).await;
        let absent = driver.browser(&site, driver::phone()).await;
        for browser in [&reader, &absent] {
            sign_in(browser, "secret").await;
            assert_eq!(browser.heading().await, "Sessions of ann");
        }
        let start = Instant::now();
        while start.elapsed() < IDLE_TIMEOUT * 3 {
            sleep(std::time::Duration::from_secs(1)).await;
            reader.go("/").await;
            assert_eq!(reader.heading().await, "Sessions of ann");
        }
        absent.go("/").await;
        assert_eq!(absent.heading().await, "Sign in");
        driver.stop([reader, absent]).await;
    }

    #[tokio::test]
    async fn a_change_of_the_password_signs_out_the_other_browsers() {
        let Some(mut driver) = Driver::start().await else {
            return;
        };
        let site = site(IDLE_TIMEOUT).await;
        let desktop = driver.browser(&site, driver::desktop()).await;
        let phone = driver.browser(&site, driver::phone()).await;
        for browser in [&desktop, &phone] {
            sign_in(browser, "secret").await;
            assert_eq!(browser.heading().await, "Sessions of ann");
        }
        phone.type_into("password", "better").await;
        phone.press("Change the password").await;
        assert_eq!(phone.heading().await, "Sessions of ann");

        desktop.go("/").await;
        assert_eq!(desktop.heading().await, "Sign in");
        assert!(desktop.cookies().await.is_empty());
        sign_in(&desktop, "secret").await;
        assert_eq!(desktop.heading().await, "Sign in");
        sign_in(&desktop, "better").await;
        assert_eq!(desktop.heading().await, "Sessions of ann");
        phone.go("/").await;
        assert_eq!(phone.texts("li").await.len(), 2);
        driver.stop([desktop, phone]).await;
    }
}
