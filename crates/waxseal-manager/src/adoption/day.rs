//! Calendar days as text.

use waxseal_store::Timestamp;

/// The beginning of a day in UTC, from text such as `2027-03-01`. `None` for any other text.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let fields: Vec<_> = text.split('-').collect();
    let [year, month, day] = fields.as_slice() else { return None };
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) || year < 1970 {
        return None;
    }
    // Years are counted from March, so that a leap day is the last day of its year.
    let from_march = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = from_march * 365 + from_march / 4 - from_march / 100 + from_march / 400 + of_year - 719_468;
    Some(Timestamp::from_millis(days * 86_400_000))
}

fn number(digits: &str, length: usize) -> Option<u64> {
    let is_number = digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_utc() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400),
            ("2000-03-01", 951_868_800),
            ("2027-03-01", 1_803_859_200),
            ("2100-03-01", 4_107_542_400),
        ] {
            assert_eq!(parse(text).map(Timestamp::as_secs), Some(seconds), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_day() {
        for text in [
            "",
            "2027-3-1",
            "2027-02-29",
            "2027-13-01",
            "2027-00-01",
            "2027-01-00",
            "1969-12-31",
            "2027-01-01T",
            "+027-01-01",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
