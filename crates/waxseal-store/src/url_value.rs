//! Values of options in a store's URL, for authors of stores.

use std::time::Duration;

/// The names and values of a query, without decoding.
pub fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|part| !part.is_empty()).map(|part| part.split_once('=').unwrap_or((part, "")))
}

/// A time above zero and up to a day: `2s`, `500ms`, or a number of seconds.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use waxseal_store::url_value;
///
/// assert_eq!(url_value::duration("500ms"), Some(Duration::from_millis(500)));
/// assert_eq!(url_value::duration("2"), Some(Duration::from_secs(2)));
/// assert_eq!(url_value::duration("0"), None);
/// ```
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let (digits, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(digits), _) => (digits, 1),
        (None, Some(digits)) => (digits, 1000),
        (None, None) => (text, 1000),
    };
    let time = Duration::from_millis(number::<u64>(digits)?.checked_mul(unit)?);
    (!time.is_zero() && time <= Duration::from_secs(24 * 60 * 60)).then_some(time)
}

/// A number of bytes: `1048576`, or with a unit, `512KiB`, `64MiB`, `2GiB`.
///
/// # Example
///
/// ```
/// assert_eq!(waxseal_store::url_value::bytes("64MiB"), Some(67_108_864));
/// ```
#[must_use]
pub fn bytes(text: &str) -> Option<u64> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let unit = units.iter().find_map(|(unit, bits)| Some((text.strip_suffix(unit)?, *bits)));
    let (digits, bits) = unit.unwrap_or((text, 0));
    number::<u64>(digits)?.checked_mul(1 << bits)
}

/// A number that consists only of digits.
#[must_use]
pub fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    // `parse` would take a plus sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// `true` or `false`.
#[must_use]
pub fn truth(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_whole_or_not_at_all() {
        for (text, millis) in [
            ("1ms", Some(1)),
            ("500ms", Some(500)),
            ("2s", Some(2000)),
            ("30", Some(30_000)),
            ("86400", Some(86_400_000)),
            ("86401", None),
            ("0", None),
            ("0ms", None),
            ("", None),
            ("s", None),
            ("-1", None),
            ("+1", None),
            ("1.5s", None),
            ("1m", None),
            ("1 s", None),
            ("99999999999999999999", None),
            ("18446744073709551615s", None),
        ] {
            assert_eq!(duration(text), millis.map(Duration::from_millis), "{text}");
        }
        for (text, expected) in [
            ("0", Some(0)),
            ("1KiB", Some(1024)),
            ("3MiB", Some(3 << 20)),
            ("2GiB", Some(2 << 30)),
            ("1MB", None),
            ("KiB", None),
            ("+1", None),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551615KiB", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
