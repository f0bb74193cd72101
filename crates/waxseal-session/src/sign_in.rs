//! The owner of a session, its sign-in and its renewal.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::change::Change;
use crate::error::Error;
use crate::handover::Handover;
use crate::messages::Shown;
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
    /// the [owner](Self::set_owner) and the [time of the sign-in](Self::signed_in_at).
    ///
    /// What an anonymous visitor has gathered stays, and so do the entries of the same owner. If another owner was
    /// signed in, the session is emptied first, so that one person's entries are not shown to the next one at the same
    /// browser. Of what this request has done before, only its messages and its choice of the session's class then
    /// stay; so write after the sign-in. To remove the entries in any case, call [`renew_empty`](Self::renew_empty)
    /// first.
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
        self.hand_over(owner)?;
        self.set_owner(Some(owner))?;
        self.set_metadata(SIGNED_IN, Operation::Set(metadata::encode(&unix_seconds(now))))?;
        // A device is bound to one sign-in only. The removal is logged even if there is nothing to remove, because the
        // log may be replayed over another request's session that has a binding.
        self.set_metadata(BOUND, Operation::Remove)?;
        self.renew()?;
        self.lock().signed_in = true;
        Ok(())
    }

    /// Removes what another owner has left.
    fn hand_over(&self, owner: &str) -> Result<(), Error> {
        let mut state = self.write()?;
        let is_other = |of: Option<String>| of.is_some_and(|of| of != owner);
        // The app may have removed the other owner from the session, and left the entries.
        let came_from_another = !state.is_emptied() && is_other(state.owner_before());
        let is_anothers = match state.content.owner() {
            None => came_from_another,
            now => is_other(now),
        };
        let flashed = |change: &Change| match change {
            Change::Flash(message) => Some(message.id()),
            _ => None,
        };
        let messages = state.log.iter().filter_map(flashed).collect();
        let keeps_class = state.class_chosen;
        let handover = Handover { owner: owner.into(), is_anothers, messages, keeps_class };
        if handover.empties(&state.content) {
            state.shown = Shown::default();
        }
        state.make(Change::SignIn(Arc::new(handover)))
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
            && !state.may_find_less()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;
    use crate::lifecycle::Terms;

    const TERMS: Terms = Terms { limit: usize::MAX, strict: false, form_token_keys: None };

    fn at(seconds: u64) -> SystemTime {
        system_time(seconds)
    }

    /// The content that `ann` has left: an entry, a message and a choice of the class.
    fn anns() -> Content {
        let session = Session::new();
        session.sign_in("ann", at(1)).unwrap();
        session.insert("cart", 3).unwrap();
        session.flash("info", "for Ann").unwrap();
        session.set_permanent_for(Duration::from_secs(900)).unwrap();
        Content::clone(&session.content())
    }

    fn messages(session: &Session) -> Vec<String> {
        session.flashed_messages(&[]).into_iter().map(|flash| flash.message).collect()
    }

    #[test]
    fn another_owner_gets_nothing_of_what_the_first_one_left() {
        type Before = fn(&Session) -> Result<(), Error>;
        let cases: [(&str, Before); 6] = [
            ("at once", |_| Ok(())),
            ("after the owner was removed", |session| session.set_owner(None)),
            ("after a write", |session| session.insert("theme", "dark")),
            ("after the messages were read", |session| {
                messages(session);
                Ok(())
            }),
            ("after a sign-in of the same request", |session| session.sign_in("eve", at(2))),
            ("after a renewal", Session::renew),
        ];
        for (case, before) in cases {
            let session = Session::restore(anns(), TERMS);
            before(&session).unwrap();
            session.flash("info", "Hello, Ben").unwrap();
            session.sign_in("ben", at(3)).unwrap();
            assert_eq!((session.len(), session.is_permanent()), (0, false), "{case}");
            assert_eq!(session.owner().as_deref(), Some("ben"), "{case}");
            session.insert("own", 1).unwrap();
            session.flash("info", "and again").unwrap();
            assert_eq!(messages(&session), ["Hello, Ben", "and again"], "{case}");
            let closed = session.close();
            assert_eq!(closed.owner_before.as_deref(), Some("ann"), "{case}");
            assert!(closed.log.changes_class() && closed.renewed && !closed.ended, "{case}");
        }
    }

    #[test]
    fn what_the_same_owner_or_nobody_left_stays_and_so_does_what_follows_an_emptied_session() {
        let mut nobodys = anns();
        for name in [OWNER, SIGNED_IN] {
            nobodys.metadata.put(name, None);
        }
        for (case, content) in [("the same owner", anns()), ("nobody", nobodys)] {
            let session = Session::restore(content, TERMS);
            session.insert("theme", "dark").unwrap();
            session.sign_in("ann", at(3)).unwrap();
            assert_eq!((session.len(), session.is_permanent()), (2, true), "{case}");
            assert_eq!(messages(&session), ["for Ann"], "{case}");
        }
        let session = Session::restore(anns(), TERMS);
        session.renew_empty().unwrap();
        session.insert("theme", "dark").unwrap();
        session.sign_in("ben", at(3)).unwrap();
        assert_eq!(session.keys(), ["theme"], "it was written to Ben's session");
    }

    #[test]
    fn a_class_that_the_request_chose_stays() {
        let session = Session::restore(anns(), TERMS);
        session.set_permanent_for(Duration::from_secs(60)).unwrap();
        session.sign_in("ben", at(3)).unwrap();
        assert_eq!((session.is_permanent(), session.content().own_lifetime()), (true, Some(60)));
    }

    /// Another request has changed the session meanwhile.
    #[test]
    fn a_replay_empties_the_session_that_is_there_by_then_if_it_is_anothers() {
        let sign_in = |content: Content| {
            let session = Session::restore(content, TERMS);
            session.flash("info", "Hello, Ben").unwrap();
            session.sign_in("ben", at(3)).unwrap();
            session.insert("own", 1).unwrap();
            session.close().log
        };
        let made = |fill: &dyn Fn(&Session)| {
            let session = Session::new();
            fill(&session);
            Content::clone(&session.content())
        };
        let nobodys = || made(&|session| session.insert("cart", 3).unwrap());
        let bens = made(&|session| {
            session.sign_in("ben", at(2)).unwrap();
            session.insert("cart", 3).unwrap();
        });
        for (case, saw, found, entries) in [
            ("Ann's, and is so still", anns(), anns(), 1),
            ("Ann's, and is nobody's", anns(), nobodys(), 1),
            ("Ann's, and is Ben's by an earlier click", anns(), bens.clone(), 2),
            ("nobody's, and is Ann's", nobodys(), anns(), 1),
            ("Ben's, and is Ann's", bens.clone(), anns(), 1),
            ("nobody's, and is so still", nobodys(), nobodys(), 2),
            ("nobody's, and is Ben's by an earlier click", nobodys(), bens, 2),
        ] {
            let after = sign_in(saw).replay(found, usize::MAX).unwrap();
            assert_eq!(
                (after.entries.len(), after.owner().as_deref()),
                (entries, Some("ben")),
                "it was {case}"
            );
            let session = Session::restore(after, TERMS);
            assert_eq!(messages(&session), ["Hello, Ben"], "it was {case}");
        }
    }

    /// The replay finds another owner's session, and empties it.
    #[test]
    fn what_was_there_already_at_a_sign_in_is_there_after_a_replay_too() {
        let write = |session: &Session| {
            session.sign_in("ben", at(3)).unwrap();
            session.set_device("Firefox on Linux").unwrap();
            session.insert("own", 1).unwrap();
            session.extend([("theme", "dark")]).unwrap();
            session.set_permanent_for(Duration::from_secs(60)).unwrap();
        };
        let (bens, by_then) = (Session::new(), anns());
        write(&bens);
        let again = Session::restore(Content::clone(&bens.content()), TERMS);
        write(&again);
        assert!(!again.remove("never").unwrap());
        let after = again.close().log.replay(by_then, usize::MAX).unwrap();
        assert_eq!((after.owner().as_deref(), after.own_lifetime()), (Some("ben"), Some(60)));
        assert_eq!(after.metadata.get::<String>(DEVICE).as_deref(), Some("Firefox on Linux"));
        let session = Session::restore(after, TERMS);
        assert_eq!((session.signed_in_at(), session.is_permanent()), (Some(at(3)), true));
        assert_eq!(session.keys(), ["own", "theme"]);
    }
}
