//! The time at which a certificate ends.

use std::time::{Duration, SystemTime};

// Tags of DER.
const SEQUENCE: u8 = 0x30;
/// The version, which a certificate of version 1 lacks.
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The end of a certificate's validity: its `notAfter`, RFC 5280 §4.1. `None` if it cannot be read, or is before 1970.
pub(crate) fn not_after(certificate: &[u8]) -> Option<SystemTime> {
    let certificate = content(certificate, SEQUENCE)?;
    let mut rest = content(certificate, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = element(rest)?.2;
    }
    // The serial number, the algorithm, and the issuer.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let validity = content(rest, SEQUENCE)?;
    let (tag, time, _) = element(element(validity)?.2)?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds(tag, std::str::from_utf8(time).ok()?)?))
}

/// The content of an element that has this tag.
fn content(bytes: &[u8], expected: u8) -> Option<&[u8]> {
    element(bytes).filter(|(tag, ..)| *tag == expected).map(|(_, content, _)| content)
}

/// The tag and the content of the first element, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        // The number of bytes that hold the length.
        0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// The seconds since 1970 of `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn seconds(tag: u8, time: &str) -> Option<u64> {
    let digits = time.strip_suffix('Z').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let year_digits = match (tag, digits.len()) {
        (UTC_TIME, 12) => 2,
        (GENERALIZED_TIME, 14) => 4,
        _ => return None,
    };
    let (year, rest) = digits.split_at(year_digits);
    let mut year: u64 = year.parse().ok()?;
    if tag == UTC_TIME {
        year += if year < 50 { 2000 } else { 1900 };
    }
    let part = |at: usize| rest[at..at + 2].parse::<u64>().ok();
    let (month, day) = (part(0)?, part(2)?);
    let days = days_before(year, month)?.checked_add(day.checked_sub(1)?)?;
    Some(((days * 24 + part(4)?) * 60 + part(6)?) * 60 + part(8)?)
}

/// The days from 1970 to the first day of a month.
fn days_before(year: u64, month: u64) -> Option<u64> {
    const BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let leap_days_until = |year: u64| year / 4 - year / 100 + year / 400;
    let in_year = BEFORE.get(usize::try_from(month.checked_sub(1)?).ok()?)?;
    let leap_day = u64::from(month > 2 && is_leap(year));
    let leap_days = leap_days_until(year.checked_sub(1)?).checked_sub(leap_days_until(1969))?;
    Some(year.checked_sub(1970)? * 365 + leap_days + in_year + leap_day)
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn times_are_read_as_the_calendar_has_them() {
        for (tag, time, expected) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "000229000000Z", Some(951_782_400)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "21000301000000Z", Some(4_107_542_400)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (UTC_TIME, "500101000000Z", None),
            (UTC_TIME, "20500101000000Z", None),
            (UTC_TIME, "701301000000Z", None),
            (UTC_TIME, "700001000000Z", None),
            (UTC_TIME, "700100000000Z", None),
            (UTC_TIME, "7001010000+0Z", None),
            (GENERALIZED_TIME, "00000101000000Z", None),
            (SEQUENCE, "700101000000Z", None),
        ] {
            assert_eq!(seconds(tag, time), expected, "{time}");
        }
    }

    #[test]
    fn a_certificate_says_when_it_ends_and_a_part_of_one_says_nothing() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/first.crt");
        let certificate = CertificateDer::from_pem_file(file).unwrap();
        // As `openssl x509 -noout -enddate` says: Nov 3 19:07:20 2126 GMT.
        let expected = SystemTime::UNIX_EPOCH + Duration::from_secs(4_949_406_440);
        assert_eq!(not_after(&certificate), Some(expected));
        for length in 0..certificate.len() {
            assert_eq!(not_after(&certificate[..length]), None, "{length}");
        }
    }
}
