//! The syntax of what proxies send: lists, nodes, and `Forwarded` (RFC 7239).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName};

/// What one proxy wrote into `Forwarded`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) address: Option<String>,
    pub(super) proto: Option<String>,
    pub(super) host: Option<String>,
}

/// The values of a header's lists, in the order in which they were added.
pub(super) fn list<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Vec<&'h str> {
    let fields = headers.get_all(name).into_iter();
    // A value that is not text cannot be used by anybody, but it keeps its position.
    let texts = fields.map(|field| field.to_str().unwrap_or("?"));
    texts.flat_map(|text| text.split(',')).map(str::trim_ascii).filter(|value| !value.is_empty()).collect()
}

/// The address of a node: an address, with or without a port. `None` for `unknown`, for obfuscated names (`_x`), and
/// for anything else.
pub(super) fn address(node: &str) -> Option<IpAddr> {
    let bracketed = || node.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let with_port = || node.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = node.parse().ok().or_else(bracketed).or_else(with_port)?;
    Some(IpAddr::to_canonical(&address))
}

/// The elements of `Forwarded`. `None` if any is malformed, because quotes may then hide where one ends.
pub(super) fn elements(headers: &HeaderMap) -> Option<Vec<Element>> {
    let mut all = Vec::new();
    for field in headers.get_all(http::header::FORWARDED) {
        let mut rest = field.to_str().ok()?;
        loop {
            let element;
            (element, rest) = one_element(rest)?;
            all.extend(element);
            match rest.strip_prefix(',') {
                Some(behind) => rest = behind,
                None => break,
            }
        }
    }
    Some(all)
}

/// The first element, and what follows it. No element if the list has a gap there.
fn one_element(text: &str) -> Option<(Option<Element>, &str)> {
    let (mut element, mut found, mut rest) = (Element::default(), false, text.trim_ascii_start());
    while !rest.is_empty() && !rest.starts_with(',') {
        if let Some(behind) = rest.strip_prefix(';') {
            rest = behind.trim_ascii_start();
            continue;
        }
        let (name, behind) = rest.split_once('=').filter(|(name, _)| is_token(name))?;
        let value;
        (value, rest) = one_value(behind)?;
        let place = match name.to_ascii_lowercase().as_str() {
            "for" => Some(&mut element.address),
            "proto" => Some(&mut element.proto),
            "host" => Some(&mut element.host),
            _ => None,
        };
        // Each parameter only once (RFC 7239 §4).
        if place.is_some_and(|place| place.replace(value).is_some()) {
            return None;
        }
        found = true;
        rest = rest.trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with([',', ';']) {
            return None;
        }
    }
    Some((found.then_some(element), rest))
}

/// A token or a quoted text, and what follows it.
fn one_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ';', ' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return is_token(value).then(|| (value.to_owned(), rest));
    };
    let (mut value, mut letters) = (String::new(), quoted.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(letters.next()?.1),
            letter => value.push(letter),
        }
    }
    None
}

/// RFC 9110 §5.6.2, plus `:`, which many write without the quotes that it requires.
fn is_token(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:".contains(&byte);
    !text.is_empty() && text.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    #[test]
    fn a_node_has_an_address_or_none() {
        for (node, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:4711", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:4711", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("[::ffff:192.0.2.1]:80", Some("192.0.2.1")),
            ("unknown", None),
            ("_hidden", None),
            ("192.0.2", None),
            ("192.0.2.1:", None),
            ("192.0.2.1:99999", None),
            ("[192.0.2.1]", None),
            ("localhost", None),
            ("", None),
        ] {
            assert_eq!(address(node), expected.map(|text| text.parse().unwrap()), "{node}");
        }
    }

    fn read(fields: &[&str]) -> Option<Vec<(String, String, String)>> {
        let name = http::header::FORWARDED;
        let fields = fields.iter().map(|field| (name.clone(), HeaderValue::from_str(field).unwrap()));
        let all = elements(&fields.collect())?;
        let text = |value: Option<String>| value.unwrap_or_default();
        Some(all.into_iter().map(|one| (text(one.address), text(one.proto), text(one.host))).collect())
    }

    #[test]
    fn forwarded_is_read_as_its_rfc_says() {
        for (fields, expected) in [
            (&["for=192.0.2.43"][..], &[("192.0.2.43", "", "")][..]),
            (&["For=\"[2001:db8:cafe::17]:4711\""], &[("[2001:db8:cafe::17]:4711", "", "")]),
            (&["for=192.0.2.60;proto=http;by=203.0.113.43"], &[("192.0.2.60", "http", "")]),
            (&["for=192.0.2.43, for=198.51.100.17"], &[("192.0.2.43", "", ""), ("198.51.100.17", "", "")]),
            (&["for=a", "for=b;host=\"x:80\" ; proto=https"], &[("a", "", ""), ("b", "https", "x:80")]),
            (&["for=\"a,b;c\\\"d\""], &[("a,b;c\"d", "", "")]),
            (&["for=192.0.2.1:80"], &[("192.0.2.1:80", "", "")]),
            (&["secret=x"], &[("", "", "")]),
            (&[""], &[]),
            (&[", for=a,"], &[("a", "", "")]),
            (&[";for=a;"], &[("a", "", "")]),
        ] {
            let expected = expected.iter().map(|(a, b, c)| (a.to_string(), b.to_string(), c.to_string()));
            assert_eq!(read(fields), Some(expected.collect()), "{fields:?}");
        }
        for malformed in
            ["for", "for=", "for=\"a", "for=\"a\"b", "for=a b", "=a", "for = a", "for=a;for=b", "for=\"a\\"]
        {
            assert_eq!(read(&[malformed]), None, "{malformed}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[ -~]{0,40}") {
            let _ = read(&[&text]);
            let _ = address(&text);
        }

        #[test]
        fn what_a_client_sends_never_becomes_what_a_proxy_says(text in "[ -~]{0,40}") {
            // A proxy appends its element to the client's text, as in a list.
            if let Some(all) = read(&[&format!("{text}, for=192.0.2.1")]) {
                prop_assert_eq!(&all.last().unwrap().0, "192.0.2.1");
            }
        }
    }
}
