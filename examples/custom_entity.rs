//! Stores sessions in a custom entity, with a `user_id`, a `user_agent` and a relation to `user`. A
//! user signs in, lists the sessions, revokes one and signs out everywhere else.
//!
//! ```sh
//! cargo run --example custom_entity
//! ```
//!
//! Then send requests as two browsers. `-b` and `-c` name the file with a browser's cookie:
//!
//! ```sh
//! curl -b laptop -c laptop -A Laptop -d name=ann http://127.0.0.1:3000/login
//! curl -b phone -c phone -A Phone -d name=ann http://127.0.0.1:3000/login
//! curl -b laptop -c laptop http://127.0.0.1:3000/sessions
//! curl -b laptop -c laptop -X POST http://127.0.0.1:3000/sessions/revoke-others
//! curl -i -b phone -c phone http://127.0.0.1:3000/sessions    # 401: signed out
//! curl -b phone -c phone -A Phone -d name=ann http://127.0.0.1:3000/login
//! curl -b phone -c phone http://127.0.0.1:3000/sessions    # copy the sid of the laptop
//! curl -i -b phone -c phone -X DELETE http://127.0.0.1:3000/sessions/SID    # 204: revoked
//! curl -i -b phone -c phone -X POST http://127.0.0.1:3000/logout    # 204: signed out
//! ```
//!
//! Environment variables: `PORT` (default 3000) and `DATABASE_URL` (default
//! `sqlite://custom_entity.sqlite?mode=rwc`; also `postgres://…` or `mysql://…`).
//!
//! The users are `ann` and `bob`. To sign in, a name is enough: the example is about sessions, not
//! passwords. After the 401 the program logs "possibly suspicious activity", because the phone sent the
//! id of a deleted session.

use std::error::Error;

use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, Database, DatabaseConnection,
    EntityTrait, QueryFilter, QueryOrder, Schema,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use session_store::connect_options;
use time::{Duration, OffsetDateTime};
use tokio::net::TcpListener;
use tower_sessions::Session;

mod user {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "user")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[sea_orm(unique)]
        pub name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

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
        /// Filled from the session key `user_id`, which signing in sets.
        #[session(index)]
        pub user_id: Option<i32>,
        #[session(header = "user-agent")]
        pub user_agent: Option<String>,
        #[session(created_at)]
        pub created_at: TimeDateTimeWithTimeZone,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(
            belongs_to = "super::user::Entity",
            from = "Column::UserId",
            to = "super::user::Column::Id",
            on_delete = "Cascade"
        )]
        User,
    }

    impl Related<super::user::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::User.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

type AnyError = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .init();
    let url = std::env::var("DATABASE_URL")
        .unwrap_or_else(|_| "sqlite://custom_entity.sqlite?mode=rwc".to_owned());

    let db = Database::connect(connect_options(url)).await?;
    let store = open(db.clone()).await?;
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

/// Creates the tables and the users `ann` and `bob`, and returns the store.
async fn open(db: DatabaseConnection) -> Result<session::Store, AnyError> {
    let schema = Schema::new(db.get_database_backend());
    db.execute(
        schema
            .create_table_from_entity(user::Entity)
            .if_not_exists(),
    )
    .await?;
    for name in ["ann", "bob"] {
        let user = user::ActiveModel {
            name: Set(name.to_owned()),
            ..Default::default()
        };
        user::Entity::insert(user)
            .on_conflict_do_nothing_on([user::Column::Name])
            .exec(&db)
            .await?;
    }
    let store = session::Store::new(db).with_idle_timeout(Duration::days(14));
    store.create_table().await?;
    Ok(store)
}

fn app(store: session::Store) -> Router {
    Router::new()
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/sessions", get(my_sessions))
        .route("/sessions/revoke-others", post(revoke_others))
        .route("/sessions/{sid}", delete(revoke))
        // For HTTP on this machine. In production remove `with_secure`: the cookie then needs HTTPS.
        .layer(store.layer().with_secure(false))
        .with_state(store)
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

async fn login(
    State(store): State<session::Store>,
    session: Session,
    Form(login): Form<Login>,
) -> Result<Json<Value>, StatusCode> {
    let user = user::Entity::find()
        .filter(user::Column::Name.eq(login.name))
        .one(store.db())
        .await
        .map_err(internal)?
        .ok_or(StatusCode::UNAUTHORIZED)?;
    // Prevents session fixation: an id from before signing in is not valid after it.
    store.set_authenticated(&session).await.map_err(internal)?;
    session.insert("user_id", user.id).await.map_err(internal)?;
    Ok(Json(json!({ "signed_in_as": user.name })))
}

async fn logout(session: Session) -> Result<StatusCode, StatusCode> {
    session.flush().await.map_err(internal)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize)]
struct MySession {
    sid: String,
    user: Option<String>,
    user_agent: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    first_seen: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    expires: OffsetDateTime,
    is_current: bool,
}

async fn my_sessions(
    State(store): State<session::Store>,
    session: Session,
) -> Result<Json<Vec<MySession>>, StatusCode> {
    let user_id = signed_in_user(&session).await?;
    let current_sid = session.id().map(|id| store.sid(&id));
    let rows = store
        .active()
        .filter(session::Column::UserId.eq(user_id))
        .order_by_desc(session::Column::CreatedAt)
        .find_also_related(user::Entity)
        .all(store.db())
        .await
        .map_err(internal)?;
    Ok(Json(
        rows.into_iter()
            .map(|(row, user)| MySession {
                is_current: current_sid.as_ref() == Some(&row.sid),
                sid: row.sid,
                user: user.map(|user| user.name),
                user_agent: row.user_agent,
                first_seen: row.created_at,
                expires: row.expire,
            })
            .collect(),
    ))
}

async fn revoke_others(
    State(store): State<session::Store>,
    session: Session,
) -> Result<Json<Value>, StatusCode> {
    let user_id = signed_in_user(&session).await?;
    let id = session.id().ok_or(StatusCode::UNAUTHORIZED)?;
    let revoked = store
        .revoke_others(session::Column::UserId.eq(user_id), &id)
        .await
        .map_err(internal)?;
    Ok(Json(json!({ "revoked": revoked })))
}

async fn revoke(
    State(store): State<session::Store>,
    session: Session,
    Path(sid): Path<String>,
) -> Result<StatusCode, StatusCode> {
    let user_id = signed_in_user(&session).await?;
    // The sid is not a secret, so check that the session is the user's.
    let users_session = Condition::all()
        .add(session::Column::UserId.eq(user_id))
        .add(session::Column::Sid.eq(sid));
    match store.revoke(users_session).await.map_err(internal)? {
        0 => Err(StatusCode::NOT_FOUND),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

async fn signed_in_user(session: &Session) -> Result<i32, StatusCode> {
    let user_id = session.get("user_id").await.map_err(internal)?;
    user_id.ok_or(StatusCode::UNAUTHORIZED)
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
    use axum::http::header::USER_AGENT;
    use axum::http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
    use axum::http::{Method, Request};
    use tower::ServiceExt;

    use super::*;

    struct Browser {
        app: Router,
        name: &'static str,
        cookie: String,
    }

    impl Browser {
        async fn send(&mut self, method: Method, path: &str, body: &str) -> (StatusCode, Value) {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header(COOKIE, &self.cookie)
                .header(USER_AGENT, self.name)
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

        async fn sessions(&mut self) -> (StatusCode, Value) {
            self.send(Method::GET, "/sessions", "").await
        }
    }

    async fn browsers() -> (session::Store, Browser, Browser) {
        let db = Database::connect("sqlite::memory:").await.unwrap();
        let store = open(db).await.unwrap();
        let app = app(store.clone());
        let browser = |name| Browser {
            app: app.clone(),
            name,
            cookie: String::new(),
        };
        (store, browser("Laptop"), browser("Phone"))
    }

    #[tokio::test]
    async fn a_user_lists_all_sessions_and_revokes_the_others() {
        let (store, mut laptop, mut phone) = browsers().await;
        assert_eq!(laptop.sessions().await.0, StatusCode::UNAUTHORIZED);
        for browser in [&mut laptop, &mut phone] {
            let (status, body) = browser.send(Method::POST, "/login", "name=ann").await;
            assert_eq!(
                (status, body),
                (StatusCode::OK, json!({"signed_in_as": "ann"}))
            );
        }
        let (_, sessions) = laptop.sessions().await;
        let names = |sessions: &Value| {
            let list = sessions.as_array().unwrap().iter();
            let mut names: Vec<_> = list
                .map(|s| {
                    (
                        s["user_agent"].as_str().unwrap().to_owned(),
                        s["is_current"] == true,
                    )
                })
                .collect();
            names.sort();
            names
        };
        assert_eq!(
            names(&sessions),
            [("Laptop".to_owned(), true), ("Phone".to_owned(), false)]
        );
        assert_eq!(sessions[0]["user"], "ann");

        let revoked = laptop
            .send(Method::POST, "/sessions/revoke-others", "")
            .await;
        assert_eq!(revoked, (StatusCode::OK, json!({"revoked": 1})));
        assert_eq!(phone.sessions().await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(names(&laptop.sessions().await.1).len(), 1);

        assert_eq!(
            laptop.send(Method::POST, "/logout", "").await.0,
            StatusCode::NO_CONTENT
        );
        assert_eq!(store.count().await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_user_revokes_a_session_but_not_another_users() {
        let (_, mut laptop, mut phone) = browsers().await;
        laptop.send(Method::POST, "/login", "name=ann").await;
        phone.send(Method::POST, "/login", "name=bob").await;
        assert_eq!(
            phone.send(Method::POST, "/login", "name=eve").await.0,
            StatusCode::UNAUTHORIZED
        );
        let (_, sessions) = laptop.sessions().await;
        let path = format!("/sessions/{}", sessions[0]["sid"].as_str().unwrap());
        assert_eq!(
            phone.send(Method::DELETE, &path, "").await.0,
            StatusCode::NOT_FOUND
        );
        assert_eq!(
            laptop.send(Method::DELETE, &path, "").await.0,
            StatusCode::NO_CONTENT
        );
        assert_eq!(laptop.sessions().await.0, StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn signing_in_gives_the_session_a_new_id() {
        let (store, mut laptop, _) = browsers().await;
        laptop.send(Method::POST, "/login", "name=ann").await;
        let before = laptop.cookie.clone();
        laptop.send(Method::POST, "/login", "name=bob").await;
        assert_ne!(laptop.cookie, before);
        assert_eq!(store.count().await.unwrap(), 1);
    }
}
