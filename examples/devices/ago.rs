//! How does a page say how long ago something happened?

use maud::{Markup, html};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Renders "3 minutes ago", with the exact time in the attribute `datetime`.
pub fn ago(time: OffsetDateTime, now: OffsetDateTime) -> Markup {
    // Formatting fails only for years with more than four digits.
    let datetime = time.format(&Rfc3339).unwrap_or_default();
    html! { time datetime=(datetime) { (in_words(now - time)) } }
}

fn in_words(elapsed: time::Duration) -> String {
    let (number, unit) = match elapsed.whole_minutes() {
        ..1 => return "just now".to_owned(),
        minutes @ ..60 => (minutes, "minute"),
        _ if elapsed.whole_hours() < 24 => (elapsed.whole_hours(), "hour"),
        _ => (elapsed.whole_days(), "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural} ago")
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    #[test]
    fn the_elapsed_time_is_shown_in_the_largest_whole_unit() {
        for (elapsed, words) in [
            (Duration::seconds(-5), "just now"),
            (Duration::seconds(59), "just now"),
            (Duration::minutes(1), "1 minute ago"),
            (Duration::minutes(59), "59 minutes ago"),
            (Duration::minutes(60), "1 hour ago"),
            (Duration::minutes(23 * 60 + 59), "23 hours ago"),
            (Duration::hours(24), "1 day ago"),
            (Duration::days(13), "13 days ago"),
        ] {
            assert_eq!(in_words(elapsed), words);
        }
    }
}
