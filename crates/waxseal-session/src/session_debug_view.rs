//! A view of a session for the developer of the app.

use std::time::SystemTime;

use crate::change::Change;
use crate::entries::Value;
use crate::metadata::{BESIDE, BOUND, DEVICE, LIFE, OWNER, SIGNED_IN};
use crate::operation::Operation;
use crate::session::Session;
use crate::state::{Phase, ReadOnly};
use crate::unix_time::system_time;

/// Facts about a session for its developer; from [`Session::look`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SessionDebugView {
    /// Keys and values, in the order of their first insertion.
    pub entries: Vec<(String, Value)>,
    /// `true` if the session outlives the browser session.
    pub permanent: bool,
    /// The owner, if an owner is signed in.
    pub owner: Option<String>,
    /// The time of the owner's last sign-in.
    pub signed_in: Option<SystemTime>,
    /// The number of messages that wait for the next page.
    pub flashes: usize,
    /// `true` if the session has a seed of form tokens, because a form was shown.
    pub has_csrf_seed: bool,
    /// Descriptions of what this request did. They name keys, never values.
    pub changes: Vec<String>,
}

impl Session {
    /// A view of the session for a developer's pages and logs. Taking it does not count as access, so it can be taken
    /// in any request.
    ///
    /// # Example
    ///
    /// ```
    /// let session = waxseal_session::Session::new();
    /// session.insert("name", "Gandalf")?;
    /// session.flash("success", "Welcome.")?;
    /// assert_eq!(session.look().changes, [r#"set "name""#, "flashed a message"]);
    /// # Ok::<(), waxseal_session::Error>(())
    /// ```
    #[must_use]
    pub fn look(&self) -> SessionDebugView {
        let (flashes, has_csrf_seed) = (self.flashes_waiting(), self.has_csrf_seed());
        let state = self.lock();
        let content = &state.content;
        let ends = match state.phase {
            Phase::ReadOnly(ReadOnly::Outage) => Some("could write nothing: the store is away".to_owned()),
            Phase::ReadOnly(ReadOnly::Renewed) => {
                Some("could write nothing: the id is an old one".to_owned())
            }
            _ => None,
        };
        let renewed = state.renewed.then(|| "drew a new id".to_owned());
        let ended = state.ended.then(|| "ended the session".to_owned());
        let changes = state.closed_log.iter().chain(&state.log).filter_map(Change::in_words);
        SessionDebugView {
            entries: content.entries.iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            permanent: content.permanent,
            owner: content.metadata.get(OWNER),
            signed_in: content.metadata.get(SIGNED_IN).map(system_time),
            flashes,
            has_csrf_seed,
            changes: changes.chain(renewed).chain(ended).chain(ends).collect(),
        }
    }
}

impl Change {
    /// Describes the change for a developer. `None` for a note that only serves to detect conflicts.
    fn in_words(&self) -> Option<String> {
        Some(match self {
            Self::Reset => "removed all there was".to_owned(),
            Self::SignIn(handover) if handover.is_anothers => "removed what another owner left".to_owned(),
            Self::SignIn(_) => return None,
            Self::Key(key, operation) => format!("{} {key:?}", operation.verb()),
            Self::Metadata(OWNER, Operation::Remove) => "made it nobody's".to_owned(),
            Self::Metadata(OWNER, _) => "noted whose it is".to_owned(),
            Self::Metadata(SIGNED_IN, _) => "noted the sign-in".to_owned(),
            Self::Metadata(LIFE, Operation::Remove) => "took away its own lifetime".to_owned(),
            Self::Metadata(LIFE, _) => "gave it a lifetime of its own".to_owned(),
            Self::Metadata(DEVICE, _) => "noted the browser's name".to_owned(),
            // Every sign-in removes it.
            Self::Metadata(BOUND, Operation::Remove) => return None,
            Self::Metadata(BESIDE, _) => "noted the other app's cookie".to_owned(),
            Self::Metadata(name, operation) => format!("{} the session's own {name}", operation.verb()),
            Self::Flash(_) => "flashed a message".to_owned(),
            Self::FlashesShown(ids) if ids.len() == 1 => "showed a message".to_owned(),
            Self::FlashesShown(ids) => format!("showed {} messages", ids.len()),
            Self::CsrfSeed(_) => "drew a seed for form tokens".to_owned(),
            Self::NewCsrfSeed(_) => "made form tokens from before worthless".to_owned(),
            Self::Permanent(true) => "made it permanent".to_owned(),
            Self::Permanent(false) => "made it ordinary".to_owned(),
            Self::Device(change) if change.is_offer() => "offered to tie it to a device".to_owned(),
            Self::Device(_) => "bound it to a device".to_owned(),
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
