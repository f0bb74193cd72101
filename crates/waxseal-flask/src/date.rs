use std::fmt;

const DAY: i64 = 86_400;
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Python reads a year with less than three digits as one of the last century or of this one.
const FIRST_YEAR: i64 = 100;
const LAST_YEAR: i64 = 9_999;

/// A `datetime` in UTC, in the years 100 to 9999.
///
/// `Display` writes the text that is in a cookie, such as `Wed, 21 Oct 2015 07:28:00 GMT`. Cookies have whole seconds
/// only; records of Flask-Session also have microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DateTime {
    seconds: i64,
    micros: u32,
}

impl DateTime {
    /// The time `seconds` after the beginning of 1970, or before it if negative. `None` outside the years 100 to 9999.
    pub fn from_unix(seconds: i64) -> Option<Self> {
        let range = days(FIRST_YEAR, 1, 1)..days(LAST_YEAR + 1, 1, 1);
        range.contains(&seconds.div_euclid(DAY)).then_some(Self { seconds, micros: 0 })
    }

    /// The same second with `micros` microseconds. `None` for a million or more.
    pub fn with_micros(self, micros: u32) -> Option<Self> {
        (micros < 1_000_000).then_some(Self { micros, ..self })
    }

    /// Seconds since the beginning of 1970, negative before it.
    pub fn unix(self) -> i64 {
        self.seconds
    }

    /// The microseconds within that second.
    pub fn micros(self) -> u32 {
        self.micros
    }

    /// The text in the format of RFC 3339, such as `2015-10-21T07:28:00Z`, with six decimal places if there are
    /// microseconds.
    pub fn rfc3339(self) -> String {
        let (days, second) = (self.seconds.div_euclid(DAY), self.seconds.rem_euclid(DAY));
        let (year, month, day) = date(days);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        let micros = if self.micros == 0 { String::new() } else { format!(".{:06}", self.micros) };
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{micros}Z")
    }

    /// Parses the only format that Flask writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fields: [&str; 6] = text.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let [_weekday, day, month, year, time, _gmt] = fields;
        let [hour, minute, second]: [i64; 3] =
            time.split(':').filter_map(number).collect::<Vec<_>>().try_into().ok()?;
        let month = MONTHS.iter().position(|&name| name == month)? as i64 + 1;
        let days = days(number(year)?, month, number(day)?);
        let date = Self::from_unix(days * DAY + hour * 3_600 + minute * 60 + second)?;
        // Refuses a wrong weekday, missing leading zeros, and days that do not exist, none of which Flask writes.
        (date.to_string() == text).then_some(date)
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.seconds.div_euclid(DAY), self.seconds.rem_euclid(DAY));
        let (year, month, day) = date(days);
        let weekday = WEEKDAYS[(days + 3).rem_euclid(7) as usize];
        let month = MONTHS[month as usize - 1];
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    }
}

fn number(digits: &str) -> Option<i64> {
    digits.parse::<u16>().ok().map(i64::from)
}

/// Days since the beginning of 1970 in the Gregorian calendar. Years are counted from March, so that a leap day is the
/// last day of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day; the inverse of `days`.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_as_they_are_written() {
        for (unix, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
            (1_445_412_480, "Wed, 21 Oct 2015 07:28:00 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (-59_011_459_200, "Fri, 01 Jan 0100 00:00:00 GMT"),
        ] {
            let date = DateTime::from_unix(unix).expect("within the years");
            assert_eq!(date.to_string(), text);
            assert_eq!(DateTime::parse(text), Some(date), "{text}");
        }
    }

    #[test]
    fn a_date_is_also_written_by_rfc_3339() {
        for (unix, micros, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (1_445_412_480, 0, "2015-10-21T07:28:00Z"),
            (1_445_412_480, 250, "2015-10-21T07:28:00.000250Z"),
            (-59_011_459_200, 0, "0100-01-01T00:00:00Z"),
        ] {
            let date = DateTime::from_unix(unix).and_then(|date| date.with_micros(micros)).expect(text);
            assert_eq!(date.rfc3339(), text);
        }
    }

    #[test]
    fn seconds_outside_the_years_are_no_date() {
        for unix in [-59_011_459_201, 253_402_300_800, i64::MIN, i64::MAX] {
            assert_eq!(DateTime::from_unix(unix), None, "{unix}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "Thu, 21 Oct 2015 07:28:00 GMT",
            "Wed, 21 Oct 2015 07:28:00 UTC",
            "Wed, 21 Oct 2015 7:28:00 GMT",
            "Wed, 21 Oct 2015 07:28:60 GMT",
            "Wed, 21 Oct 2015 07:28:00",
            "Mon, 31 Feb 2000 00:00:00 GMT",
            "Wed,  21 Oct 2015 07:28:00 GMT",
            "Wed, 21 Oct +201 07:28:00 GMT",
            "Wednesday, 21-Oct-15 07:28:00 GMT",
            "Fri, 31 Dec 99999 23:59:59 GMT",
            "Sat, 01 Jan 0050 00:00:00 GMT",
        ] {
            assert_eq!(DateTime::parse(text), None, "{text}");
        }
    }
}
