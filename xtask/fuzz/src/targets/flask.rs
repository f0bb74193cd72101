//! Cookies and records of Flask.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha1::Sha1;
use sha2::Sha512;
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

/// The keyed hash of one of the app's salts.
fn mac_of(salt: &str) -> Hmac<Sha1> {
    let mac = |key: &[u8]| Hmac::<Sha1>::new_from_slice(key).expect("any length of key is taken");
    mac(&mac(b"dev").chain_update(salt).finalize().into_bytes())
}

fn signed(text: &str, mac: &Hmac<Sha1>) -> String {
    let signature = mac.clone().chain_update(text).finalize().into_bytes();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The `remember_token` of user 7.
fn remember_token() -> String {
    let mac = Hmac::<Sha512>::new_from_slice(b"dev").expect("any length of key is taken");
    let mac = mac.chain_update("7").finalize().into_bytes();
    mac.iter().fold("7|".to_owned(), |token, byte| format!("{token}{byte:02x}"))
}

/// An app of Flask.
struct App {
    key: FlaskKey,
    cookie: FlaskCookie,
    /// Reads what was written, however long.
    long: FlaskCookie,
}

impl App {
    fn new() -> Self {
        let key = || FlaskKey::from_text("dev").expect("a key that is not empty");
        let cookie = || FlaskCookie::new(key());
        Self { key: key(), cookie: cookie(), long: cookie().max_inflated_bytes(8 << 20) }
    }

    /// Uses what was read: it has to be written, and read the same again.
    fn use_all(&self, entries: &Dict) -> String {
        let login = Login::of(entries).is_some();
        let Ok(written) = self.cookie.write(entries, NOW) else { return format!("{login} not written") };
        let again = self.long.read(&written, NOW, LIFETIME);
        let again = again.unwrap_or_else(|error| panic!("what was written does not read: {error:?}"));
        // Numbers that are none differ from themselves.
        assert_eq!(again.entries.len(), entries.len(), "written otherwise");
        format!("{login}")
    }
}

/// Any text where a cookie is expected.
pub(crate) struct Cookie(App);

impl Cookie {
    pub(crate) fn new() -> Self {
        Self(App::new())
    }
}

impl Target for Cookie {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let others = [signed("f3b1c2d4", &mac_of("flask-session")), remember_token()];
        cookies().into_iter().chain(others).map(String::into_bytes).collect()
    }

    fn read(&mut self, input: &[u8]) -> String {
        let Ok(text) = str::from_utf8(input) else { return "no text".to_owned() };
        let read = self.0.cookie.read(text, NOW, LIFETIME);
        let id = outcome(&records::read_signed_id(text, &self.0.key), "id");
        let remembered = outcome(&read_remember_token(text, &self.0.key), "token");
        let used = read.as_ref().map(|session| (session.is_permanent(), self.0.use_all(&session.entries)));
        format!("{} {id} {remembered} {}", outcome(&read, "good"), used.is_ok())
    }
}

/// Any payload, plain or compressed, behind a good signature.
pub(crate) struct Signed {
    app: App,
    mac: Hmac<Sha1>,
}

impl Signed {
    pub(crate) fn new() -> Self {
        Self { app: App::new(), mac: mac_of("cookie-session") }
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
        let read = self.app.cookie.read(&signed(&text, &self.mac), NOW, LIFETIME);
        assert!(!matches!(read, Err(waxseal_flask::Error::Signature)), "the signature was good");
        let used = read.as_ref().map(|session| self.app.use_all(&session.entries));
        format!("{} {:?}", outcome(&read, "good"), used.ok())
    }
}

/// A record of Flask-Session.
pub(crate) struct Record(App);

impl Record {
    pub(crate) fn new() -> Self {
        Self(App::new())
    }
}

impl Target for Record {
    fn seeds(&self) -> Vec<Vec<u8>> {
        records()
    }

    fn read(&mut self, input: &[u8]) -> String {
        let read = records::read(input);
        let used = read.as_ref().map(|entries| self.0.use_all(entries));
        format!("{} {:?}", outcome(&read, "good"), used.ok())
    }
}
