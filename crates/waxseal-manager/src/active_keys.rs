//! The keyring that a request uses from open to commit, and its counters.

use std::io;

use metrics::Counter;
use waxseal_crypto::{Authenticator, Context, Keyring, Sealer, SignedTokens};
use waxseal_session::backend::{FormTokenKeys, Seed};
use waxseal_store::{Revision, SessionId};

use crate::adoption::foreign::Foreign;
use crate::device_tokens::{DeviceContexts, DeviceTokens};
use crate::origin::COOKIE_ID_BYTES;
use crate::rejected::Reason;

/// The contexts that keys are derived for.
pub(crate) struct Contexts {
    pub(crate) purpose: &'static str,
    pub(crate) token: Context,
    pub(crate) csrf: Context,
    /// The context from which the ids of sessions that were taken over are derived.
    pub(crate) import: Context,
    /// The context of records, in states `store` and `mirrored`.
    pub(crate) record: Option<Context>,
    /// The contexts of device-bound sessions, if they are on.
    pub(crate) device: Option<DeviceContexts>,
}

/// The purpose of a token that is only a session id.
pub(crate) const ID_ALONE: &str = "session/store";

/// The purpose of each state's tokens, and the state's name.
const STATES: [(&str, &str); 3] =
    [("session", "cookie"), (ID_ALONE, "store"), ("session/mirrored", "mirrored")];

/// The keyring that a request uses from open to commit, with its derived keys. A visit keeps the keys that opened it,
/// so that a change of keys does not affect a request that has begun.
pub(crate) struct ActiveKeys {
    tokens: TokenKeys,
    /// The keys of each state's tokens, with the state's name, so that the state of a refused token can be named.
    states: [(TokenKeys, &'static str); 3],
    csrf: Authenticator,
    import: Authenticator,
    record: Option<Sealer>,
    device: Option<DeviceTokens>,
    kid: [u8; 4],
    /// A counter for each key, in the keyring's order. It is looked up once, so that a request only costs an atomic
    /// increment.
    opened: Vec<Counter>,
}

/// The keys of tokens. A token with data is sealed. A session id alone has nothing to hide from its holder, and is
/// signed.
#[derive(Debug)]
pub(crate) enum TokenKeys {
    Sealed(Sealer),
    Signed(SignedTokens<{ SessionId::BYTES }>),
}

impl ActiveKeys {
    pub(crate) fn new(keyring: &Keyring, contexts: &Contexts) -> Self {
        let opened: Vec<_> = keyring
            .ids()
            .map(|kid| metrics::counter!("waxseal_cookies_opened_total", "kid" => kid.to_string()))
            .collect();
        let record = contexts.record.as_ref().map(|record| keyring.sealer(record));
        let first = keyring.ids().next().expect("a ring has at least one key");
        let csrf = keyring.authenticator(&contexts.csrf);
        let import = keyring.authenticator(&contexts.import);
        let states = STATES.map(|(purpose, name)| {
            let context = contexts.token.clone().with_purpose(purpose).expect("these purposes are short");
            (TokenKeys::new(keyring, purpose, &context), name)
        });
        let device =
            contexts.device.as_ref().map(|device| DeviceTokens::new(keyring, device, opened.clone()));
        let tokens = TokenKeys::new(keyring, contexts.purpose, &contexts.token);
        Self { tokens, states, csrf, import, record, device, kid: *first.as_bytes(), opened }
    }

    pub(crate) fn tokens(&self) -> &TokenKeys {
        &self.tokens
    }

    /// The sealer of tokens that hold more than a session id.
    pub(crate) fn sealer(&self) -> &Sealer {
        match &self.tokens {
            TokenKeys::Sealed(sealer) => sealer,
            TokenKeys::Signed(_) => unreachable!("state `store` alone signs tokens, and it seals none"),
        }
    }

    /// The reason that a token was refused. A token of another state is reported as such, which helps an operator who
    /// changes the state. This costs one comparison of the commitment or one MAC, and only if the token names a key of
    /// the keyring.
    pub(crate) fn refusal(&self, token: &[u8], reason: waxseal_crypto::Reason) -> Reason {
        use waxseal_crypto::Reason::{Commitment, Length, Mac};
        let opens = |(keys, _): &&(TokenKeys, &str)| keys.opens(token);
        match reason {
            // A signed token never has the length of a sealed one.
            Commitment | Mac | Length => match self.states.iter().find(opens) {
                Some((_, state)) => Reason::State(state),
                None => Reason::Seal(reason),
            },
            reason => Reason::Seal(reason),
        }
    }

    /// The keys of tokens of the state with this name.
    pub(crate) fn of_state(&self, name: &str) -> Option<&TokenKeys> {
        self.states.iter().find(|(_, state)| *state == name).map(|(keys, _)| keys)
    }

    /// The sealer of records.
    pub(crate) fn record(&self) -> &Sealer {
        self.record.as_ref().expect("only sessions that are kept on the server ask for their keys")
    }

    /// The ids that a foreign session may have here after it was claimed with `revision`: derived with the first key,
    /// and then with each other key, which may have been the first at that time. Somebody who can read the store, but
    /// has no key of the ring, cannot compute them.
    pub(crate) fn imported_ids(
        &self,
        replay_id: &[u8; Foreign::REPLAY_ID_BYTES],
        revision: &Revision,
    ) -> impl Iterator<Item = SessionId> {
        let message = [&replay_id[..], revision.as_bytes()].concat();
        let ids: Vec<_> = self.import.macs(&message).map(SessionId::from_bytes).collect();
        ids.into_iter()
    }

    /// The tokens of device-bound sessions, if they are on.
    pub(crate) fn device(&self) -> Option<&DeviceTokens> {
        self.device.as_ref()
    }

    /// The id of the first key, which seals.
    pub(crate) fn kid(&self) -> [u8; 4] {
        self.kid
    }

    /// The largest size of an encoded session in its token or in its record, in bytes.
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

impl FormTokenKeys for ActiveKeys {
    fn make(&self, seed: &Seed) -> io::Result<String> {
        self.csrf.masked_mac(seed).map_err(io::Error::other)
    }

    fn is_good(&self, seed: &Seed, token: &[u8]) -> bool {
        self.csrf.verify_masked(seed, token)
    }
}

impl TokenKeys {
    fn new(keyring: &Keyring, purpose: &str, context: &Context) -> Self {
        match purpose {
            ID_ALONE => Self::Signed(keyring.signer(context)),
            _ => Self::Sealed(keyring.sealer(context)),
        }
    }

    /// Checks whether a token was made with these keys, regardless of its times.
    fn opens(&self, token: &[u8]) -> bool {
        match self {
            Self::Sealed(sealer) => sealer.open_text_at_any_time(token).is_ok(),
            Self::Signed(tokens) => tokens.open_at_any_time(token).is_ok(),
        }
    }
}

/// Counters of refused tokens by reason. Anyone can send any bytes, so only the reason's word is counted.
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
