//! The keys of one moment, ready to seal and open, and what is counted about them.

use metrics::Counter;
use waxseal_crypto::{Authenticator, Context, Keyring, Sealer, SignedTokens};

use crate::SessionId;
use crate::error::Reason;
use crate::origin::COOKIE_ID_BYTES;

/// What the keys are worked for.
pub(crate) struct Contexts {
    pub(crate) purpose: &'static str,
    pub(crate) token: Context,
    pub(crate) csrf: Context,
    /// Of sessions that are kept on the server.
    pub(crate) record: Option<Context>,
}

/// The purpose of a token that is an id alone.
pub(crate) const ID_ALONE: &str = "session/store";

/// Each state's purpose of a token, and its name.
const STATES: [(&str, &str); 3] =
    [("session", "cookie"), (ID_ALONE, "store"), ("session/mirrored", "mirrored")];

/// A ring at work. A session keeps the one that opened it, so that a change of keys never meets a request half-way.
pub(crate) struct ActiveKeys {
    tokens: TokenKeys,
    /// Of each state's tokens, with its name: to tell whose a refused one is.
    states: [(TokenKeys, &'static str); 3],
    csrf: Authenticator,
    /// Of sessions that are kept on the server.
    record: Option<Sealer>,
    kid: [u8; 4],
    /// One for each key, in ring order: asked for once, so that a request pays an atomic increment.
    opened: Vec<Counter>,
}

/// What tokens are made with: data is sealed, and an id alone, which says nothing, is signed.
#[derive(Debug)]
pub(crate) enum TokenKeys {
    Sealed(Sealer),
    Signed(SignedTokens<{ SessionId::BYTES }>),
}

impl ActiveKeys {
    pub(crate) fn new(keyring: &Keyring, contexts: &Contexts) -> Self {
        let opened = keyring
            .ids()
            .map(|kid| metrics::counter!("waxseal_cookies_opened_total", "kid" => kid.to_string()))
            .collect();
        let record = contexts.record.as_ref().map(|record| keyring.sealer(record));
        let first = keyring.ids().next().expect("a ring has at least one key");
        let csrf = keyring.authenticator(&contexts.csrf);
        let states = STATES.map(|(purpose, name)| {
            let context = contexts.token.clone().with_purpose(purpose).expect("these purposes are short");
            (TokenKeys::new(keyring, purpose, &context), name)
        });
        let tokens = TokenKeys::new(keyring, contexts.purpose, &contexts.token);
        Self { tokens, states, csrf, record, kid: *first.as_bytes(), opened }
    }

    pub(crate) fn tokens(&self) -> &TokenKeys {
        &self.tokens
    }

    /// Of tokens that hold more than an id.
    pub(crate) fn sealer(&self) -> &Sealer {
        match &self.tokens {
            TokenKeys::Sealed(sealer) => sealer,
            TokenKeys::Signed(_) => unreachable!("state `store` alone signs tokens, and it seals none"),
        }
    }

    /// Why a token was refused: one of another state says so, since whoever changes the state asks. A compare of its
    /// commitment or a MAC more are worked for it, and only for a token that names a key of ours.
    pub(crate) fn refusal(&self, token: &[u8], reason: waxseal_crypto::Reason) -> Reason {
        use waxseal_crypto::Reason::{Commitment, Length, Mac};
        let opens = |(keys, _): &&(TokenKeys, &str)| keys.opens(token);
        match reason {
            // A signed token has another length than any sealed one.
            Commitment | Mac | Length => match self.states.iter().find(opens) {
                Some((_, state)) => Reason::State(state),
                None => Reason::Seal(reason),
            },
            reason => Reason::Seal(reason),
        }
    }

    /// Of tokens for forms.
    pub(crate) fn csrf(&self) -> &Authenticator {
        &self.csrf
    }

    /// Of records.
    pub(crate) fn record(&self) -> &Sealer {
        self.record.as_ref().expect("only sessions that are kept on the server have records")
    }

    /// The id of the key that seals.
    pub(crate) fn kid(&self) -> [u8; 4] {
        self.kid
    }

    /// Bytes that an encoded session may take in its token, or in its record.
    pub(crate) fn capacity(&self) -> usize {
        match &self.record {
            None => self.sealer().max_text_payload() - COOKIE_ID_BYTES,
            Some(record) => record.max_binary_payload(),
        }
    }

    /// Counts a token that the key at `position` opened.
    pub(crate) fn count(&self, position: usize) {
        self.opened[position].increment(1);
    }
}

impl TokenKeys {
    fn new(keyring: &Keyring, purpose: &str, context: &Context) -> Self {
        match purpose {
            ID_ALONE => Self::Signed(keyring.signer(context)),
            _ => Self::Sealed(keyring.sealer(context)),
        }
    }

    /// Whether a token is made with these keys, whatever its times say.
    fn opens(&self, token: &[u8]) -> bool {
        match self {
            Self::Sealed(sealer) => sealer.open_text_at_any_time(token).is_ok(),
            Self::Signed(tokens) => tokens.open_at_any_time(token).is_ok(),
        }
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
