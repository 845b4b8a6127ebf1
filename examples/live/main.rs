//! A page with a web socket. When its session ends, here, on another node, or by hand in the database, the socket
//! closes, and the page says so.
//!
//! ```sh
//! cargo run --example live                     # in one terminal
//! PORT=3001 cargo run --example live           # in another
//! ```
//!
//! Sign in at <http://127.0.0.1:3000>, open <http://127.0.0.1:3001> beside it (a cookie is for every port), and
//! sign out in one of them. Ctrl-C stops a program.
//!
//! Environment variables: `PORT` (default 3000) and `DATABASE_URL` (default `sqlite://live.sqlite?mode=rwc`, where
//! the other node notices within a second; `mysql://…`; or `postgres://…`, where it notices in milliseconds).

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use axum::routing::{any, get, post};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sea_orm::Database;
use serde::Deserialize;
use session_store::{DefaultStore, connect_options};
use tokio::net::TcpListener;
use tower_sessions::Session;

type AnyError = Box<dyn Error + Send + Sync>;

/// The close code by which the page knows why. Codes from 4000 on are free for applications.
const SIGNED_OUT: u16 = 4001;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .init();
    let url = std::env::var("DATABASE_URL")
        .unwrap_or_else(|_| "sqlite://live.sqlite?mode=rwc".to_owned());
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());

    let db = Database::connect(connect_options(url)).await?;
    let store = DefaultStore::new(db)
        .with_watch_interval(time::Duration::SECOND)
        .with_notify_trigger();
    store.create_table().await?;
    let _listening = store.listen();

    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .map_err(|error| {
            format!("cannot listen on port {port}: {error}; set PORT to a free port")
        })?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app(store)).await?;
    Ok(())
}

fn app(store: DefaultStore) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/live", any(live))
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
        // For HTTP on this machine. In production remove `with_secure`: the cookie then needs HTTPS.
        .layer(store.layer().with_secure(false))
        .with_state(store)
}

async fn live(
    State(store): State<DefaultStore>,
    session: Session,
    upgrade: WebSocketUpgrade,
) -> Result<Response, StatusCode> {
    let user = user(&session).await?;
    let (Some(user), Some(id)) = (user, session.id()) else {
        return Err(StatusCode::UNAUTHORIZED);
    };
    let ended = store.watch(&id);
    Ok(upgrade.on_upgrade(async move |mut socket| {
        // Whatever the conversation is waiting for, it ends with the session.
        tokio::select! {
            () = ended => close(socket).await,
            _ = talk(&mut socket, &user) => {}
        }
    }))
}

/// Talks until the client has gone.
async fn talk(socket: &mut WebSocket, user: &str) -> Result<(), axum::Error> {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    for second in 0_u64.. {
        seconds.tick().await;
        let message = format!("{user} has been here for {second} s");
        socket.send(Message::Text(message.into())).await?;
    }
    Ok(())
}

async fn close(mut socket: WebSocket) {
    let frame = CloseFrame {
        code: SIGNED_OUT,
        reason: "signed out".into(),
    };
    let close = socket.send(Message::Close(Some(frame)));
    // A client that reads nothing is left alone.
    let _ = tokio::time::timeout(Duration::from_secs(1), close).await;
}

#[derive(Deserialize)]
struct SignIn {
    user: String,
}

async fn sign_in(session: Session, Form(form): Form<SignIn>) -> Result<Redirect, StatusCode> {
    session.cycle_id().await.map_err(internal)?;
    session.insert("user", form.user).await.map_err(internal)?;
    Ok(Redirect::to("/"))
}

async fn sign_out(session: Session) -> Result<Redirect, StatusCode> {
    session.flush().await.map_err(internal)?;
    Ok(Redirect::to("/"))
}

async fn home(session: Session) -> Result<Markup, StatusCode> {
    let user = user(&session).await?;
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "session-store: live" }
                style { "body { font: 1.1rem/1.6 system-ui; max-width: 46rem; margin: 3rem auto; padding: 0 1rem }
                         button, input { font: inherit; min-height: 44px; padding: 0 .6em }" }
            }
            body {
                main {
                    h1 { "Live" }
                    @if user.is_some() {
                        p #message role="status" { "Connecting …" }
                        form method="post" action="/sign-out" { button { "Sign out" } }
                        script { (PreEscaped(format!("const signedOut = {SIGNED_OUT};"))) (PreEscaped(SCRIPT)) }
                    } @else {
                        form method="post" action="/sign-in" {
                            label { "Name " input name="user" value="ann" required; }
                            " "
                            button { "Sign in" }
                        }
                    }
                }
            }
        }
    })
}

const SCRIPT: &str = r#"
const message = document.getElementById("message");
const socket = new WebSocket(`ws://${location.host}/live`);
socket.onmessage = event => message.textContent = event.data;
socket.onclose = event => {
  message.textContent = event.code === signedOut
    ? "You were signed out."
    : "The connection is lost. Reload the page.";
  if (event.code === signedOut) document.querySelector("form").remove();
};
"#;

async fn user(session: &Session) -> Result<Option<String>, StatusCode> {
    session.get("user").await.map_err(internal)
}

fn internal(error: impl Error) -> StatusCode {
    tracing::error!(%error);
    StatusCode::INTERNAL_SERVER_ERROR
}

#[cfg(test)]
#[path = "../driver.rs"]
mod driver;
#[cfg(test)]
mod tests;
