//! Counts visits in a session and shows the session's row. Uses the default entity, on a SQLite file
//! that the program creates.
//!
//! ```sh
//! cargo run --example quickstart
//! ```
//!
//! Then open the address that it prints, and reload the page. Ctrl-C stops the program.
//!
//! Environment variables: `PORT` (default 3000) and `DATABASE_URL` (default
//! `sqlite://quickstart.sqlite?mode=rwc`; also `postgres://…` or `mysql://…`).

use std::error::Error;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use maud::{DOCTYPE, Markup, html};
use sea_orm::Database;
use session_store::{DefaultStore, connect_options};
use time::Duration;
use tokio::net::TcpListener;
use tower_sessions::Session;

type AnyError = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .init();
    let url = std::env::var("DATABASE_URL")
        .unwrap_or_else(|_| "sqlite://quickstart.sqlite?mode=rwc".to_owned());

    let db = Database::connect(connect_options(url)).await?;
    let store = DefaultStore::new(db.clone()).with_idle_timeout(Duration::days(14));
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

fn app(store: DefaultStore) -> Router {
    Router::new()
        .route("/", get(home))
        // For HTTP on this machine. In production remove `with_secure`: the cookie then needs HTTPS.
        .layer(store.layer().with_secure(false))
        .with_state(store)
}

async fn home(State(store): State<DefaultStore>, session: Session) -> Result<Markup, StatusCode> {
    let visits = session
        .get::<u64>("visits")
        .await
        .map_err(internal)?
        .unwrap_or(0)
        + 1;
    session.insert("visits", visits).await.map_err(internal)?;
    // The middleware saves after the handler. Saving here makes the row below up to date.
    session.save().await.map_err(internal)?;
    let row = match session.id() {
        Some(id) => store.find(&id).await.map_err(internal)?,
        None => None,
    };
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "session-store" }
                style { "body { font: 1.1rem/1.6 system-ui; max-width: 46rem; margin: 3rem auto; padding: 0 1rem }
                         dt { font-weight: 600; margin-top: 1rem } dd { margin: 0; overflow-wrap: anywhere }
                         code { background: #eee; color: #222; padding: .1em .3em; border-radius: .2em }" }
            }
            body {
                h1 { "Visit " (visits) }
                p { "The count continues when you reload the page or restart the program." }
                @if let Some(row) = row {
                    h2 { "Your session in the table " code { "express_session" } }
                    dl {
                        dt { "sid" }
                        dd { code { (row.sid) } " — the hash of the id in your cookie, so it cannot be used as a cookie" }
                        dt { "sess" }
                        dd { code { (row.sess) } }
                        dt { "expire" }
                        dd { code { (row.expire) } " — two weeks after your last visit" }
                    }
                }
            }
        }
    })
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
    use axum::http::Request;
    use axum::http::header::{COOKIE, SET_COOKIE};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn the_page_counts_visits_and_shows_the_row() {
        let store = DefaultStore::new(Database::connect("sqlite::memory:").await.unwrap());
        store.create_table().await.unwrap();
        let app = app(store.clone());
        let mut cookie = String::new();
        for visit in 1..=3 {
            let request = Request::get("/")
                .header(COOKIE, &cookie)
                .body(Body::empty())
                .unwrap();
            let response = app.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            let set_cookie = response.headers()[SET_COOKIE].to_str().unwrap();
            cookie = set_cookie.split(';').next().unwrap().to_owned();
            let page = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            let page = String::from_utf8(page.to_vec()).unwrap();
            assert!(page.contains(&format!("<h1>Visit {visit}</h1>")), "{page}");
            let id = cookie.strip_prefix("id=").unwrap().parse().unwrap();
            assert!(page.contains(&store.sid(&id)), "{page}");
            assert!(
                page.contains(&format!("{{&quot;visits&quot;:{visit}}}")),
                "{page}"
            );
        }
        assert_eq!(store.count().await.unwrap(), 1);
    }
}
