//! Dates and spans as text for people.

use std::time::{SystemTime, UNIX_EPOCH};

/// Whole seconds since 1970, as the functions here take them. 0 for a time before 1970.
#[must_use]
pub fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The date of a unix time, as `2026-09-21 14:13:20 UTC`. `never` after the year 9999.
#[must_use]
pub fn date(unix_seconds: u64) -> String {
    const YEAR_10000: u64 = 253_402_300_800;
    if unix_seconds >= YEAR_10000 {
        return "never".to_owned();
    }
    let (days, seconds) = (unix_seconds / 86_400, unix_seconds % 86_400);
    // Days since 1 March of year 0: a leap day is then the last day of its year (Howard Hinnant's civil_from_days).
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// A duration in the largest unit of which it has at least two, rounded down: `47 hours`, `2 days`.
#[must_use]
pub fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        172_800..63_072_000 => (seconds / 86_400, "day"),
        _ => (seconds / 31_536_000, "year"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// The date of a unix time and its distance from now: `2026-09-21 14:13:20 UTC, 3 minutes ago`.
#[must_use]
pub fn moment(unix_seconds: u64, now: u64) -> String {
    let date = date(unix_seconds);
    match unix_seconds.cmp(&now) {
        _ if date == "never" => date,
        std::cmp::Ordering::Less => format!("{date}, {} ago", span(now - unix_seconds)),
        std::cmp::Ordering::Equal => format!("{date}, now"),
        std::cmp::Ordering::Greater => format!("{date}, in {}", span(unix_seconds - now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_735_689_599, "2024-12-31 23:59:59 UTC"),
            (1_790_000_000, "2026-09-21 14:13:20 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (253_402_300_799, "9999-12-31 23:59:59 UTC"),
            (253_402_300_800, "never"),
            (u64::MAX, "never"),
        ] {
            assert_eq!(date(seconds), expected);
        }
    }

    #[test]
    fn dates_have_their_distance_from_now_in_either_direction() {
        let noon = 1_790_000_000;
        for (moment_, expected) in [
            (noon, "2026-09-21 14:13:20 UTC, now"),
            (noon - 1, "2026-09-21 14:13:19 UTC, 1 second ago"),
            (noon - 180, "2026-09-21 14:10:20 UTC, 3 minutes ago"),
            (noon + 43_200, "2026-09-22 02:13:20 UTC, in 12 hours"),
            (noon + 180 * 86_400, "2027-03-20 14:13:20 UTC, in 180 days"),
            (u64::MAX, "never"),
        ] {
            assert_eq!(moment(moment_, noon), expected);
        }
    }
}
