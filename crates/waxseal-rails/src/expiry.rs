//! Times as Rails writes them in a message: `2027-02-01T12:00:00.000Z`.

/// The seconds since 1970; `None` for any other text.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let pattern = b"0000-00-00T00:00:00.000Z";
    let fits = |(byte, form): (u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == *form };
    if text.len() != pattern.len() || !text.bytes().zip(pattern).all(fits) {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let is_time =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 60;
    if !is_time || year < 1970 {
        return None;
    }
    // Years are counted from March, so that a leap day is the last day of its year.
    let from_march = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = from_march * 365 + from_march / 4 - from_march / 100 + from_march / 400 + of_year - 719_468;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_the_form_of_rails_alone() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2023-11-14T22:13:20.999Z", 1_700_000_000),
            ("2024-02-29T23:59:59.000Z", 1_709_251_199),
            ("9999-12-31T23:59:59.000Z", 253_402_300_799),
        ] {
            assert_eq!(parse(text), Some(seconds), "{text}");
        }
        for text in [
            "",
            "2023-11-14",
            "2023-11-14T22:13:20Z",
            "2023-11-14T22:13:20.000+00:00",
            "2023-11-14 22:13:20.000Z",
            "2023-13-14T22:13:20.000Z",
            "2023-00-14T22:13:20.000Z",
            "2023-11-14T24:13:20.000Z",
            "1969-12-31T23:59:59.000Z",
            "+023-11-14T22:13:20.000Z",
            "é023-11-14T22:13:20.00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
