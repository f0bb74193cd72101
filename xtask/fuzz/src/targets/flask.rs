//! Cookies and records of Flask.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha1::Sha1;
use waxseal_flask::login::{Login, read_remember_token};
use waxseal_flask::{Dict, FlaskCookie, FlaskKey, records};

use crate::target::{Target, outcome};

const NOW: u64 = 1_700_000_000;
const LIFETIME: u64 = 31 * 86_400;

fn answers(text: &str, field: &str) -> Vec<String> {
    let answers: Vec<Value> = serde_json::from_str(text).expect("known answers are a list");
    answers.iter().filter_map(|answer| answer[field].as_str()).map(str::to_owned).collect()
}

fn cookies() -> Vec<String> {
    answers(include_str!("../../../../crates/waxseal-flask/tests/known_answers/answers.json"), "cookie")
}

fn records() -> Vec<Vec<u8>> {
    let text = include_str!("../../../../crates/waxseal-flask/tests/known_answers/records.json");
    let unhex = |text: String| {
        let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits");
        (0..text.len()).step_by(2).map(digits).collect()
    };
    answers(text, "record").into_iter().map(unhex).collect()
}

fn key() -> FlaskKey {
    FlaskKey::from_text("dev").expect("a key that is not empty")
}

/// Uses what was read: it has to be written, and read the same again.
fn use_all(entries: &Dict) -> String {
    let login = Login::of(entries).is_some();
    let cookie = FlaskCookie::new(key());
    let Ok(written) = cookie.write(entries, NOW) else { return format!("{login} not written") };
    let again = cookie.max_inflated_bytes(8 << 20).read(&written, NOW, LIFETIME);
    let again = again.unwrap_or_else(|error| panic!("what was written does not read: {error:?}"));
    // Numbers that are none differ from themselves.
    assert_eq!(format!("{:?}", again.entries.len()), format!("{:?}", entries.len()), "written otherwise");
    format!("{login}")
}

/// Any text where a cookie is expected.
pub(crate) struct Cookie;

impl Target for Cookie {
    fn seeds(&self) -> Vec<Vec<u8>> {
        cookies().into_iter().map(String::into_bytes).collect()
    }

    fn read(&mut self, input: &[u8]) -> String {
        let Ok(text) = str::from_utf8(input) else { return "no text".to_owned() };
        let read = FlaskCookie::new(key()).read(text, NOW, LIFETIME);
        let id = outcome(&records::read_signed_id(text, &key()), "id");
        let remembered = outcome(&read_remember_token(text, &key()), "token");
        let used = read.as_ref().map(|session| (session.is_permanent(), use_all(&session.entries)));
        format!("{} {id} {remembered} {}", outcome(&read, "good"), used.is_ok())
    }
}

/// Any payload, plain or compressed, behind a good signature.
pub(crate) struct Signed;

impl Signed {
    fn sign(text: &str) -> String {
        let mac = |key: &[u8], message: &[u8]| {
            let mac = Hmac::<Sha1>::new_from_slice(key).expect("any length of key is taken");
            mac.chain_update(message).finalize().into_bytes()
        };
        let signature = mac(&mac(b"dev", b"cookie-session"), text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

impl Target for Signed {
    /// The first byte says that the rest is compressed.
    fn seeds(&self) -> Vec<Vec<u8>> {
        let payload = |cookie: String| {
            let (compressed, text) = match cookie.strip_prefix('.') {
                Some(rest) => (1, rest),
                None => (0, &*cookie),
            };
            let payload = URL_SAFE_NO_PAD.decode(text.split('.').next()?).ok()?;
            Some([&[compressed], &payload[..]].concat())
        };
        cookies().into_iter().filter_map(payload).collect()
    }

    fn read(&mut self, input: &[u8]) -> String {
        let Some((compressed, payload)) = input.split_first() else { return "nothing".to_owned() };
        let point = if compressed % 2 == 1 { "." } else { "" };
        let text = format!("{point}{}.ZVPxAA", URL_SAFE_NO_PAD.encode(payload));
        let read = FlaskCookie::new(key()).read(&Self::sign(&text), NOW, LIFETIME);
        assert!(!matches!(read, Err(waxseal_flask::Error::Signature)), "the signature was good");
        let used = read.as_ref().map(|session| use_all(&session.entries));
        format!("{} {:?}", outcome(&read, "good"), used.ok())
    }
}

/// A record of Flask-Session.
pub(crate) struct Record;

impl Target for Record {
    fn seeds(&self) -> Vec<Vec<u8>> {
        records()
    }

    fn read(&mut self, input: &[u8]) -> String {
        let read = records::read(input);
        let used = read.as_ref().map(use_all);
        format!("{} {:?}", outcome(&read, "good"), used.ok())
    }
}
