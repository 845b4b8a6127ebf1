//! A prune by hand, which shows how far it is and can be ended after any batch.

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
    /// Say how many rows that would be, and delete none
    #[arg(long)]
    pub dry_run: bool,

    /// Rows that a batch deletes
    #[arg(long, value_name = "ROWS", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub batch_size: u32,

    /// Milliseconds from one batch to the next, for the database to do its other work
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

/// What a shell gives a program that Ctrl-C has ended: 128 and the number of the signal.
const STOPPED: u8 = 130;

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::WouldDelete { rows, batches } => write!(
                f,
                "dry run: {} in {} to be deleted, none is",
                counted(rows, "row"),
                counted(batches, "batch")
            ),
            Self::Done { deleted, left: 0 } => {
                write!(f, "done: {} deleted", counted(deleted, "row"))
            }
            Self::Done { deleted, left } => write!(
                f,
                "done: {} deleted; {} could not be: another prune is at work, or a policy or a \
                 trigger of the database keeps them",
                counted(deleted, "row"),
                HumanCount(left)
            ),
            Self::Stopped { deleted, of } => {
                let deleted = HumanCount(deleted);
                write!(f, "stopped: {deleted} of {} deleted", counted(of, "row"))
            }
        }
    }
}

fn counted(number: u64, noun: &str) -> String {
    let ending = match (number, noun) {
        (1, _) => "",
        (_, "batch") => "es",
        _ => "s",
    };
    format!("{} {noun}{ending}", HumanCount(number))
}

/// Prunes as a person asks for it: until all is deleted or Ctrl-C.
pub async fn run<M: SessionModel>(
    store: &SeaOrmStore<M>,
    options: &Options,
) -> Result<Outcome, AnyError> {
    // One moment for what is counted and what is deleted.
    let now = OffsetDateTime::now_utc();
    let store = store.clone().with_clock(move || now);
    let rows = store.expired().count(store.db()).await?;
    if options.dry_run {
        let batches = rows.div_ceil(u64::from(options.batch_size));
        return Ok(Outcome::WouldDelete { rows, batches });
    }
    // From here on: before, nothing is done that is worth waiting for.
    let bar = progress_bar(rows);
    let stop = stopped_by_ctrl_c(bar.clone());
    prune(&store, options, rows, stop, &bar).await
}

/// The first Ctrl-C is told by the receiver, the second ends the program.
fn stopped_by_ctrl_c(bar: ProgressBar) -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            bar.println("stopping after the batch in hand; Ctrl-C again stops at once");
            sender.send_replace(true);
            if tokio::signal::ctrl_c().await.is_ok() {
                bar.finish_and_clear();
                let deleted = HumanCount(bar.position());
                eprintln!("maintain: stopped in a batch; before it, {deleted} were deleted");
                std::process::exit(i32::from(STOPPED));
            }
        }
        // A sender that is gone would be taken for Ctrl-C.
        std::future::pending::<()>().await;
    });
    receiver
}

/// Deletes batch by batch until nothing is left or `stop` says so; `rows` is how many there are.
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
                let (deleted, of) = (HumanCount(deleted), counted(rows, "row"));
                break Err(format!("{error}\nbefore that: {deleted} of {of} deleted").into());
            }
        }
        bar.set_position(deleted);
        if deleted >= rows {
            continue; // Without a pause after the last.
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

/// On the terminal; where the output goes elsewhere, none.
fn progress_bar(rows: u64) -> ProgressBar {
    let bar = ProgressBar::new(rows);
    let template = "{wide_bar} {human_pos} of {human_len} rows{speed}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.with_key("speed", speed));
    }
    // With a long pause the time goes on all the same.
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

fn speed(state: &ProgressState, f: &mut dyn fmt::Write) {
    if state.pos() > 0 {
        let (rate, left) = (state.per_sec() as u64, HumanDuration(state.eta()));
        let _ = write!(f, ", {}/s, {left:#} left", HumanCount(rate));
    }
}
