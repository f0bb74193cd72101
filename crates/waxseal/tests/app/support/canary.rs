//! Secrets to look for, and whatever was said that must not hold them.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fmt::{Debug, Display};

use waxseal_crypto::{KeyId, SecretKey};

pub(crate) const PASSPHRASE: &str = "canary bird in a passphrase of a decent length";
pub(crate) const ROOT: [u8; 32] = *b"canary root of a generated key!!";

/// All that was said, to be searched once.
#[derive(Default)]
pub(crate) struct Said(Vec<(String, String)>);

impl Said {
    pub(crate) fn debug(&mut self, what: &str, value: &impl Debug) {
        self.0.push((what.to_owned(), format!("{value:?} {value:#?}")));
    }

    pub(crate) fn display(&mut self, what: &str, value: &(impl Debug + Display)) {
        self.0.push((what.to_owned(), format!("{value} {value:?}")));
    }

    pub(crate) fn text(&mut self, what: &str, text: impl Into<String>) {
        self.0.push((what.to_owned(), text.into()));
    }

    pub(crate) fn search(&self) {
        for (what, text) in &self.0 {
            assert!(!text.is_empty(), "{what} said nothing");
            for needle in needles() {
                assert!(!text.contains(&needle), "{what} shows {needle:?}: {text}");
            }
        }
    }
}

/// The secrets as they are, and in every way in which bytes get printed.
fn needles() -> Vec<String> {
    let generated = SecretKey::from_bytes(ROOT).to_text();
    let body = generated.strip_prefix("waxseal1_").unwrap();
    let mut needles = vec![body[..20].to_owned(), body[20..].to_owned(), "canary bird".to_owned()];
    for bytes in [&ROOT[..], PASSPHRASE.as_bytes(), generated.as_bytes()] {
        let hex = |byte: &u8| format!("{byte:02x}");
        let decimal: Vec<_> = bytes[..8].iter().map(u8::to_string).collect();
        needles.push(bytes[..8].iter().map(hex).collect());
        needles.push(bytes[..8].iter().map(hex).collect::<String>().to_uppercase());
        needles.push(decimal.join(", "));
        needles.push(String::from_utf8(bytes[..12].to_vec()).unwrap());
    }
    // `waxseal1_` begins every key, and sentences name it.
    needles.retain(|needle| !needle.starts_with("waxseal1_"));
    needles
}

pub(crate) fn ids() -> [KeyId; 2] {
    [SecretKey::from_bytes(ROOT).id(), SecretKey::from_passphrase(PASSPHRASE, "demo").unwrap().id()]
}
