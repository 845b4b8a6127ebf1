//! How does a day of samples become a picture, and a table of the same numbers?

use std::collections::BTreeMap;

use maud::{Markup, html};
use time::OffsetDateTime;

use crate::sample::{self, minute_of};

/// The bars a picture has room for.
const SLOTS: i64 = 48;

/// How many minutes a bar can stand for: the last makes a whole day of them.
const STEPS: [i64; 4] = [1, 5, 15, 30];

/// The most sessions in each stretch of `step` minutes, by its number since 1970, up to `last`.
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
        // A minute that this program has counted is in the range of time.
        let time = OffsetDateTime::from_unix_timestamp(slot * self.step * 60);
        let time = time.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        format!("{:02}:{:02}", time.hour(), time.minute())
    }
}

/// The least of 4, 10, 20, 40, 100, … that is not below `highest`: its half is whole.
fn ceiling(highest: i64) -> i64 {
    let mut ceiling = 4;
    let mut power = 10;
    while ceiling < highest {
        ceiling = match ceiling / power {
            0 => power,
            1 => 2 * power,
            2 => 4 * power,
            _ => {
                power *= 10;
                power
            }
        };
    }
    ceiling
}

pub fn chart(samples: &[sample::Model], now: OffsetDateTime) -> Markup {
    let peaks = Peaks::new(samples, minute_of(now));
    if peaks.peaks.is_empty() {
        return html! {
            div.chart.card {
                h2 { "Sessions over time" }
                p.soft { "The first number is taken within a minute." }
            }
        };
    }
    let ceiling = ceiling(peaks.highest());
    let (from, middle) = (peaks.last - SLOTS + 1, peaks.last - SLOTS / 2);
    html! {
        figure.chart.card {
            figcaption {
                h2 { "Sessions over time" }
                span.soft { (title(&peaks)) }
            }
            div.plot {
                div.ticks-y aria-hidden="true" {
                    span { (ceiling) } span { (ceiling / 2) } span { "0" }
                }
                (bars(&peaks, from, ceiling))
                div.ticks-x aria-hidden="true" {
                    span { (peaks.time(from)) } span { (peaks.time(middle)) }
                    span { (peaks.time(peaks.last)) }
                }
            }
            (numbers(&peaks))
        }
    }
}

fn title(peaks: &Peaks) -> String {
    match peaks.step {
        1 => "Each minute, UTC".to_owned(),
        step => format!("The most in {step} minutes, UTC"),
    }
}

fn bars(peaks: &Peaks, from: i64, ceiling: i64) -> Markup {
    // A bar is 7 of 10 wide; the browser stretches the picture to the room there is.
    let width = SLOTS * 10;
    html! {
        svg viewBox={ "0 0 " (width) " 100" } preserveAspectRatio="none" role="img"
            aria-labelledby="chart-title chart-desc" {
            title id="chart-title" { "Sessions over time" }
            desc id="chart-desc" { (in_words(peaks)) }
            @for y in [0, 50, 100] {
                line x1="0" y1=(y) x2=(width) y2=(y) {}
            }
            @for (slot, sessions) in &peaks.peaks {
                // None is a line on the ground, and not a gap: that is a time without a sample.
                @let height = (*sessions as f64 / ceiling as f64 * 100.0).max(1.0);
                rect x=((slot - from) * 10 + 2) y=(format!("{:.1}", 100.0 - height))
                    width="7" height=(format!("{height:.1}")) {}
            }
        }
    }
}

fn in_words(peaks: &Peaks) -> String {
    let Some((slot, latest)) = peaks.peaks.last_key_value() else {
        return String::new();
    };
    let lowest = peaks.peaks.values().copied().min().unwrap_or_default();
    let highest = peaks.highest();
    let at = peaks.time(*slot);
    format!("Between {lowest} and {highest}; {latest} at {at}. The numbers are in the table below.")
}

fn numbers(peaks: &Peaks) -> Markup {
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
    use crate::sample::MINUTES_A_DAY;

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
    fn a_whole_day_is_48_bars_of_the_most_in_half_an_hour() {
        let peaks = Peaks::new(&samples(MINUTES_A_DAY, |minute| minute % 30), NOW);
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
        let given = [0, 4, 5, 10, 11, 21, 41, 100, 101, 4_001];
        let ends = [4, 4, 10, 10, 20, 40, 100, 100, 200, 10_000];
        assert_eq!(given.map(ceiling), ends);
    }

    #[test]
    fn before_the_first_sample_there_is_a_word_and_no_picture() {
        let page = chart(&[], OffsetDateTime::UNIX_EPOCH).into_string();
        assert!(!page.contains("<svg"), "{page}");
    }
}
