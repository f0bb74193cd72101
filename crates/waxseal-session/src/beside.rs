//! Keeps a session in step with the cookie of another app that runs beside this one and shares its sign-in.

use crate::change::Change;
use crate::content::Content;
use crate::error::Error;
use crate::metadata::{self, BESIDE};
use crate::operation::Operation;
use crate::session::Session;

/// The mark of one cookie of another app: the time at which it was signed, and a number that distinguishes it from
/// others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by callers")]
pub struct CookieMark {
    /// The time at which the other app signed the cookie, or this app for it, in seconds since 1970.
    pub signed_at: u64,
    /// A part of the cookie's hash.
    pub id: u64,
}

impl Content {
    /// The other app's cookie that the session was last in step with. `None` if there was none yet.
    #[must_use]
    pub fn beside(&self) -> Option<CookieMark> {
        let (signed_at, id) = self.metadata.get(BESIDE)?;
        Some(CookieMark { signed_at, id })
    }
}

impl Session {
    /// Notes the other app's cookie that the session is in step with from now on.
    ///
    /// # Errors
    ///
    /// Those of every [write](Session#errors).
    pub fn set_beside(&self, mark: CookieMark) -> Result<(), Error> {
        let mark = metadata::encode(&(mark.signed_at, mark.id));
        self.set_metadata(BESIDE, Operation::Set(mark))
    }

    /// Copies the entry under `key` from `other`, or removes it if `other` has none.
    ///
    /// # Errors
    ///
    /// Those of every [write](Session#errors).
    pub fn take_entry(&self, key: &str, other: &Content) -> Result<(), Error> {
        let operation = match other.entries.get(key) {
            Some(value) => Operation::Set(value.bytes().into()),
            None => Operation::Remove,
        };
        self.write()?.make_fitting(Change::Key(key.into(), operation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_and_entries_are_kept_as_they_are() {
        let (session, other) = (Session::new(), Session::new());
        assert_eq!(session.content().beside(), None);
        let mark = CookieMark { signed_at: 1_790_000_000, id: u64::MAX };
        session.set_beside(mark).unwrap();
        assert_eq!(session.content().beside(), Some(mark));
        session.insert("gone", 1).unwrap();
        other.insert("cart", [1, 2]).unwrap();
        for key in ["gone", "cart"] {
            session.take_entry(key, &other.content()).unwrap();
        }
        assert_eq!((session.get::<u8>("gone").unwrap(), session.len()), (None, 1));
        assert_eq!(session.get::<[u8; 2]>("cart").unwrap(), Some([1, 2]));
        let mut begun = Content::default();
        begun.adopt_owner(&session.content());
        assert_eq!(begun.beside(), Some(mark), "a sign-in goes on with it");
    }
}
