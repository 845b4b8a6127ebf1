//! How is it run? A site where people see the devices they are signed in on, and sign them out:
//! pages without JavaScript, forms that other sites cannot send, an overview for the administrator.
//!
//! ```sh
//! cargo run --example devices
//! ```
//!
//! Then sign up at <http://127.0.0.1:3000> (the first account is the administrator's), and sign in
//! again from a second browser or a private window.
//!
//! `PORT` (3000) and `DATABASE_URL` (`sqlite://devices.sqlite?mode=rwc`; also `postgres://…` or
//! `mysql://…`) come from the environment. What it leaves out: a limit on attempts to sign in, and
//! ways to change or recover a password.

mod account;
mod account_form;
mod admin;
mod ago;
mod app;
mod chart;
mod csrf;
mod device;
mod devices;
mod error;
mod page;
mod password;
mod sample;
mod session;
mod signed_in;
#[cfg(test)]
mod tests;
mod user;

use sea_orm::Database;
use session_store::connect_options;
use time::Duration;

use crate::app::{app, open};
use crate::error::AnyError;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .init();
    let url = std::env::var("DATABASE_URL")
        .unwrap_or_else(|_| "sqlite://devices.sqlite?mode=rwc".to_owned());
    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;

    let store = open(Database::connect(connect_options(url)).await?).await?;
    let prune = store.prune_every(Duration::minutes(15));
    let sampling = tokio::spawn(sample::every_minute(store.clone()));

    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app(store))
        .with_graceful_shutdown(async {
            // Without Ctrl-C the program is ended otherwise.
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    sampling.abort();
    prune.stop().await;
    Ok(())
}
