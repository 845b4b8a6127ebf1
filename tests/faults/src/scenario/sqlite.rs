//! Writes to one SQLite file from several processes.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::{Child, Command};

use super::Outcome;
use crate::figures::Figures;
use crate::load::Load;
use crate::subject::{Store, Touch};

/// The first argument of each process of this scenario.
pub(crate) const WORKER: &str = "--sqlite-worker";

/// All processes have visitors. The first prunes the expired sessions that the others create.
const PROCESSES: usize = 4;
const VISITORS: usize = 4;

pub(crate) async fn run(store: Store, time: Duration) -> Result<Outcome> {
    let home = tempfile::Builder::new().prefix("faults.").tempdir()?;
    let file = home.path().join("sessions.sqlite");
    let url = format!("sqlite://{}?mode=rwc", file.display());
    drop(store.open(&url, Touch::Rarely).await?);
    let workers = (0..PROCESSES)
        .map(|index| start_worker(index == 0, store, &url, time))
        .collect::<Result<Vec<_>>>()?;
    let mut figures = Figures::default();
    for worker in workers {
        let output = worker.wait_with_output().await?;
        ensure!(
            output.status.success(),
            "a worker failed: {}",
            output.status
        );
        figures.add(serde_json::from_slice(&output.stdout)?);
    }
    Ok(Outcome {
        figures,
        fault: format!("{PROCESSES} processes, one of which pruned"),
    })
}

fn start_worker(prunes: bool, store: Store, url: &str, time: Duration) -> Result<Child> {
    Command::new(std::env::current_exe()?)
        .arg(WORKER)
        .args([&prunes.to_string(), &store.to_string(), url])
        .arg(time.as_secs_f64().to_string())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start a worker")
}

/// Puts the load of one process on the store, and prints its figures as JSON.
pub(crate) async fn work(arguments: &[String]) -> Result<()> {
    let [prunes, store, url, seconds] = arguments else {
        anyhow::bail!("{WORKER} is only for processes that this program starts");
    };
    let prunes: bool = prunes.parse()?;
    let time = Duration::try_from_secs_f64(seconds.parse()?)?;
    let subject = store.parse::<Store>()?.open(url, Touch::Rarely).await?;
    let load = Load {
        visitors: VISITORS,
        creates_expired: !prunes,
        pruners: usize::from(prunes),
    };
    let figures = load.run_for(&subject, time).await?;
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}
