//! Days since 1970, by which a host keeps its accounts and a distribution its releases.

use jiff::Span;
use jiff::civil::{Date, date as civil};

use super::Subject;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// This computer's today: a host's own clock may be wrong.
pub(super) fn today(subject: &Subject<'_>) -> i64 {
    (subject.facts().clock.unix_ms - subject.host.clock_offset_ms).div_euclid(DAY_MS)
}

/// The date of a day: `2028-06-30`. One that no calendar has is told as its number.
pub(super) fn date(day: i64) -> String {
    let span = Span::new().try_days(day).ok();
    let date = span.and_then(|span| civil(1970, 1, 1).checked_add(span).ok());
    date.map_or_else(|| format!("day {day}"), |date| date.to_string())
}

/// The day of a date.
pub(super) fn day(date: Date) -> i64 {
    (date - civil(1970, 1, 1)).get_days().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates() {
        for (number, text) in [(0, "1970-01-01"), (21_365, "2028-06-30"), (-1, "1969-12-31")] {
            assert_eq!(date(number), text);
            assert_eq!(day(text.parse().unwrap()), number);
        }
        assert_eq!(date(i64::MAX), format!("day {}", i64::MAX));
    }
}
