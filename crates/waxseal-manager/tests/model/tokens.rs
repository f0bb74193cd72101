//! Tokens, taken apart by `docs/format.md`.

use waxseal_crypto::{Context, Keyring, Sealer, SignedTokens};
use waxseal_manager::{Inspection, Parts, SessionManager};
use waxseal_store::{RecordKey, Revision, SessionId, Timestamp};

use crate::setup::Place;

/// A token and what is in it.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) text: String,
    pub(crate) key: RecordKey,
    pub(crate) revision: Option<Revision>,
    pub(crate) sealed: Timestamp,
    /// The number of entries in its copy, if it has one.
    pub(crate) entries: Option<usize>,
}

/// Reads the secret ids in tokens, which no public function tells.
pub(crate) enum Ids {
    Signed(SignedTokens<{ SessionId::BYTES }>),
    Sealed(Sealer),
}

impl Ids {
    pub(crate) const COOKIE: &str = "session";
    pub(crate) const AUDIENCE: &str = "model";

    pub(crate) fn new(place: Place, keyring: &Keyring) -> Self {
        let context = |purpose| {
            let named = Context::new(purpose).and_then(|context| context.with_name(Self::COOKIE));
            named.and_then(|context| context.with_audience(Self::AUDIENCE)).expect("short names")
        };
        match place {
            Place::Store => Self::Signed(keyring.signer(&context("session/store"))),
            Place::Mirrored => Self::Sealed(keyring.sealer(&context("session/mirrored"))),
        }
    }

    fn key(&self, token: &[u8]) -> RecordKey {
        const JUST_MADE: &str = "it was just made";
        let id = match self {
            Self::Signed(tokens) => *tokens.open_at_any_time(token).expect(JUST_MADE).payload(),
            Self::Sealed(sealer) => {
                let opened = sealer.open_text_at_any_time(token).expect(JUST_MADE);
                *opened.payload().first_chunk().expect("the id stands first")
            }
        };
        SessionId::from_bytes(id).key()
    }
}

impl Sent {
    pub(crate) fn read(text: &str, sessions: &SessionManager, ids: &Ids) -> Self {
        let key = ids.key(text.as_bytes());
        // No rule here asks what the times of a token say of today.
        let token = sessions.inspect(text.as_bytes(), std::time::UNIX_EPOCH).expect("it was just made");
        let sealed = Timestamp::from_millis(token.times().sealed() * 1_000);
        let (revision, entries) = copy(&token);
        Self { text: text.to_owned(), key, revision, sealed, entries }
    }
}

fn copy(token: &Inspection) -> (Option<Revision>, Option<usize>) {
    let Some(Parts::Mirror { revision, .. }) = token.parts() else { return (None, None) };
    (Some(revision), token.session().map(|session| session.len()))
}
