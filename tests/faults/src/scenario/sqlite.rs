//! What does a store do when several processes write to one SQLite file?

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::{Child, Command};
use tokio::time::sleep;

use super::Outcome;
use crate::figures::Figures;
use crate::load::Load;
use crate::subject::{Slide, Store};

/// The first argument of a process that is a part of this scenario.
pub(crate) const PART: &str = "--part-of-sqlite";

/// All visit. The first prunes what the others leave expired.
const PROCESSES: usize = 4;
const VISITORS: usize = 4;

pub(crate) async fn run(store: Store, time: Duration) -> Result<Outcome> {
    let home = tempfile::Builder::new().prefix("faults.").tempdir()?;
    let file = home.path().join("sessions.sqlite");
    let url = format!("sqlite://{}?mode=rwc", file.display());
    drop(store.open(&url, Slide::Rarely).await?);
    let parts = (0..PROCESSES)
        .map(|part| start(part == 0, store, &url, time))
        .collect::<Result<Vec<_>>>()?;
    let mut figures = Figures::default();
    for part in parts {
        let output = part.wait_with_output().await?;
        ensure!(output.status.success(), "a process failed");
        figures.add(serde_json::from_slice(&output.stdout)?);
    }
    Ok(Outcome {
        figures,
        fault: format!("{PROCESSES} processes, one of which pruned"),
    })
}

fn start(prunes: bool, store: Store, url: &str, time: Duration) -> Result<Child> {
    Command::new(std::env::current_exe()?)
        .arg(PART)
        .args([&prunes.to_string(), &store.to_string(), url])
        .arg(time.as_secs_f64().to_string())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("a process could not be started")
}

/// One of the processes: puts its load on the store and prints its figures as JSON.
pub(crate) async fn part(arguments: &[String]) -> Result<()> {
    let [prunes, store, url, seconds] = arguments else {
        anyhow::bail!("{PART} is for this program alone");
    };
    let prunes: bool = prunes.parse()?;
    let time = Duration::try_from_secs_f64(seconds.parse()?)?;
    let subject = store.parse::<Store>()?.open(url, Slide::Rarely).await?;
    let load = Load {
        visitors: VISITORS,
        expiring: !prunes,
        pruners: usize::from(prunes),
    };
    let over = async {
        sleep(time).await;
        Ok(())
    };
    let (figures, ()) = load.run(&subject, over).await?;
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}
