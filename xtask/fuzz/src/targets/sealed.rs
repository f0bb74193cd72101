//! Sealed values and signed tokens: as text from anybody, and what is in them.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use waxseal_crypto::{
    Context, Keyring, Limits, SealedParts, Sealer, SecretKey, SignedParts, SignedTokens, Times,
};
use waxseal_manager::{Access, SessionManager};
use waxseal_store::MemoryStore;

use super::session::{self, contents};
use crate::target::{Target, outcome, words};

pub(crate) const NOW: u64 = 1_790_000_000;
const COOKIE: &str = "__Host-session";
const APP: &str = "demo";

/// The root key of most known answers.
pub(crate) fn keyring() -> Keyring {
    Keyring::new(SecretKey::from_bytes(std::array::from_fn(|at| at as u8)))
}

pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

pub(crate) fn times() -> Times {
    Times::new(NOW, NOW, Times::NO_IDLE, 43_200)
}

pub(crate) fn known_answers() -> Value {
    let text = include_str!("../../../../crates/waxseal-crypto/tests/known_answers.json");
    serde_json::from_str(text).expect("known answers are JSON")
}

/// The texts under `field` in the known answers' lists of these names.
fn texts(lists: &[&str], field: &str) -> Vec<Vec<u8>> {
    let answers = known_answers();
    let all = lists.iter().flat_map(|list| answers[list].as_array().expect("a list"));
    all.filter_map(|case| case[field].as_str()).map(|text| text.as_bytes().to_vec()).collect()
}

fn context(purpose: &str) -> Context {
    let context = Context::new(purpose).and_then(|context| context.with_name(COOKIE));
    context.and_then(|context| context.with_audience(APP)).expect("a context of short texts")
}

/// Any bytes at all where a sealed value is expected.
pub(crate) struct Raw {
    sealers: Vec<Sealer>,
    sealed: HashSet<Vec<u8>>,
}

impl Raw {
    pub(crate) fn new() -> Self {
        let nameless =
            Context::new("session").and_then(|context| context.with_name(COOKIE)).expect("short texts");
        let sealers: Vec<_> =
            [context("session"), nameless].iter().map(|context| keyring().sealer(context)).collect();
        let mut sealed: HashSet<_> = texts(&["sealed", "opened"], "sealed").into_iter().collect();
        // With the same nonces each time, so that what an earlier run kept is known to a later one.
        for (nonce, content) in (1..).zip(contents()) {
            if let Ok(text) = sealers[0].seal_text_with_nonce(&content, times(), [nonce; 24]) {
                sealed.insert(text.into_bytes());
            }
        }
        // Refused for one or two characters at the end, and good without them.
        for text in texts(&["refused"], "sealed") {
            for length in text.len().saturating_sub(2)..text.len() {
                let text = &text[..length];
                if sealers.iter().any(|sealer| sealer.open_text(text, NOW, Limits::NONE).is_ok()) {
                    sealed.insert(text.to_vec());
                }
            }
        }
        Self { sealers, sealed }
    }
}

impl Target for Raw {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let mut seeds: Vec<_> = self.sealed.iter().cloned().collect();
        seeds.sort();
        seeds.extend(texts(&["refused"], "sealed"));
        seeds
    }

    fn read(&mut self, input: &[u8]) -> String {
        let parts = SealedParts::of_text(input).is_ok();
        let opened = self.sealers.iter().map(|sealer| sealer.open_text(input, NOW, Limits::NONE));
        let mut said = format!("{parts}");
        for opened in opened {
            if opened.is_ok() {
                assert!(self.sealed.contains(input), "a value opened that nobody sealed");
            }
            said +=
                &opened.map_or_else(|rejected| rejected.reason().word().to_owned(), |_| "good".to_owned());
        }
        // The binary form, with the same bytes.
        let opened = self.sealers[0].open(input, b"", NOW, Limits::NONE);
        said + opened
            .map_or_else(|rejected| rejected.reason().word(), |_| panic!("a text is no sealed value"))
    }
}

/// Anything as the content of a token that was sealed with the right key, in states `cookie` and `mirrored`.
pub(crate) struct Behind {
    cookie: (Sealer, SessionManager),
    mirrored: (Sealer, SessionManager),
}

impl Behind {
    pub(crate) fn new() -> Self {
        let cookie = SessionManager::cookie(&keyring(), COOKIE, APP).expect("short texts");
        let mirrored =
            SessionManager::mirrored(&keyring(), COOKIE, APP, MemoryStore::new()).expect("short texts");
        Self {
            cookie: (keyring().sealer(&context("session")), cookie),
            mirrored: (keyring().sealer(&context("session/mirrored")), mirrored),
        }
    }
}

impl Target for Behind {
    /// The first byte chooses the state.
    fn seeds(&self) -> Vec<Vec<u8>> {
        let contents = contents().into_iter();
        contents
            .flat_map(|content| {
                let id = [7; 16].as_slice();
                let revision = [&[7; 32][..], &[0, 0, 0, 0, 0, 0, 0, 1], &[9; 8]].concat();
                [
                    [&[0], id, &content].concat(),
                    [&[1], &revision[..], &[1], &content].concat(),
                    [&[1], &revision[..], &[0]].concat(),
                ]
            })
            .collect()
    }

    fn read(&mut self, input: &[u8]) -> String {
        let Some((state, payload)) = input.split_first() else { return "nothing".to_owned() };
        let (sealer, sessions) = if state % 2 == 0 { &self.cookie } else { &self.mirrored };
        let token = match sealer.seal_text(payload, times()) {
            Ok(token) => token,
            Err(error) => return words(&format!("{error:?}")),
        };
        let shown = match sessions.inspect(token.as_bytes(), now()) {
            Ok(inspection) => words(&format!("{:?}", inspection.refused())),
            Err(rejected) => panic!("sealed, and refused as {:?}", rejected.reason()),
        };
        let opened = sessions.open(token.as_bytes(), Access::Read, now());
        let said = match opened {
            Ok(opened) => opened.ready().map_or("pending".to_owned(), |visit| session::look_at(&visit)),
            Err(rejected) => format!("{:?}", rejected.reason()),
        };
        format!("{state} {shown} {said}", state = state % 2)
    }
}

/// Any bytes at all where a signed token is expected.
pub(crate) struct Signed {
    tokens: SignedTokens<32>,
    signed: HashSet<Vec<u8>>,
}

impl Signed {
    pub(crate) fn new() -> Self {
        let tokens = keyring().signer::<32>(&context("session/store"));
        let mut signed: HashSet<_> = texts(&["signed", "signed_opened"], "token").into_iter().collect();
        for number in 0..8 {
            signed.insert(tokens.sign(&[number; 32], NOW).expect("before 2106").into_bytes());
        }
        Self { tokens, signed }
    }
}

impl Target for Signed {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let mut seeds: Vec<_> = self.signed.iter().cloned().collect();
        seeds.sort();
        seeds
    }

    fn read(&mut self, input: &[u8]) -> String {
        let opened = self.tokens.open(input, NOW, 43_200);
        if opened.is_ok() {
            assert!(self.signed.contains(input), "a token opened that nobody signed");
        }
        let parts = outcome(&SignedParts::of_text(input), "parts");
        opened.map_or_else(|rejected| rejected.reason().word().to_owned(), |_| "good".to_owned()) + &parts
    }
}
