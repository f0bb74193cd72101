//! What one request did to its session.

use std::sync::Arc;

use crate::Error;
use crate::content::Content;
use crate::csrf::{self, Seed};
use crate::entries::Value;
use crate::flash;
use crate::value::{self, ValueError};

/// One entry of the change log.
///
/// A log of these, not a copy of the map, is what a request leaves behind: it can be applied again to a newer
/// session that another request wrote meanwhile, key by key.
#[derive(Clone)]
pub(crate) enum Change {
    /// Nothing stays, not even what the framework itself remembers.
    Reset,
    Key(Arc<str>, Operation),
    /// To a value of the framework's own.
    Metadata(&'static str, Operation),
    /// A message for the next page.
    Flash(flash::Kept),
    /// Messages were on a page.
    FlashesShown(flash::Ids),
    /// The first token for forms was given out.
    CsrfSeed(Seed),
    /// Tokens from before are worth nothing.
    NewCsrfSeed(Seed),
    Permanent(bool),
    /// The handler was told this of a key, and acted on it.
    Seen(Arc<str>, Sight),
}

/// What a handler was told of a key.
#[derive(Clone)]
pub(crate) enum Sight {
    Absent,
    Present,
    Value(Arc<[u8]>),
}

/// What happens to the value of one key.
#[derive(Clone)]
pub(crate) enum Operation {
    Set(Arc<[u8]>),
    /// As `Set`; the handler was told that there was nothing.
    SetDefault(Arc<[u8]>),
    /// The handler is told whether there was something.
    Remove,
    /// As `Remove`; the handler is told what it was.
    Take,
    Add(i64),
    Append(Arc<[u8]>),
    Update(Arc<Update>),
}

/// From the encoded value, if there is one, to the next; may run more than once.
pub(crate) type Update = dyn Fn(Option<&[u8]>) -> Result<Arc<[u8]>, ValueError> + Send + Sync;

impl Change {
    /// # Errors
    ///
    /// [`Error::Value`] if the newer value cannot be changed in this way, and [`Error::Conflict`] if it is not what
    /// the handler had seen.
    pub(crate) fn apply(&self, content: &mut Content) -> Result<(), Error> {
        match self {
            Self::Reset => *content = Content::default(),
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
            Self::Flash(kept) => flash::add(&mut content.metadata, kept),
            Self::FlashesShown(ids) => _ = flash::remove(&mut content.metadata, ids),
            Self::CsrfSeed(seed) => csrf::add(&mut content.metadata, seed),
            Self::NewCsrfSeed(seed) => csrf::replace(&mut content.metadata, seed),
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

impl Operation {
    /// What the handler learns of `current` by this, or answers for in a strict session.
    pub(crate) fn shows(&self, current: Option<&[u8]>, strict: bool) -> Option<Sight> {
        match (self, current) {
            (Self::Remove, Some(_)) => Some(Sight::Present),
            (Self::Take, Some(value)) => Some(Sight::Value(value.into())),
            (Self::SetDefault(_), None) => Some(Sight::Absent),
            (Self::Set(_), Some(value)) if strict => Some(Sight::Value(value.into())),
            (Self::Set(_), None) if strict => Some(Sight::Absent),
            _ => None,
        }
    }
}

impl Sight {
    fn holds(&self, current: Option<&[u8]>) -> bool {
        match self {
            Self::Absent => current.is_none(),
            Self::Present => current.is_some(),
            Self::Value(seen) => current == Some(seen),
        }
    }
}

/// Says which key a value's error belongs to.
pub(crate) fn in_key(key: &str) -> impl FnOnce(ValueError) -> Error {
    move |source| Error::Value { key: key.to_owned(), source }
}

impl Operation {
    /// The value that follows `current`; `None` for none.
    pub(crate) fn next(&self, current: Option<&[u8]>) -> Result<Option<Arc<[u8]>>, ValueError> {
        Ok(match self {
            Self::Set(value) | Self::SetDefault(value) => Some(value.clone()),
            Self::Remove | Self::Take => None,
            Self::Add(amount) => Some(value::add(current, *amount)?),
            Self::Append(item) => Some(value::append(current, item)?),
            Self::Update(update) => Some(update(current)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
