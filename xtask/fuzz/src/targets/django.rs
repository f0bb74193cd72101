//! Cookies of Django.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};
use waxseal_django::DjangoCookie;
use waxseal_flask::read_json;

use crate::target::{Target, outcome};

const ANSWERS: &str = include_str!("../../../../crates/waxseal-django/tests/known_answers/answers.json");
const NOW: u64 = 1_700_000_000;

/// Any payload, plain or compressed, behind a good signature.
pub(crate) struct Signed {
    mac: Hmac<Sha256>,
    cookie: DjangoCookie,
}

impl Signed {
    pub(crate) fn new() -> Self {
        let salt = "django.contrib.sessions.backends.signed_cookiessigner";
        let key = Sha256::new().chain_update(salt).chain_update("dev").finalize();
        Self {
            mac: Hmac::new_from_slice(&key).expect("any length of key is taken"),
            cookie: DjangoCookie::new("dev").expect("a key"),
        }
    }
}

impl Target for Signed {
    /// The first byte says that the rest is compressed.
    fn seeds(&self) -> Vec<Vec<u8>> {
        let answers: Vec<Value> = serde_json::from_str(ANSWERS).expect("known answers are a list");
        let payload = |answer: &Value| {
            let cookie = answer["cookie"].as_str()?;
            let (compressed, text) = cookie.strip_prefix('.').map_or((0, cookie), |rest| (1, rest));
            let payload = URL_SAFE_NO_PAD.decode(text.split(':').next()?).ok()?;
            Some([&[compressed], &payload[..]].concat())
        };
        answers.iter().filter_map(payload).collect()
    }

    fn read(&mut self, input: &[u8]) -> String {
        let Some((compressed, payload)) = input.split_first() else { return "nothing".to_owned() };
        let point = if compressed % 2 == 1 { "." } else { "" };
        let text = format!("{point}{}:1r31eq", URL_SAFE_NO_PAD.encode(payload));
        let signature = self.mac.clone().chain_update(&text).finalize().into_bytes();
        let value = format!("{text}:{}", URL_SAFE_NO_PAD.encode(signature));
        let read = self.cookie.read(&value, NOW, 60);
        assert!(!matches!(read, Err(waxseal_django::Error::Signature)), "the signature was good");
        let json = read.as_ref().ok().map(|read| outcome(&read_json(&read.json), "json"));
        format!("{} {json:?}", outcome(&read, "good"))
    }
}
