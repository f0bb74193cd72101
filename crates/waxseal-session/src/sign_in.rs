//! The owner of a session, its sign-in and its renewal.

use std::time::{Duration, SystemTime};

use crate::change::Change;
use crate::error::Error;
use crate::metadata::{self, BOUND, DEVICE, OWNER, SIGNED_IN};
use crate::operation::Operation;
use crate::seeds;
use crate::session::Session;
use crate::state::Phase;
use crate::unix_time::{system_time, unix_seconds};

/// The longest name of an owner, in bytes.
pub const MAX_OWNER_BYTES: usize = 255;
/// The longest text for a device, in bytes.
pub const MAX_DEVICE_BYTES: usize = 128;

impl Session {
    /// The owner's name, if an owner has [signed in](Self::sign_in).
    #[must_use]
    pub fn owner(&self) -> Option<String> {
        self.read().content.metadata.get(OWNER)
    }

    /// Sets the owner: the app's own name for a user, such as a number. The owner's sessions can then be listed and
    /// ended. `None` removes the owner.
    ///
    /// At a sign-in, call [`sign_in`](Self::sign_in) instead, which includes this.
    ///
    /// # Errors
    ///
    /// [`Error::Owner`] if the name is empty, longer than 255 bytes, or has control characters, and those of every
    /// [write](Session#errors).
    pub fn set_owner(&self, owner: Option<&str>) -> Result<(), Error> {
        let operation = match owner {
            None => Operation::Remove,
            Some(owner) if is_owner_name(owner) => Operation::Set(metadata::encode(owner)),
            Some(_) => return Err(Error::Owner),
        };
        self.set_metadata(OWNER, operation)
    }

    /// Signs `owner` in at the time `now`.
    ///
    /// This gives the session a [new id](Self::renew), so that an id that an attacker planted is worthless, and sets
    /// the [owner](Self::set_owner) and the [time of the sign-in](Self::signed_in_at). The entries stay. To remove
    /// them, call [`renew_empty`](Self::renew_empty) first.
    ///
    /// In states `store` and `mirrored`, a response may be lost on its way, and the visitor may come again with the old
    /// id. If the same owner signs in again, the session of the lost response is renewed once more and keeps its
    /// entries, and the id in the lost response ends. If another owner signs in, or that session has ended, an empty
    /// session begins.
    ///
    /// # Errors
    ///
    /// Those of [`set_owner`](Self::set_owner), except [`Error::Renewed`].
    pub fn sign_in(&self, owner: &str, now: SystemTime) -> Result<(), Error> {
        if !is_owner_name(owner) {
            return Err(Error::Owner);
        }
        self.begin_if_over();
        self.set_owner(Some(owner))?;
        self.set_metadata(SIGNED_IN, Operation::Set(metadata::encode(&unix_seconds(now))))?;
        // A device is bound to one sign-in only. The removal is logged even if there is nothing to remove, because the
        // log may be replayed over another request's session that has a binding.
        self.set_metadata(BOUND, Operation::Remove)?;
        self.renew()?;
        self.lock().signed_in = true;
        Ok(())
    }

    /// The time of the owner's last sign-in.
    #[must_use]
    pub fn signed_in_at(&self) -> Option<SystemTime> {
        self.read().content.metadata.get(SIGNED_IN).map(system_time)
    }

    /// Returns `true` if the owner signed in at most `span` before `now`. Check it before changing a password or
    /// sending money. A sign-in in the future does not count.
    #[must_use]
    pub fn signed_in_within(&self, span: Duration, now: SystemTime) -> bool {
        let age = self.signed_in_at().and_then(|at| now.duration_since(at).ok());
        self.owner().is_some() && age.is_some_and(|age| age <= span)
    }

    /// Sets the text that names the visitor's device in lists, such as "Firefox on Linux". It is cut to 128 bytes.
    ///
    /// # Errors
    ///
    /// Those of every [write](Session#errors).
    pub fn set_device(&self, device: &str) -> Result<(), Error> {
        let fits = |end: &usize| device.is_char_boundary(*end);
        let end = (0..=MAX_DEVICE_BYTES.min(device.len())).rev().find(fits).unwrap_or(0);
        self.set_metadata(DEVICE, Operation::Set(metadata::encode(&device[..end])))
    }

    /// Gives the session a new id and a new absolute lifetime, and keeps its entries.
    ///
    /// Call it at every change of privilege, so that an id planted before is worthless afterwards. Earlier [form
    /// tokens](Self::csrf_token) become invalid too. [`sign_in`](Self::sign_in) includes it.
    ///
    /// # Errors
    ///
    /// Those of every [write](Session#errors).
    pub fn renew(&self) -> Result<(), Error> {
        let mut state = self.write()?;
        state.make(Change::NewCsrfSeed(seeds::draw()?))?;
        state.csrf_token = None;
        state.renewed = true;
        Ok(())
    }

    /// Gives the session a new id and removes all entries, so that no entry planted before a sign-in survives.
    ///
    /// # Errors
    ///
    /// Those of every [write](Session#errors), except [`Error::Renewed`]: for a visitor who came with an id that a
    /// sign-in has replaced, a new session begins.
    pub fn renew_empty(&self) -> Result<(), Error> {
        self.begin_if_over();
        let mut state = self.write()?;
        state.make(Change::Reset)?;
        state.csrf_token = None;
        state.renewed = true;
        Ok(())
    }

    /// Begins a session in place of one that is over: for a sign-in, or for a request that removes all entries.
    fn begin_if_over(&self) {
        let mut state = self.read();
        if let Some(why) = state.is_over() {
            state.phase = Phase::Open;
            state.begins = Some(why);
        }
    }

    pub(crate) fn set_metadata(&self, name: &'static str, operation: Operation) -> Result<(), Error> {
        let mut state = self.write()?;
        if let Operation::Set(value) = &operation
            && state.content.metadata.encoded(name) == Some(value)
        {
            return Ok(());
        }
        state.make_fitting(Change::Metadata(name, operation))
    }
}

/// Returns `true` if `owner` can be an owner's name: 1 to 255 bytes without control characters.
///
/// If visitors sign in under a name of their own choice, check it when they choose it: an owner's name is refused by
/// [`Session::sign_in`].
#[must_use]
pub fn is_owner_name(owner: &str) -> bool {
    (1..=MAX_OWNER_BYTES).contains(&owner.len()) && !owner.contains(char::is_control)
}
