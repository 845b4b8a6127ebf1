//! Rounds of a tenth of a second, in which stores take turns.

use std::time::Duration;

use anyhow::Result;
use tokio::runtime::Runtime;

use crate::SESSIONS;
use crate::operation::{Operation, create};
use crate::subject::{Data, Subject};

const ROUNDS: usize = 21;
const ROUND_TIME: Duration = Duration::from_millis(100);

/// Runs an operation of one store a number of times, and returns the time that took.
pub type Timed<'a> = Box<dyn Fn(u64) -> Result<Duration> + 'a>;

/// Prepares an operation of one store to be timed, with sessions of its own.
///
/// # Errors
///
/// Returns an error if the sessions cannot be created.
pub fn timed<'a, S: Subject>(
    runtime: &'a Runtime,
    operation: Operation,
    tasks: u64,
    subject: &'a S,
    data: &'a Data,
) -> Result<Timed<'a>> {
    let sessions = runtime.block_on(create(subject, data, SESSIONS))?;
    Ok(Box::new(move |count| {
        runtime.block_on(operation.time(subject, &sessions, data, tasks, count))
    }))
}

/// Measures every round. Returns, for each store, the microseconds per operation of each round; a store
/// without the operation has none.
///
/// # Errors
///
/// Returns the first error of an operation.
pub fn rounds(timed: &[Option<Timed<'_>>]) -> Result<Vec<Vec<f64>>> {
    let mut counts = Vec::new();
    for timed in timed {
        counts.push(match timed {
            Some(timed) => calibrate(timed)?,
            None => 0,
        });
    }
    let mut rounds = vec![Vec::new(); timed.len()];
    for round in 0..ROUNDS {
        // A different store is first in each round.
        for turn in 0..timed.len() {
            let store = (round + turn) % timed.len();
            if let Some(timed) = &timed[store] {
                let time = timed(counts[store])?;
                let count = u32::try_from(counts[store])?;
                rounds[store].push(time.as_secs_f64() * 1e6 / f64::from(count));
            }
        }
    }
    Ok(rounds)
}

/// Returns the number of operations that take about the time of a round.
fn calibrate(timed: &Timed<'_>) -> Result<u64> {
    let mut count = 32;
    loop {
        let time = timed(count)?;
        if time * 2 >= ROUND_TIME {
            let fits = u128::from(count) * ROUND_TIME.as_nanos() / time.as_nanos().max(1);
            return Ok(u64::try_from(fits)?.max(32));
        }
        count *= 2;
    }
}
