//! Cookies of Rails.

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pbkdf2::pbkdf2_hmac;
use serde_json::Value;
use sha2::Sha256;
use waxseal_flask::read_json;
use waxseal_rails::{RailsCookie, RailsDigest, RailsKey};

use crate::target::{Target, outcome};

const ANSWERS: &str = include_str!("../../../../crates/waxseal-rails/tests/known_answers/answers.json");
const NAME: &str = "_shop_session";
const NOW: u64 = 1_700_000_000;

/// Any text behind a good key.
pub(crate) struct Message {
    cipher: Aes256Gcm,
    cookies: [RailsCookie; 2],
}

impl Message {
    pub(crate) fn new() -> Self {
        let mut key = [0; 32];
        pbkdf2_hmac::<Sha256>(b"dev", b"authenticated encrypted cookie", 1_000, &mut key);
        let theirs = || RailsCookie::new(NAME, RailsKey::new("dev", RailsDigest::Sha256).expect("a key"));
        let cookies = [theirs(), theirs().without_metadata()];
        Self { cipher: <Aes256Gcm as KeyInit>::new(&key.into()), cookies }
    }
}

impl Target for Message {
    /// Sessions in their envelope, and without.
    fn seeds(&self) -> Vec<Vec<u8>> {
        let answers: Vec<Value> = serde_json::from_str(ANSWERS).expect("known answers are a list");
        let messages: Vec<_> = answers.iter().filter_map(|answer| answer["json"].as_str()).collect();
        let sent = |message: &&str| {
            let message = STANDARD.encode(message);
            let exp = "2024-02-29T23:59:59.000Z";
            format!(r#"{{"_rails":{{"message":"{message}","exp":"{exp}","pur":"cookie.{NAME}"}}}}"#)
        };
        let bare = messages.iter().map(|message| (*message).to_owned());
        messages.iter().map(sent).chain(bare).map(String::into_bytes).collect()
    }

    fn read(&mut self, input: &[u8]) -> String {
        let sealed = self.cipher.encrypt(&Nonce::from([7; 12]), input).expect("it is short");
        let (sealed, tag) = sealed.split_at(sealed.len() - 16);
        let parts = [sealed, &[7; 12], tag].map(|part| STANDARD.encode(part));
        let value = parts.join("--").replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let outcomes = self.cookies.iter().map(|cookie| {
            let read = cookie.read(&value, NOW);
            assert!(
                !matches!(read, Err(waxseal_rails::Error::Form | waxseal_rails::Error::Key)),
                "the key was good"
            );
            let json = read.as_ref().ok().map(|read| outcome(&read_json(&read.json), "json"));
            format!("{} {json:?}", outcome(&read, "good"))
        });
        outcomes.collect::<Vec<_>>().join(" ")
    }
}
