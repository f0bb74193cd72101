//! The values of one cookie in a request, byte by byte.

use http::HeaderMap;
use http::header::COOKIE;

/// The values of all cookies named exactly `name`, in the order they were sent, from all `Cookie` fields.
///
/// Bytes are compared as they were sent: names are case-sensitive, nothing is decoded, quotes are part of the value,
/// and only spaces and tabs around a whole pair are dropped (RFC 6265 §4.2.1, §5.2). A parser that trims Unicode white
/// space or decodes names lets a page of another host set a cookie that is taken for `__Host-session`; this one does
/// not. A piece without `=` or without a name is not a cookie.
///
/// Two values for one name mean that a second cookie was set for another path or domain, perhaps by an attacker, so try
/// each. The work is linear in the length of the fields, which is bounded by the limit on request heads.
///
/// # Example
///
/// ```
/// use http::{HeaderMap, HeaderValue, header::COOKIE};
/// use waxseal_http::cookies;
///
/// let mut headers = HeaderMap::new();
/// headers.insert(COOKIE, HeaderValue::from_static("theme=dark; session=abc"));
/// assert_eq!(cookies::values(&headers, "session").next(), Some(&b"abc"[..]));
/// ```
pub fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(COOKIE).into_iter().flat_map(move |field| values_in(field.as_bytes(), name))
}

/// The name and value of every cookie, in the order they were sent, parsed as by [`values`].
///
/// # Example
///
/// ```
/// use http::{HeaderMap, HeaderValue, header::COOKIE};
/// use waxseal_http::cookies;
///
/// let mut headers = HeaderMap::new();
/// headers.insert(COOKIE, HeaderValue::from_static("theme=dark; session=abc"));
/// assert_eq!(cookies::pairs(&headers).next(), Some((&b"theme"[..], &b"dark"[..])));
/// ```
pub fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers.get_all(COOKIE).into_iter().flat_map(|field| pieces(field.as_bytes()).filter_map(pair))
}

/// [`pairs`] of one `Cookie` field.
#[cfg(feature = "device")]
pub(crate) fn pairs_in(field: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    pieces(field).filter_map(pair)
}

/// [`values`] of one `Cookie` field.
pub(crate) fn values_in<'a>(field: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    pieces(field).filter_map(pair).filter(move |(found, _)| *found == name.as_bytes()).map(|(_, value)| value)
}

/// The pieces between semicolons. A sealed session is long, so the search uses `memchr`.
fn pieces(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(field);
    std::iter::from_fn(move || {
        let field = rest?;
        let end = memchr::memchr(b';', field);
        rest = end.map(|end| &field[end + 1..]);
        Some(&field[..end.unwrap_or(field.len())])
    })
}

/// The name and value of one piece between semicolons.
fn pair(piece: &[u8]) -> Option<(&[u8], &[u8])> {
    let piece = trim(piece);
    let equals = piece.iter().position(|&byte| byte == b'=')?;
    (equals > 0).then(|| (&piece[..equals], &piece[equals + 1..]))
}

/// Removes spaces and tabs at both ends. `trim_ascii` would also remove form feeds.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn headers(fields: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(COOKIE, HeaderValue::from_bytes(field).expect("a field's bytes"));
        }
        headers
    }

    fn found(fields: &[&[u8]], name: &str) -> Vec<Vec<u8>> {
        values(&headers(fields), name).map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn nothing_passes_for_a_host_cookie_but_its_exact_name() {
        for (case, field) in [
            ("percent-encoded underscores", &b"%5F%5FHost-session=evil"[..]),
            ("percent-encoded letter", b"__Hos%74-session=evil"),
            ("no-break space before", "\u{a0}__Host-session=evil".as_bytes()),
            ("no-break space after", "__Host-session\u{a0}=evil".as_bytes()),
            ("ideographic space before", "\u{3000}__Host-session=evil".as_bytes()),
            ("no-break space in Latin-1", b"\xa0__Host-session=evil"),
            ("lower case", b"__host-session=evil"),
            ("upper case", b"__HOST-SESSION=evil"),
            ("space before the equals sign", b"__Host-session =evil"),
            ("tab before the equals sign", b"__Host-session\t=evil"),
            ("nameless", b"=__Host-session=evil"),
            ("quoted name", b"\"__Host-session\"=evil"),
            ("inside a quoted value, with a comma", b"a=\"x, __Host-session=evil\""),
            ("prefix", b"__Host-sessions=evil"),
            ("no equals sign", b"__Host-session"),
            ("the name as a value", b"a=__Host-session"),
        ] {
            assert_eq!(found(&[field], "__Host-session"), [b""; 0], "{case}");
        }
    }

    #[test]
    fn values_come_as_they_were_sent() {
        for (case, field, value) in [
            ("plain", &b"s=abc"[..], &b"abc"[..]),
            ("empty", b"s=", b""),
            ("spaces and tabs around the pair", b"a=1; \t s=abc\t ;b=2", b"abc"),
            ("space after the equals sign", b"s= abc", b" abc"),
            ("no space between pairs", b"a=1;s=abc;b=2", b"abc"),
            ("quotes", b"s=\"abc\"", b"\"abc\""),
            ("one quote", b"s=\"abc; b=\"", b"\"abc"),
            ("percent-escapes", b"s=%61%3B%zz", b"%61%3B%zz"),
            ("equals signs", b"s==a=b=", b"=a=b="),
            ("not UTF-8", b"s=\xff\xfe\x80", b"\xff\xfe\x80"),
            ("empty pieces", b";;; ;\t;s=abc;;", b"abc"),
            ("pieces without equals signs", b"s; s;s=abc; s", b"abc"),
            ("nameless cookies", b"=; =s; =s=1; s=abc", b"abc"),
        ] {
            assert_eq!(found(&[field], "s"), [value], "{case}");
        }
    }

    #[test]
    fn duplicates_come_in_order_over_all_fields() {
        assert_eq!(found(&[b"s=1; a=x; s=2", b"", b"b=y", b"s=3"], "s"), [b"1", b"2", b"3"]);
    }

    #[test]
    fn an_empty_name_and_no_field_find_nothing() {
        assert_eq!(found(&[b"=1; ; ="], ""), [b""; 0]);
        assert_eq!(found(&[], "s"), [b""; 0]);
    }

    #[test]
    fn other_white_space_belongs_to_the_value() {
        assert_eq!(found(&["s=abc\u{a0}".as_bytes()], "s"), ["abc\u{a0}".as_bytes()]);
    }

    /// Bytes that a header field may contain.
    fn field_bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(b';'), Just(b'='), Just(b' '), Just(b'\t'), Just(b's'), 0x20..=0xffu8];
        proptest::collection::vec(byte.prop_filter("delete", |byte| *byte != 0x7f), 0..80)
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(fields in proptest::collection::vec(field_bytes(), 0..4), name in ".*") {
            let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
            for value in found(&fields, &name) {
                prop_assert!(!value.contains(&b';'));
            }
        }

        #[test]
        fn a_pair_is_found_among_junk(before in field_bytes(), after in field_bytes(), value in "[!-:<-~]{0,40}") {
            let pair = [b"__Host-session=", value.as_bytes()].concat();
            let field = [&before[..], b"; ", &pair, b" ;", &after].concat();
            prop_assert!(found(&[&field], "__Host-session").contains(&value.into_bytes()));
        }
    }
}
