//! Conditional and range requests: the part of a file to send (RFC 9110 §13, §14).

use std::ops::Range;

use http::header::{IF_NONE_MATCH, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

/// The part of a file to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Nothing: the browser's copy is still valid (304).
    NotModified,
    /// All of it (200).
    Whole,
    /// These bytes (206).
    Part(Range<u64>),
    /// Nothing: the file does not have these bytes (416).
    Unsatisfiable,
}

impl Wanted {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NotModified => StatusCode::NOT_MODIFIED,
            Self::Whole => StatusCode::OK,
            Self::Part(_) => StatusCode::PARTIAL_CONTENT,
            Self::Unsatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        }
    }

    /// `Content-Range` for a file of `length` bytes.
    pub(crate) fn content_range(&self, length: u64) -> Option<HeaderValue> {
        let range = match self {
            Self::Part(part) => format!("bytes {}-{}/{length}", part.start, part.end - 1),
            Self::Unsatisfiable => format!("bytes */{length}"),
            Self::NotModified | Self::Whole => return None,
        };
        Some(HeaderValue::try_from(range).expect("digits fit into a header"))
    }

    /// The bytes to send of a file of `length` bytes. `None` if there are none.
    pub(crate) fn bytes(self, length: u64) -> Option<Range<u64>> {
        match self {
            Self::Whole => Some(0..length),
            Self::Part(part) => Some(part),
            Self::NotModified | Self::Unsatisfiable => None,
        }
    }
}

/// Evaluates a GET or HEAD request with these headers for a file of `length` bytes with this strong `etag`.
///
/// A single range is served. For several ranges, and for anything that is not a range of bytes, the whole file is sent,
/// as the RFC allows: many small ranges cost a server more than they save.
pub(crate) fn wanted(method: &Method, headers: &HeaderMap, etag: &HeaderValue, length: u64) -> Wanted {
    let known = headers.get_all(IF_NONE_MATCH).iter().any(|value| names(value, etag));
    if known {
        return Wanted::NotModified;
    }
    // Only if the browser's partial copy is of the same file. A date does not prove that.
    let same = headers.get(IF_RANGE).is_none_or(|value| value == etag);
    // For other methods a range has no defined meaning.
    let range = headers.get(RANGE).filter(|_| same && method == Method::GET);
    match range.and_then(|range| range.to_str().ok()) {
        Some(range) => part(range, length),
        None => Wanted::Whole,
    }
}

/// Returns `true` if a list of tags contains this one, by weak comparison.
fn names(list: &HeaderValue, etag: &HeaderValue) -> bool {
    let tags = list.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    tags.map(|tag| tag.strip_prefix(b"W/").unwrap_or(tag)).any(|tag| tag == b"*" || tag == etag.as_bytes())
}

fn part(range: &str, length: u64) -> Wanted {
    let Some((unit, range)) = range.split_once('=') else { return Wanted::Whole };
    let Some((first, last)) = range.trim().split_once('-') else { return Wanted::Whole };
    if !unit.eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Some(first), None) if last.is_empty() => first..length,
        (None, Some(last)) if first.is_empty() => length.saturating_sub(last)..length,
        _ => return Wanted::Whole,
    };
    if range.is_empty() { Wanted::Unsatisfiable } else { Wanted::Part(range) }
}

/// Parses digits only; `u64` itself would accept a plus sign. A number that is too large is beyond the end of any file.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ETAG: HeaderValue = HeaderValue::from_static("\"abc\"");

    fn asked(fields: &[(http::HeaderName, &str)], length: u64) -> Wanted {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let head = wanted(&Method::HEAD, &headers, &ETAG, length);
        assert!(matches!(head, Wanted::Whole | Wanted::NotModified), "HEAD knows no ranges");
        wanted(&Method::GET, &headers, &ETAG, length)
    }

    #[test]
    fn a_single_range_is_cut_to_the_file() {
        for (range, expected) in [
            ("bytes=0-3", Wanted::Part(0..4)),
            ("bytes=2-", Wanted::Part(2..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-99", Wanted::Part(0..10)),
            ("Bytes= 9-9", Wanted::Part(9..10)),
            ("bytes=5-99999999999999999999999", Wanted::Part(5..10)),
            ("bytes=10-", Wanted::Unsatisfiable),
            ("bytes=99999999999999999999999-", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=4-3", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=1", Wanted::Whole),
            ("lines=0-3", Wanted::Whole),
            ("0-3", Wanted::Whole),
            ("", Wanted::Whole),
        ] {
            assert_eq!(asked(&[(RANGE, range)], 10), expected, "{range}");
        }
        assert_eq!(asked(&[(RANGE, "bytes=0-")], 0), Wanted::Unsatisfiable, "an empty file");
    }

    #[test]
    fn a_copy_that_is_still_good_is_known_by_its_tag() {
        for (tags, known) in [
            ("\"abc\"", true),
            ("W/\"abc\"", true),
            ("\"x\" , \"abc\"", true),
            ("*", true),
            ("\"x\"", false),
            ("abc", false),
            ("", false),
        ] {
            let expected = if known { Wanted::NotModified } else { Wanted::Part(0..1) };
            assert_eq!(asked(&[(IF_NONE_MATCH, tags), (RANGE, "bytes=0-0")], 10), expected, "{tags}");
        }
    }

    #[test]
    fn a_part_of_another_file_is_never_added_to_the_first_part_of_this() {
        for (condition, expected) in [
            ("\"abc\"", Wanted::Part(1..10)),
            ("\"other\"", Wanted::Whole),
            ("W/\"abc\"", Wanted::Whole),
            ("Mon, 23 Nov 2026 19:33:48 GMT", Wanted::Whole),
        ] {
            let fields = [(IF_RANGE, condition), (RANGE, "bytes=1-")];
            assert_eq!(asked(&fields, 10), expected, "{condition}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_nor_beyond_the_file(range in "(bytes=)?[0-9-]{0,24}", length in 0u64..100) {
            if let Wanted::Part(part) = asked(&[(RANGE, &range)], length) {
                prop_assert!(part.start < part.end && part.end <= length);
            }
        }
    }
}
