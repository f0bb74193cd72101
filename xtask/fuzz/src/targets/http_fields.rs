//! The fields `Cookie` and `Host`.

use http::header::{COOKIE, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, Uri, Version};
use waxseal_http::{Scheme, cookies, development, host, origin};
use waxseal_manager::{Access, SessionManager};

use super::sealed::{keyring, now};
use super::session::contents;
use crate::target::{Target, outcome, words};

const NAME: &str = "__Host-session";

/// The field `Cookie`, in lines if it comes several times.
pub(crate) struct Cookies {
    sessions: SessionManager,
}

impl Cookies {
    pub(crate) fn new() -> Self {
        Self { sessions: SessionManager::cookie(&keyring(), NAME, "demo").expect("short texts") }
    }

    /// The headers of lines that a server would let through.
    fn headers(input: &[u8]) -> HeaderMap {
        let lines = input.split(|&byte| byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
        lines.map(|value| (COOKIE, value)).collect()
    }
}

impl Target for Cookies {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let mut seeds = vec![
            b"__Host-session=abc; theme=dark".to_vec(),
            b"a=1; __Host-session=one;__Host-session=two".to_vec(),
            b"=x; ; \t__Host-session=\"quoted\"\t;b==c".to_vec(),
            b"one=1\n__Host-session=x\n__Host-session=y".to_vec(),
            b"%5F%5FHost-session=evil; __host-session=evil".to_vec(),
            "\u{a0}__Host-session=evil; \u{3000}__Host-session=evil".into(),
        ];
        let context = waxseal_crypto::Context::new("session").and_then(|context| context.with_name(NAME));
        let context = context.and_then(|context| context.with_audience("demo")).expect("short texts");
        let sealer = keyring().sealer(&context);
        seeds.extend(contents().iter().map(|content| {
            let token = sealer.seal_text(&[&[7; 16], &content[..]].concat(), super::sealed::times());
            format!("{NAME}={}", token.expect("a small session")).into_bytes()
        }));
        seeds
    }

    fn read(&mut self, input: &[u8]) -> String {
        let headers = Self::headers(input);
        let values: Vec<_> = cookies::values(&headers, NAME).collect();
        let all: Vec<_> = cookies::pairs(&headers).collect();
        let of_all: Vec<_> =
            all.iter().filter(|(name, _)| *name == NAME.as_bytes()).map(|(_, value)| *value).collect();
        assert_eq!(values, of_all, "two readings of one field");
        // They come in the order in which they were sent.
        let mut rest = input;
        for value in &values {
            let literal = [NAME.as_bytes(), b"=", value].concat();
            let at = rest.windows(literal.len()).position(|window| window == literal);
            rest = &rest[at.expect("a cookie that was sent") + literal.len()..];
        }
        let mut reasons = String::new();
        let refused = |rejected: waxseal_manager::Rejected| reasons += rejected.reason().word();
        // As many as waxseal-http tries.
        let tried = &values[..values.len().min(4)];
        let opened = self.sessions.snapshot().open_among(tried, true, Access::Read, now(), refused);
        let is_new = opened.ready().is_none_or(|visit| visit.is_new());
        format!("{} of {} {reasons} {is_new}", values.len().min(3), all.len().min(5))
            .chars()
            .take(80)
            .collect()
    }
}

/// The field `Host`, a target with one, and an `Origin`, in three lines.
pub(crate) struct HostField;

impl Target for HostField {
    fn seeds(&self) -> Vec<Vec<u8>> {
        [
            "wizard.example:8443\n/\nhttps://wizard.example:8443",
            "[::1]:5000\n/a?b\nhttp://[::1]:5000",
            "127.0.0.1\nhttp://127.0.0.1/\nnull",
            "A-b.Example.\nhttp://a-b.example.:80/\nhttp://A-b.example",
            "localhost:65535\n*\nhttp://localhost:65535",
            "[2001:db8::192.0.2.1]\n/\nhttps://[2001:db8::c000:201]",
            "xn--nxasmq6b.example:\n/\nhttp://xn--nxasmq6b.example",
        ]
        .map(|lines| lines.as_bytes().to_vec())
        .to_vec()
    }

    fn read(&mut self, input: &[u8]) -> String {
        let mut lines = input.splitn(3, |&byte| byte == b'\n');
        let mut field = || lines.next().and_then(|line| HeaderValue::from_bytes(line).ok());
        let mut headers = HeaderMap::new();
        let sent = field();
        let target = field().and_then(|target| Uri::try_from(target.as_bytes()).ok()).unwrap_or_default();
        headers.extend(sent.map(|value| (HOST, value)));
        headers.extend(field().map(|value| (ORIGIN, value)));
        let named = match host::host(Version::HTTP_11, &target, &headers) {
            Ok(named) => named,
            Err(error) => return words(&format!("{error:?}")),
        };
        let name = named.name();
        // It is printed into pages and links.
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._:[]".contains(&byte);
        assert!(!name.is_empty() && name.len() <= 255 && name.bytes().all(is_plain), "a host {name:?}");
        let again: waxseal_http::Host = named.to_string().parse().expect("a host is read again");
        assert_eq!((again.name(), again.port()), (name, named.port()));
        let origins = [Scheme::Http, Scheme::Https]
            .map(|scheme| outcome(&origin::check(&Method::POST, &headers, scheme, &named), "same"));
        let local = outcome(&development::check(&headers, &named), "local");
        format!("{} {origins:?} {local} {}", name.starts_with('['), named.port().is_some())
    }
}
