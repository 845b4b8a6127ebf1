//! Parses the command line.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::scenario::{Scenario, sqlite};

pub(crate) const USAGE: &str = "\
Injects faults into the databases of session-store and tower-sessions-sqlx-store, and compares what fails.

usage: faults [--seconds N] [--only SCENARIO[,SCENARIO…]]

  --seconds N   how long each load lasts (default: 10)
  --only …      scenarios to run: kill, restart, sqlite, prune, down, cluster (default: all)

The scenarios of `cluster` run within tests/with-cluster.
";

/// What to run.
pub(crate) enum Arguments {
    Help,
    /// The scenarios, each for `time`.
    Run {
        time: Duration,
        scenarios: Vec<Scenario>,
    },
    /// One process of the `sqlite` scenario, with its arguments.
    SqliteWorker(Vec<String>),
}

impl Arguments {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut time = Duration::from_secs(10);
        let mut scenarios = Scenario::ALL.to_vec();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .with_context(|| format!("missing value of {argument}"))
            };
            match argument.as_str() {
                "--help" | "-h" => return Ok(Self::Help),
                "--seconds" => time = Duration::from_secs(value()?.parse()?),
                "--only" => scenarios = only(&value()?)?,
                sqlite::WORKER => return Ok(Self::SqliteWorker(arguments.collect())),
                _ => bail!("unknown argument {argument}\n\n{USAGE}"),
            }
        }
        ensure!(!time.is_zero(), "expected --seconds 1 or more, found 0");
        Ok(Self::Run { time, scenarios })
    }
}

fn only(names: &str) -> Result<Vec<Scenario>> {
    let mut scenarios = Scenario::ALL.to_vec();
    for name in names.split(',') {
        let is_known = scenarios.iter().any(|scenario| scenario.name() == name);
        ensure!(
            is_known,
            "expected kill, restart, sqlite, prune, down or cluster, found {name}"
        );
    }
    scenarios.retain(|scenario| names.split(',').any(|name| name == scenario.name()));
    Ok(scenarios)
}
