//! Changes that one request made to its session.

use std::sync::Arc;

use crate::content::Content;
use crate::device_change::DeviceChange;
use crate::entries::Value;
use crate::error::{Error, in_key};
use crate::form_token_keys::Seed;
use crate::handover::Handover;
use crate::metadata::LIFE;
use crate::operation::{Operation, Sight};
use crate::{messages, seeds};

/// One entry of the change log.
///
/// A request produces a log of changes, not a copy of the map. The log can be replayed, key by key, over a newer
/// session that another request wrote meanwhile.
#[derive(Clone)]
pub(crate) enum Change {
    /// Removes everything, the framework's own metadata included.
    Reset,
    Key(Arc<str>, Operation),
    /// Begins a sign-in: removes what another owner has left.
    SignIn(Arc<Handover>),
    /// Changes one value of the metadata.
    Metadata(&'static str, Operation),
    /// Adds a message for the next page.
    Flash(messages::Stored),
    /// Removes the messages that a page has shown.
    FlashesShown(messages::Ids),
    /// Stores the seed of the first form token.
    CsrfSeed(Seed),
    /// Replaces all seeds, so that no earlier form token is valid.
    NewCsrfSeed(Seed),
    Permanent(bool),
    /// Replaces the state of the device binding.
    Device(DeviceChange),
    /// Notes what the handler was told of a key and may have acted on.
    Seen(Arc<str>, Sight),
}

impl Change {
    /// Returns `true` if it may affect the session's class, and with it its lifetimes.
    pub(crate) fn changes_class(&self) -> bool {
        use Change::{Metadata, Permanent, Reset, SignIn};
        matches!(self, Permanent(_) | Metadata(LIFE, _) | Reset | SignIn(_))
    }

    /// # Errors
    ///
    /// [`Error::Value`] if the newer value cannot be changed in this way. [`Error::Conflict`] if the newer value is not
    /// the one that the handler saw.
    pub(crate) fn apply(&self, content: &mut Content) -> Result<(), Error> {
        match self {
            Self::Reset => *content = Content::default(),
            Self::SignIn(handover) => handover.apply(content),
            Self::Key(key, operation) => {
                let current = content.entries.get(key);
                match operation.next(current.as_ref().map(Value::bytes)).map_err(in_key(key))? {
                    Some(value) => content.entries.set(key, value),
                    None => _ = content.entries.remove(key),
                }
            }
            Self::Metadata(name, operation) => {
                content.metadata.apply(name, operation).map_err(in_key(name))?;
            }
            Self::Flash(kept) => messages::add(&mut content.metadata, kept),
            Self::FlashesShown(ids) => _ = messages::remove(&mut content.metadata, ids),
            Self::CsrfSeed(seed) => seeds::add(&mut content.metadata, seed),
            Self::NewCsrfSeed(seed) => seeds::replace(&mut content.metadata, seed),
            Self::Device(change) => change.apply(&mut content.metadata)?,
            Self::Permanent(permanent) => content.permanent = *permanent,
            Self::Seen(key, sight) => {
                let current = content.entries.get(key);
                if !sight.holds(current.as_ref().map(Value::bytes)) {
                    return Err(Error::Conflict { key: key.to_string() });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Update;
    use crate::value;

    fn encoded<T: serde::Serialize>(value: T) -> Arc<[u8]> {
        value::encode(&value).unwrap()
    }

    #[test]
    fn a_log_is_applied_again_over_newer_entries_key_by_key() {
        let double: Arc<Update> =
            Arc::new(|current| value::encode(&(value::decode::<i32>(current.unwrap())? * 2)));
        let log = [
            Change::Key("mine".into(), Operation::Set(encoded("new"))),
            Change::Key("gone".into(), Operation::Remove),
            Change::Key("sum".into(), Operation::Add(5)),
            Change::Key("list".into(), Operation::Append(encoded(2))),
            Change::Key("number".into(), Operation::Update(double)),
        ];
        let mut newer = Content::default();
        for (key, value) in [
            ("theirs", encoded(true)),
            ("gone", encoded(1)),
            ("sum", encoded(37)),
            ("list", encoded([1])),
            ("number", encoded(21)),
        ] {
            newer.entries.set(key, value);
        }
        for change in &log {
            change.apply(&mut newer).unwrap();
        }
        let after: Vec<_> = newer.entries.iter().map(|(key, value)| (key, value.bytes().to_vec())).collect();
        let expected = [
            ("theirs", encoded(true)),
            ("sum", encoded(42)),
            ("list", encoded([1, 2])),
            ("number", encoded(42)),
            ("mine", encoded("new")),
        ];
        assert_eq!(after, expected.map(|(key, value)| (key, value.to_vec())));
        Change::Reset.apply(&mut newer).unwrap();
        assert_eq!((newer.entries.len(), newer.entries.size()), (0, 0));
    }
    #[test]
    fn what_a_handler_saw_must_still_be_so() {
        let mut newer = Content::default();
        newer.entries.set("coupon", encoded("free"));
        let seen = |sight: Sight| Change::Seen("coupon".into(), sight);
        for holds in [Sight::Present, Sight::Value(encoded("free"))] {
            assert!(seen(holds).apply(&mut newer).is_ok());
        }
        for other in [Sight::Absent, Sight::Value(encoded("half"))] {
            let conflict = seen(other).apply(&mut newer).unwrap_err();
            assert!(matches!(&conflict, Error::Conflict { key } if key == "coupon"), "{conflict}");
        }
        newer.permanent = true;
        Change::Reset.apply(&mut newer).unwrap();
        assert!(newer.is_blank());
    }
}
