//! Prunes by hand, shows its progress, and can be stopped after any batch.

use std::fmt;
use std::time::Duration;

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressState, ProgressStyle};
use sea_orm::PaginatorTrait;
use session_store::{SeaOrmStore, SessionModel};
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::AnyError;

#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Count the rows to delete, but do not delete them
    #[arg(long)]
    pub dry_run: bool,

    /// Rows to delete in each batch
    #[arg(long, value_name = "ROWS", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub batch_size: u32,

    /// Milliseconds to wait between batches, so that the database can do other work
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub pause: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    WouldDelete { rows: u64, batches: u64 },
    Done { deleted: u64, left: u64 },
    Stopped { deleted: u64, of: u64 },
}

impl Outcome {
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Stopped { .. } => STOPPED,
            _ => 0,
        }
    }
}

/// The exit code that a shell reports after Ctrl-C: 128 plus the number of SIGINT.
const STOPPED: u8 = 130;

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::WouldDelete { rows, batches } => write!(
                f,
                "dry run: would delete {} in {}",
                quantity(rows, "row"),
                quantity(batches, "batch")
            ),
            Self::Done { deleted, left: 0 } => {
                write!(f, "done: {} deleted", quantity(deleted, "row"))
            }
            Self::Done { deleted, left } => write!(
                f,
                "done: {} deleted, {} not deleted: another prune is running, or a policy or trigger \
                 of the database blocks the delete",
                quantity(deleted, "row"),
                HumanCount(left)
            ),
            Self::Stopped { deleted, of } => {
                let deleted = HumanCount(deleted);
                write!(f, "stopped: {deleted} of {} deleted", quantity(of, "row"))
            }
        }
    }
}

fn quantity(number: u64, noun: &str) -> String {
    let ending = match (number, noun) {
        (1, _) => "",
        (_, "batch") => "es",
        _ => "s",
    };
    format!("{} {noun}{ending}", HumanCount(number))
}

/// Prunes until every expired session is deleted or a signal arrives.
pub async fn run<M: SessionModel>(
    store: &SeaOrmStore<M>,
    options: &Options,
) -> Result<Outcome, AnyError> {
    // The same time for counting and deleting, so that both mean the same rows.
    let now = OffsetDateTime::now_utc();
    let store = store.clone().with_clock(move || now);
    let rows = store.expired().count(store.db()).await?;
    if options.dry_run {
        let batches = rows.div_ceil(u64::from(options.batch_size));
        return Ok(Outcome::WouldDelete { rows, batches });
    }
    let bar = progress_bar(rows);
    let stop = stop_on_signal(bar.clone());
    prune(&store, options, rows, stop, &bar).await
}

/// Returns a receiver that becomes true on the first Ctrl-C or SIGTERM. The second one ends the program.
fn stop_on_signal(bar: ProgressBar) -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        shutdown_signal().await;
        bar.println("stopping after the current batch; Ctrl-C again stops at once");
        sender.send_replace(true);
        shutdown_signal().await;
        bar.finish_and_clear();
        let deleted = HumanCount(bar.position());
        eprintln!("maintain: stopped during a batch; earlier batches deleted {deleted} rows");
        std::process::exit(i32::from(STOPPED));
    });
    receiver
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

/// Deletes batch by batch until no expired session is left or `stop` is true. `rows` is the number of
/// rows to delete.
pub async fn prune<M: SessionModel>(
    store: &SeaOrmStore<M>,
    options: &Options,
    rows: u64,
    mut stop: watch::Receiver<bool>,
    bar: &ProgressBar,
) -> Result<Outcome, AnyError> {
    let mut batches = store.pruner().batch_size(options.batch_size).batches();
    let mut deleted = 0;
    let outcome = loop {
        match batches.next().await {
            Ok(Some(batch)) => deleted += batch,
            Ok(None) => {
                let left = store.expired().count(store.db()).await;
                break left
                    .map(|left| Outcome::Done { deleted, left })
                    .map_err(Into::into);
            }
            Err(error) => {
                let (deleted, of) = (HumanCount(deleted), quantity(rows, "row"));
                break Err(format!("{error}\nbefore the error: {deleted} of {of} deleted").into());
            }
        }
        bar.set_position(deleted);
        if deleted >= rows {
            continue; // No pause after the last batch.
        }
        tokio::select! {
            biased;
            _ = stop.wait_for(|is_stopped| *is_stopped) => {
                break Ok(Outcome::Stopped { deleted, of: rows });
            }
            () = tokio::time::sleep(Duration::from_millis(options.pause)) => {}
        }
    };
    bar.finish_and_clear();
    outcome
}

/// Returns a progress bar, which is hidden if the output is not a terminal.
fn progress_bar(rows: u64) -> ProgressBar {
    let bar = ProgressBar::new(rows);
    let template = "{wide_bar} {human_pos} of {human_len} rows{speed}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.with_key("speed", speed));
    }
    // Updates the times during a long pause.
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

fn speed(state: &ProgressState, f: &mut dyn fmt::Write) {
    if state.pos() > 0 {
        let (rate, left) = (state.per_sec() as u64, HumanDuration(state.eta()));
        let _ = write!(f, ", {}/s, {left:#} left", HumanCount(rate));
    }
}
