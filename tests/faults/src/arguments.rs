//! What was this program told to do?

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::scenario::{Scenario, sqlite};

pub(crate) const USAGE: &str = "\
Puts faults on session-store and on tower-sessions-sqlx-store and prints what came of it.

usage: faults [--seconds N] [--only SCENARIO[,SCENARIO…]]

  --seconds N   how long each load lasts (10)
  --only …      of kill, restart, sqlite and prune
";

/// What is to be done.
pub(crate) enum Arguments {
    Help,
    /// The scenarios, each for that long.
    Run {
        time: Duration,
        scenarios: Vec<Scenario>,
    },
    /// This process is a part of the `sqlite` scenario, with these arguments.
    Part(Vec<String>),
}

impl Arguments {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut time = Duration::from_secs(10);
        let mut scenarios = Scenario::ALL.to_vec();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .with_context(|| format!("{argument} needs a value"))
            };
            match argument.as_str() {
                "--help" | "-h" => return Ok(Self::Help),
                "--seconds" => time = Duration::from_secs(value()?.parse()?),
                "--only" => scenarios = only(&value()?)?,
                sqlite::PART => return Ok(Self::Part(arguments.collect())),
                _ => bail!("{argument} is no argument of this program\n\n{USAGE}"),
            }
        }
        ensure!(
            !time.is_zero(),
            "the load has to last for a second at least"
        );
        Ok(Self::Run { time, scenarios })
    }
}

fn only(names: &str) -> Result<Vec<Scenario>> {
    let mut scenarios = Scenario::ALL.to_vec();
    for name in names.split(',') {
        let is_known = scenarios.iter().any(|scenario| scenario.name() == name);
        ensure!(is_known, "there is no scenario {name}");
    }
    scenarios.retain(|scenario| names.split(',').any(|name| name == scenario.name()));
    Ok(scenarios)
}
