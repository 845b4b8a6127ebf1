//! How are a day's samples drawn as a bar chart and listed in a table?

use std::collections::BTreeMap;

use maud::{Markup, html};
use time::OffsetDateTime;

use crate::sample::{self, minute_of};

/// The number of bars that fit into the chart.
const SLOTS: i64 = 48;

/// The minutes that a bar can cover. With the longest step the chart covers a whole day.
const STEPS: [i64; 4] = [1, 5, 15, 30];

/// The maximum of sessions in each slot of `step` minutes. Slots are numbered since 1970; `last` is now.
#[derive(Debug, PartialEq, Eq)]
struct Peaks {
    step: i64,
    last: i64,
    peaks: BTreeMap<i64, i64>,
}

impl Peaks {
    fn new(samples: &[sample::Model], now: i64) -> Self {
        let first = samples.first().map_or(now, |sample| sample.minute);
        let fits = |step: &i64| now / step - first / step < SLOTS;
        let step = STEPS.into_iter().find(fits).unwrap_or(30);
        let last = now / step;
        let mut peaks = BTreeMap::new();
        for sample in samples {
            let slot = sample.minute / step;
            if (last - SLOTS + 1..=last).contains(&slot) {
                let peak = peaks.entry(slot).or_default();
                *peak = sample.sessions.max(*peak);
            }
        }
        Self { step, last, peaks }
    }

    fn highest(&self) -> i64 {
        self.peaks.values().copied().max().unwrap_or_default()
    }

    fn time(&self, slot: i64) -> String {
        // Samples are from the last day, so the timestamp is in range.
        let time = OffsetDateTime::from_unix_timestamp(slot * self.step * 60);
        let time = time.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        format!("{:02}:{:02}", time.hour(), time.minute())
    }
}

/// Returns the smallest of 4, 10, 20, 40, 100, … that is at least `highest`. Its half is an integer.
fn scale_max(highest: i64) -> i64 {
    let mut max = 4;
    let mut power = 10;
    while max < highest {
        max = match max / power {
            0 => power,
            1 => 2 * power,
            2 => 4 * power,
            _ => {
                power *= 10;
                power
            }
        };
    }
    max
}

/// Renders the samples up to `now`, which are in ascending order.
pub fn chart(samples: &[sample::Model], now: OffsetDateTime) -> Markup {
    let peaks = Peaks::new(samples, minute_of(now));
    let max = scale_max(peaks.highest());
    let (from, middle) = (peaks.last - SLOTS + 1, peaks.last - SLOTS / 2);
    html! {
        figure.chart.card {
            figcaption {
                h2 { "All sessions over time" }
                span.muted { (subtitle(peaks.step)) }
            }
            div.plot {
                div.ticks-y aria-hidden="true" {
                    span { (max) } span { (max / 2) } span { "0" }
                }
                (bars(&peaks, from, max, &summary(samples)))
                div.ticks-x aria-hidden="true" {
                    span { (peaks.time(from)) } span { (peaks.time(middle)) }
                    span { (peaks.time(peaks.last)) }
                }
            }
            (table(&peaks))
        }
    }
}

fn subtitle(step: i64) -> String {
    match step {
        1 => "Each minute, UTC".to_owned(),
        step => format!("Maximum in {step} minutes, UTC"),
    }
}

fn bars(peaks: &Peaks, from: i64, max: i64, summary: &str) -> Markup {
    // A bar is 7 of 10 units wide. The browser scales the image to the available width.
    let width = SLOTS * 10;
    html! {
        svg viewBox={ "0 0 " (width) " 100" } preserveAspectRatio="none" role="img"
            aria-labelledby="chart-title chart-desc" {
            title id="chart-title" { "All sessions over time" }
            desc id="chart-desc" { (summary) }
            @for y in [0, 50, 100] {
                line x1="0" y1=(y) x2=(width) y2=(y) {}
            }
            @for (slot, sessions) in &peaks.peaks {
                // Zero sessions are a thin bar. A gap is a time without samples.
                @let height = (*sessions as f64 / max as f64 * 100.0).max(1.0);
                rect x=((slot - from) * 10 + 2) y=(format!("{:.1}", 100.0 - height))
                    width="7" height=(format!("{height:.1}")) {}
            }
        }
    }
}

/// Describes the chart to users who cannot see it.
fn summary(samples: &[sample::Model]) -> String {
    let sessions = || samples.iter().map(|sample| sample.sessions);
    let lowest = sessions().min().unwrap_or_default();
    let highest = sessions().max().unwrap_or_default();
    let current = sessions().next_back().unwrap_or_default();
    format!("Between {lowest} and {highest}, now {current}. The table below has the numbers.")
}

fn table(peaks: &Peaks) -> Markup {
    html! {
        details {
            summary { "The numbers" }
            div.scroll tabindex="0" role="region" aria-label="The numbers of the chart" {
                table {
                    thead {
                        tr { th scope="col" { "From (UTC)" } th scope="col" { "Sessions" } }
                    }
                    tbody {
                        @for (slot, sessions) in peaks.peaks.iter().rev() {
                            tr { th scope="row" { (peaks.time(*slot)) } td { (sessions) } }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::MINUTES_PER_DAY;

    const NOW: i64 = 29_000_017;

    fn samples(minutes: i64, sessions: impl Fn(i64) -> i64) -> Vec<sample::Model> {
        (NOW - minutes + 1..=NOW)
            .map(|minute| sample::Model {
                minute,
                sessions: sessions(minute),
            })
            .collect()
    }

    #[test]
    fn one_sample_is_one_bar_at_the_end_of_the_minutes() {
        let peaks = Peaks::new(&samples(1, |_| 3), NOW);
        assert_eq!((peaks.step, peaks.last), (1, NOW));
        assert_eq!(peaks.peaks, BTreeMap::from([(NOW, 3)]));
    }

    #[test]
    fn a_whole_day_is_48_bars_with_the_maximum_of_half_an_hour() {
        let peaks = Peaks::new(&samples(MINUTES_PER_DAY, |minute| minute % 30), NOW);
        assert_eq!((peaks.step, peaks.peaks.len()), (30, 48));
        let mut older = peaks.peaks.values().rev().skip(1);
        assert!(older.all(|sessions| *sessions == 29));
        assert_eq!(peaks.peaks[&peaks.last], NOW % 30);
    }

    #[test]
    fn a_minute_without_a_sample_is_a_gap() {
        let mut samples = samples(10, |_| 1);
        samples.remove(4);
        assert_eq!(Peaks::new(&samples, NOW).peaks.len(), 9);
    }

    #[test]
    fn the_scale_ends_at_the_next_round_number() {
        let highest = [0, 4, 5, 10, 11, 21, 41, 100, 101, 4_001];
        let max = [4, 4, 10, 10, 20, 40, 100, 100, 200, 10_000];
        assert_eq!(highest.map(scale_max), max);
    }

    #[test]
    fn the_summary_has_the_lowest_the_highest_and_the_current_number() {
        let now = OffsetDateTime::from_unix_timestamp(NOW * 60).unwrap();
        let samples = samples(MINUTES_PER_DAY, |minute| 3 + NOW - minute);
        let chart = chart(&samples, now).into_string();
        assert!(chart.contains("Maximum in 30 minutes"), "{chart}");
        assert!(chart.contains("Between 3 and 1442, now 3."), "{chart}");
    }
}
