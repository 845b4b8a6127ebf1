//! How is a moment told to people?

use maud::{Markup, html};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// "3 minutes ago", and the moment itself for programs.
pub fn ago(then: OffsetDateTime, now: OffsetDateTime) -> Markup {
    // Years of more than four digits alone have no such form.
    let moment = then.format(&Rfc3339).unwrap_or_default();
    html! { time datetime=(moment) { (in_words(then, now)) } }
}

fn in_words(then: OffsetDateTime, now: OffsetDateTime) -> String {
    let passed = now - then;
    let (number, unit) = match passed.whole_minutes() {
        ..1 => return "just now".to_owned(),
        minutes @ ..60 => (minutes, "minute"),
        _ if passed.whole_hours() < 24 => (passed.whole_hours(), "hour"),
        _ => (passed.whole_days(), "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural} ago")
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    #[test]
    fn a_moment_is_told_in_the_largest_whole_unit() {
        let now = OffsetDateTime::UNIX_EPOCH;
        for (passed, words) in [
            (Duration::seconds(-5), "just now"),
            (Duration::seconds(59), "just now"),
            (Duration::minutes(1), "1 minute ago"),
            (Duration::minutes(59), "59 minutes ago"),
            (Duration::minutes(60), "1 hour ago"),
            (Duration::minutes(23 * 60 + 59), "23 hours ago"),
            (Duration::hours(24), "1 day ago"),
            (Duration::days(13), "13 days ago"),
        ] {
            assert_eq!(in_words(now - passed, now), words);
        }
    }
}
