//! A look at a session, for the person who writes the app.

use std::time::SystemTime;

use crate::change::{Change, Operation};
use crate::metadata::{DEVICE, OWNER, SIGNED_IN};
use crate::origin::Origin;
use crate::session::{Phase, ReadOnly, Session};
use crate::timestamp::system_time;
use crate::{Lifespan, Value};

/// What a developer may want to know of a session; from [`Session::look`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SessionDebugView {
    /// Keys and values, in the order of their first insertion.
    pub entries: Vec<(String, Value)>,
    /// Whether it outlives the browser's.
    pub permanent: bool,
    /// Whose it is.
    pub owner: Option<String>,
    /// When the owner signed in.
    pub signed_in: Option<SystemTime>,
    /// How many messages wait for the next page.
    pub flashes: usize,
    /// Whether a form was shown, so that there is a seed for its token.
    pub has_csrf_seed: bool,
    /// Since when and until when the store says it is there, if it was asked in this request.
    pub life: Option<Lifespan>,
    /// What this request did, in words: keys, and never a value.
    pub changes: Vec<String>,
}

impl Session {
    /// A look at the session that counts as no access, so that it can be taken of any request: for pages and logs of a
    /// developer.
    ///
    /// # Example
    ///
    /// ```
    /// # use waxseal_crypto::{Keyring, SecretKey};
    /// # let keyring = Keyring::new(SecretKey::from_bytes([7; 32]));
    /// # let sessions = waxseal_store::SessionManager::cookie(&keyring, "session", "demo")?;
    /// let session = sessions.create();
    /// session.insert("name", "Gandalf")?;
    /// session.flash("success", "Welcome.")?;
    /// assert_eq!(session.look().changes, [r#"set "name""#, "flashed a message"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn look(&self) -> SessionDebugView {
        let (flashes, has_csrf_seed) = (self.flashes_waiting(), self.has_csrf_seed());
        let state = self.lock();
        let content = &state.content;
        let life = match &state.origin {
            Some(Origin::Record(held)) => held.known.map(|known| known.life),
            _ => None,
        };
        let ends = match state.phase {
            Phase::ReadOnly(ReadOnly::Outage) => Some("could write nothing: the store is away".to_owned()),
            Phase::ReadOnly(ReadOnly::Renewed) => {
                Some("could write nothing: the id is an old one".to_owned())
            }
            _ => None,
        };
        let renewed = state.renewed.then(|| "drew a new id".to_owned());
        let ended = state.ended.then(|| "ended the session".to_owned());
        let changes = state.log.iter().filter_map(Change::in_words);
        SessionDebugView {
            entries: content.entries.iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            permanent: content.permanent,
            owner: content.metadata.get(OWNER),
            signed_in: content.metadata.get(SIGNED_IN).map(system_time),
            flashes,
            has_csrf_seed,
            life,
            changes: changes.chain(renewed).chain(ended).chain(ends).collect(),
        }
    }
}

impl Change {
    /// What it does, for a developer; `None` if it is a note for a conflict.
    fn in_words(&self) -> Option<String> {
        Some(match self {
            Self::Reset => "removed all there was".to_owned(),
            Self::Key(key, operation) => format!("{} {key:?}", operation.verb()),
            Self::Metadata(OWNER, Operation::Remove) => "made it nobody's".to_owned(),
            Self::Metadata(OWNER, _) => "noted whose it is".to_owned(),
            Self::Metadata(SIGNED_IN, _) => "noted the sign-in".to_owned(),
            Self::Metadata(DEVICE, _) => "noted the browser's name".to_owned(),
            Self::Metadata(name, operation) => format!("{} the session's own {name}", operation.verb()),
            Self::Flash(_) => "flashed a message".to_owned(),
            Self::FlashesShown(ids) if ids.len() == 1 => "showed a message".to_owned(),
            Self::FlashesShown(ids) => format!("showed {} messages", ids.len()),
            Self::CsrfSeed(_) => "drew a seed for form tokens".to_owned(),
            Self::NewCsrfSeed(_) => "made form tokens from before worthless".to_owned(),
            Self::Permanent(true) => "made it permanent".to_owned(),
            Self::Permanent(false) => "made it ordinary".to_owned(),
            Self::Seen(..) => return None,
        })
    }
}

impl Operation {
    fn verb(&self) -> &'static str {
        match self {
            Self::Set(_) => "set",
            Self::SetDefault(_) => "set, as it was missing,",
            Self::Remove => "removed",
            Self::Take => "took",
            Self::Add(_) => "added to",
            Self::Append(_) => "appended to",
            Self::Update(_) => "updated",
        }
    }
}
