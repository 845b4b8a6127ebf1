//! The figures of a store under load.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The figures of one store in one scenario. Those of several tasks or processes are added up.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Creates, loads, saves, deletes and prunes, including those that failed.
    pub(crate) operations: u64,
    /// Operations that returned an error.
    pub(crate) failed: u64,
    /// Sessions that a load did not find, although they were neither deleted nor expired.
    pub(crate) lost: u64,
    /// Sessions that a load found in a state before the last successful save.
    pub(crate) stale: u64,
    /// Sessions that a load found after a successful delete.
    pub(crate) back: u64,
    /// How often each error message was returned.
    errors: BTreeMap<String, u64>,
    /// The microseconds of each create, load, save and delete.
    latencies: Vec<u64>,
}

impl Figures {
    /// Counts an operation and the error that it returned, if any.
    pub(crate) fn count(&mut self, error: Option<&anyhow::Error>) {
        self.operations += 1;
        if let Some(error) = error {
            self.failed += 1;
            *self
                .errors
                .entry(without_ids(&format!("{error:#}")))
                .or_default() += 1;
        }
    }

    pub(crate) fn add_latency(&mut self, latency: Duration) {
        self.latencies
            .push(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.operations += other.operations;
        self.failed += other.failed;
        self.lost += other.lost;
        self.stale += other.stale;
        self.back += other.back;
        for (message, count) in other.errors {
            *self.errors.entry(message).or_default() += count;
        }
        self.latencies.extend(other.latencies);
    }

    /// Returns a percentile of the latencies, by nearest rank.
    pub(crate) fn latency(&self, percent: usize) -> Duration {
        let mut latencies = self.latencies.clone();
        latencies.sort_unstable();
        let rank = (latencies.len() * percent).div_ceil(100);
        let micros = rank
            .checked_sub(1)
            .and_then(|index| latencies.get(index).copied());
        Duration::from_micros(micros.unwrap_or_default())
    }

    /// Returns the `limit` errors that were returned most often.
    pub(crate) fn top_errors(&self, limit: usize) -> Vec<(&str, u64)> {
        let mut errors: Vec<_> = self
            .errors
            .iter()
            .map(|(message, count)| (message.as_str(), *count))
            .collect();
        errors.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        errors.truncate(limit);
        errors
    }
}

/// Replaces session ids, plain (22 characters) or hashed (64), so that equal errors have equal messages.
fn without_ids(message: &str) -> String {
    let in_id = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut plain = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(start) = rest.find(in_id) {
        let (before, word) = rest.split_at(start);
        let end = word.find(|c| !in_id(c)).unwrap_or(word.len());
        let (word, after) = word.split_at(end);
        let has_digit = word.contains(|c: char| c.is_ascii_digit());
        plain.push_str(before);
        plain.push_str(match word.len() {
            22 | 64 if has_digit => "<id>",
            _ => word,
        });
        rest = after;
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Figures, without_ids};

    #[test]
    fn messages_lose_their_ids() {
        assert_eq!(
            without_ids("Duplicate entry 'bWFzcGhhbHQtMTIzNDU2Nz' (1062)"),
            "Duplicate entry '<id>' (1062)"
        );
        assert_eq!(
            without_ids("error 57P01: terminating"),
            "error 57P01: terminating"
        );
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let mut figures = Figures::default();
        assert_eq!(figures.latency(99), Duration::ZERO);
        for micros in (1..=200).rev() {
            figures.add_latency(Duration::from_micros(micros));
        }
        assert_eq!(figures.latency(99), Duration::from_micros(198));
        assert_eq!(figures.latency(100), Duration::from_micros(200));
    }
}
