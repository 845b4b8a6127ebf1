//! Reports what a session table holds, and prunes it by hand. For operators.
//!
//! ```sh
//! cargo run --example maintain
//! cargo run --example maintain -- prune --dry-run
//! cargo run --example maintain -- prune --batch-size 1000 --pause 100
//! ```
//!
//! Environment variable: `DATABASE_URL` (default `sqlite://quickstart.sqlite`, the file that the example
//! `quickstart` creates; also `postgres://…` or `mysql://…`).
//!
//! Ctrl-C or SIGTERM stops a prune after the current batch. A second signal stops it at once.

mod prune;
mod report;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr, RuntimeErr, SqlxError};
// The entity of the table. Replace it with yours, for example `use my_app::entity::session;`.
use session_store::express_session as session;
use time::OffsetDateTime;

/// Reports what the session table holds, and prunes it by hand.
///
/// The report changes nothing. It reads the whole table to measure sizes, which is slow on
/// a large table.
#[derive(Debug, Parser)]
#[command(name = "maintain", verbatim_doc_comment)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// The URL of the database: postgres://…, mysql://… or sqlite://…
    ///
    /// Other users of the machine can see a password in the arguments. Prefer the environment.
    #[arg(
        long,
        value_name = "URL",
        env = "DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite://quickstart.sqlite",
        global = true
    )]
    database_url: String,

    /// Do not measure sizes, and read only the expiry of each session
    #[arg(long)]
    no_sizes: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Delete expired sessions in batches
    ///
    /// Deletes the sessions that have expired when it starts. Ctrl-C or SIGTERM stops it
    /// after the current batch, with exit code 130. A second signal stops it at once.
    #[command(verbatim_doc_comment)]
    Prune(prune::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    run(Arguments::parse()).await.into()
}

/// Runs the command, prints what it returns, and returns the exit code.
async fn run(arguments: Arguments) -> u8 {
    match execute(arguments).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("maintain: {error}");
            1
        }
    }
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

async fn execute(arguments: Arguments) -> Result<u8, AnyError> {
    let store = session::Store::new(connect(&arguments.database_url).await?);
    store.health().await?;
    let (text, code) = match arguments.command {
        None => {
            let report =
                report::measure(&store, OffsetDateTime::now_utc(), !arguments.no_sizes).await?;
            (report.to_string(), 0)
        }
        Some(Command::Prune(options)) => {
            let outcome = prune::run(&store, &options).await?;
            (format!("{outcome}\n"), outcome.exit_code())
        }
    };
    // `print!` panics when the reader has closed the pipe, as in `maintain | head -1`.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(code)
}

/// Connects without `session_store::connect_options`, which would switch an SQLite file to WAL mode. A
/// report must not change the database.
async fn connect(url: &str) -> Result<DatabaseConnection, AnyError> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .connect_timeout(Duration::from_secs(5));
    let connected = Database::connect(options).await;
    connected.map_err(|error| {
        let reason = reason(&error, url);
        format!("could not connect to the database: {reason}").into()
    })
}

fn reason(error: &DbErr, url: &str) -> String {
    match error {
        // sqlx retries until the timeout, and drops the error of each attempt.
        DbErr::Conn(RuntimeErr::SqlxError(error)) if matches!(**error, SqlxError::PoolTimedOut) => {
            "no answer for 5 seconds; is the server up, at the host and port of DATABASE_URL?"
                .to_owned()
        }
        // SeaORM quotes a URL that it cannot use, with its password.
        error => error.to_string().replace(url, "DATABASE_URL"),
    }
}
