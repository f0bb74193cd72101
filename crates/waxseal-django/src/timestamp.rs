//! Times as Django signs them: seconds since 1970 in base 62, without leading zeros.

use crate::error::Error;

/// How far Django's clock may be ahead, in seconds. Django itself has no limit.
const MAX_CLOCK_SKEW_SECONDS: u64 = 60;

pub(crate) fn parse(text: &str) -> Result<u64, Error> {
    if text.is_empty() || text.len() > 1 && text.starts_with('0') {
        return Err(Error::Timestamp);
    }
    let seconds = text.bytes().try_fold(0_u64, |seconds, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'A'..=b'Z' => digit - b'A' + 10,
            b'a'..=b'z' => digit - b'a' + 36,
            _ => return None,
        };
        seconds.checked_mul(62)?.checked_add(u64::from(digit))
    });
    seconds.ok_or(Error::Timestamp)
}

pub(crate) fn check_age(signed_at: u64, now: u64, max_age: u64) -> Result<(), Error> {
    if signed_at > now.saturating_add(MAX_CLOCK_SKEW_SECONDS) {
        return Err(Error::Future { ahead: signed_at - now });
    }
    let age = now.saturating_sub(signed_at);
    if age > max_age { Err(Error::Expired { age }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_has_one_spelling() {
        for (text, seconds) in [("0", 0), ("z", 61), ("10", 62), ("1r31eq", 1_700_000_000)] {
            assert_eq!(parse(text), Ok(seconds), "{text}");
        }
        for text in ["", "00", "01", "-1", "+1", " 1", "1_", "é", "zzzzzzzzzzzzzzzz"] {
            assert_eq!(parse(text), Err(Error::Timestamp), "{text}");
        }
    }

    #[test]
    fn a_cookie_is_read_until_its_age_and_not_before_it_was_signed() {
        assert_eq!(check_age(100, 110, 10), Ok(()));
        assert_eq!(check_age(100, 111, 10), Err(Error::Expired { age: 11 }));
        assert_eq!(check_age(100, 40, 10), Ok(()));
        assert_eq!(check_age(100, 39, 10), Err(Error::Future { ahead: 61 }));
    }
}
