//! The keys of one moment, ready to seal and open, and what is counted about them.

use metrics::Counter;
use waxseal_crypto::{Context, Keyring, Sealer};

use crate::error::Reason;
use crate::sessions::SESSION_ID_BYTES;

/// A ring at work. A session keeps the one that opened it, so that a change of keys never meets a request half-way.
pub(crate) struct Ring {
    sealer: Sealer,
    /// One for each key, in ring order: asked for once, so that a request pays an atomic increment.
    opened: Vec<Counter>,
}

impl Ring {
    pub(crate) fn new(keyring: &Keyring, context: &Context) -> Self {
        let opened = keyring
            .ids()
            .map(|kid| metrics::counter!("waxseal_cookies_opened_total", "kid" => kid.to_string()))
            .collect();
        Self { sealer: keyring.sealer(context), opened }
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// Bytes that an encoded session may take in its token.
    pub(crate) fn capacity(&self) -> usize {
        self.sealer.max_text_payload() - SESSION_ID_BYTES
    }

    /// Counts a token that the key at `position` opened.
    pub(crate) fn count(&self, position: usize) {
        self.opened[position].increment(1);
    }
}

/// Tokens that were refused, by the word for the reason: anyone can send any bytes, so no more than the word counts.
pub(crate) struct Refusals([Counter; Reason::WORDS.len()]);

impl Refusals {
    pub(crate) fn new() -> Self {
        metrics::describe_counter!(
            "waxseal_cookies_opened_total",
            "Session cookies opened, by the key that sealed them."
        );
        metrics::describe_counter!(
            "waxseal_cookies_refused_total",
            "Session cookies refused, by the reason."
        );
        Self(
            Reason::WORDS
                .map(|reason| metrics::counter!("waxseal_cookies_refused_total", "reason" => reason)),
        )
    }

    pub(crate) fn count(&self, reason: &Reason) {
        let word = reason.word();
        if let Some(at) = Reason::WORDS.iter().position(|known| *known == word) {
            self.0[at].increment(1);
        }
    }
}
