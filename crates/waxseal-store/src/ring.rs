//! The keys of one moment, ready to seal and open, and what is counted about them.

use metrics::Counter;
use waxseal_crypto::{Authenticator, Context, Keyring, Sealer};

use crate::error::Reason;
use crate::origin::COOKIE_ID_BYTES;

/// What the keys are worked for.
pub(crate) struct Contexts {
    pub(crate) token: Context,
    pub(crate) csrf: Context,
    pub(crate) kept: Option<KeptContexts>,
}

/// Of sessions that are kept on the server.
pub(crate) struct KeptContexts {
    pub(crate) record: Context,
    pub(crate) pointer: Context,
}

/// A ring at work. A session keeps the one that opened it, so that a change of keys never meets a request half-way.
pub(crate) struct Ring {
    sealer: Sealer,
    csrf: Authenticator,
    kept: Option<Kept>,
    kid: [u8; 4],
    /// One for each key, in ring order: asked for once, so that a request pays an atomic increment.
    opened: Vec<Counter>,
}

struct Kept {
    record: Sealer,
    pointer: Sealer,
}

impl Ring {
    pub(crate) fn new(keyring: &Keyring, contexts: &Contexts) -> Self {
        let opened = keyring
            .ids()
            .map(|kid| metrics::counter!("waxseal_cookies_opened_total", "kid" => kid.to_string()))
            .collect();
        let kept = contexts.kept.as_ref().map(|kept| Kept {
            record: keyring.sealer(&kept.record),
            pointer: keyring.sealer(&kept.pointer),
        });
        let first = keyring.ids().next().expect("a ring has at least one key");
        let csrf = keyring.authenticator(&contexts.csrf);
        Self { sealer: keyring.sealer(&contexts.token), csrf, kept, kid: *first.as_bytes(), opened }
    }

    /// Of tokens.
    pub(crate) fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// Of tokens for forms.
    pub(crate) fn csrf(&self) -> &Authenticator {
        &self.csrf
    }

    /// Of records.
    pub(crate) fn record(&self) -> &Sealer {
        &self.kept().record
    }

    /// Of the new id that a renewal leaves behind.
    pub(crate) fn pointer(&self) -> &Sealer {
        &self.kept().pointer
    }

    /// The id of the key that seals.
    pub(crate) fn kid(&self) -> [u8; 4] {
        self.kid
    }

    /// Bytes that an encoded session may take in its token, or in its record.
    pub(crate) fn capacity(&self) -> usize {
        match &self.kept {
            None => self.sealer.max_text_payload() - COOKIE_ID_BYTES,
            Some(kept) => kept.record.max_binary_payload(),
        }
    }

    /// Counts a token that the key at `position` opened.
    pub(crate) fn count(&self, position: usize) {
        self.opened[position].increment(1);
    }

    fn kept(&self) -> &Kept {
        self.kept.as_ref().expect("only sessions that are kept on the server ask for their keys")
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
