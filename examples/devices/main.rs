//! How is the site started and stopped? Users see the devices they are signed in on and sign them out.
//! They choose whether to stay signed in, and change their password. The pages need no JavaScript, the
//! forms have CSRF tokens, and the administrator has an overview.
//!
//! ```sh
//! cargo run --example devices
//! ```
//!
//! Then open the address that it prints and sign up. The first account becomes the administrator. Sign
//! in again from a second browser or a private window.
//!
//! Environment variables: `PORT` (default 3000) and `DATABASE_URL` (default
//! `sqlite://devices.sqlite?mode=rwc`; also `postgres://…` or `mysql://…`).
//!
//! Not included: a limit on sign-in attempts, and a way to recover a password.

mod account;
mod account_form;
mod admin;
mod ago;
mod app;
mod change_password;
mod chart;
mod counts;
mod csrf;
mod device;
mod devices;
mod error;
mod field;
mod page;
mod password;
mod sample;
mod session;
mod signed_in;
#[cfg(test)]
mod tests;
mod user;

use std::net::SocketAddr;

use axum::Router;
use sea_orm::Database;
use session_store::connect_options;
use time::Duration;
use tokio::net::TcpListener;

use crate::app::{app, open};
use crate::error::AnyError;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .init();
    let url = std::env::var("DATABASE_URL")
        .unwrap_or_else(|_| "sqlite://devices.sqlite?mode=rwc".to_owned());

    let db = Database::connect(connect_options(url)).await?;
    let store = open(db.clone()).await?;
    let prune = store.prune_every(Duration::minutes(15));
    let sampling = tokio::spawn(sample::every_minute(store.clone()));

    serve(app(store)).await?;
    sampling.abort();
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
    // With the address of the peer.
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
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
