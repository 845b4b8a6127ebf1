//! For operators: what a session table holds, and a prune by hand.
//!
//! ```sh
//! cargo run --example maintain
//! cargo run --example maintain -- prune --dry-run
//! cargo run --example maintain -- prune --batch-size 1000 --pause 100
//! ```
//!
//! `DATABASE_URL` comes from the environment (`sqlite://quickstart.sqlite`, the file of the example
//! `quickstart`; also `postgres://…` or `mysql://…`). Ctrl-C ends a prune after the batch in hand,
//! another one at once.

mod prune;
mod report;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr, RuntimeErr, SqlxError};
// The entity whose table this is about. An application puts its own here, as in
// `use my_app::entity::session;`.
use session_store::express_session as session;
use time::OffsetDateTime;

/// Shows what the session table holds, and prunes it by hand.
///
/// The report writes nothing. To tell the sizes it reads the whole table, which takes a
/// while in a large one.
#[derive(Debug, Parser)]
#[command(name = "maintain", verbatim_doc_comment)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// The database, as postgres://…, mysql://… or sqlite://…
    ///
    /// A password in the arguments is seen in the list of processes: prefer the environment.
    #[arg(
        long,
        value_name = "URL",
        env = "DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite://quickstart.sqlite",
        global = true
    )]
    database_url: String,

    /// Leave out the sizes; of the rows the ends alone are read
    #[arg(long)]
    no_sizes: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Delete the rows of expired sessions, in batches
    ///
    /// Those that have expired when it begins. Ctrl-C ends it after the batch in hand,
    /// with exit code 130; another Ctrl-C at once.
    #[command(verbatim_doc_comment)]
    Prune(prune::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    run(Arguments::parse()).await.into()
}

/// The exit code, when all is said.
async fn run(arguments: Arguments) -> u8 {
    match answer(arguments).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("maintain: {error}");
            1
        }
    }
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

async fn answer(arguments: Arguments) -> Result<u8, AnyError> {
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
    // Not by `print!`, which panics when the reader has gone, as in `maintain | head -1`.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(code)
}

/// Not with `session_store::connect_options`, which puts an SQLite file into WAL mode: a look at a table
/// changes nothing.
async fn connect(url: &str) -> Result<DatabaseConnection, AnyError> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .connect_timeout(Duration::from_secs(5));
    let connected = Database::connect(options).await;
    connected.map_err(|error| {
        let reason = match error {
            // sqlx tries again for as long, and does not say what it met.
            DbErr::Conn(RuntimeErr::SqlxError(error))
                if matches!(*error, SqlxError::PoolTimedOut) =>
            {
                "no answer for 5 seconds; is the server up, at the host and port of DATABASE_URL?"
                    .to_owned()
            }
            // SeaORM quotes a URL that it cannot use, and with it a password.
            error => error.to_string().replace(url, "DATABASE_URL"),
        };
        format!("could not connect to the database: {reason}").into()
    })
}
