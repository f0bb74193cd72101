//! What one request did to its session.

use std::sync::Arc;

use crate::entries::Entries;
use crate::value::{self, ValueError};

/// One entry of the change log.
///
/// A log of these, not a copy of the map, is what a request leaves behind: it can be applied again to newer
/// entries that another request wrote meanwhile, key by key.
#[derive(Clone)]
pub(crate) enum Change {
    Clear,
    Key(Arc<str>, Operation),
}

/// What happens to the value of one key.
#[derive(Clone)]
pub(crate) enum Operation {
    Set(Arc<[u8]>),
    Remove,
    Add(i64),
    Append(Arc<[u8]>),
    Update(Arc<Update>),
}

/// From the encoded value, if there is one, to the next; may run more than once.
pub(crate) type Update = dyn Fn(Option<&[u8]>) -> Result<Arc<[u8]>, ValueError> + Send + Sync;

impl Change {
    pub(crate) fn apply(&self, entries: &mut Entries) -> Result<(), ValueError> {
        match self {
            Self::Clear => *entries = Entries::default(),
            Self::Key(key, operation) => {
                match operation.next(entries.get(key).as_ref().map(|v| v.bytes()))? {
                    Some(value) => entries.set(key, value),
                    None => {
                        entries.remove(key);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Operation {
    /// The value that follows `current`; `None` for none.
    pub(crate) fn next(&self, current: Option<&[u8]>) -> Result<Option<Arc<[u8]>>, ValueError> {
        Ok(match self {
            Self::Set(value) => Some(value.clone()),
            Self::Remove => None,
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
        let mut newer = Entries::default();
        for (key, value) in [
            ("theirs", encoded(true)),
            ("gone", encoded(1)),
            ("sum", encoded(37)),
            ("list", encoded([1])),
            ("number", encoded(21)),
        ] {
            newer.set(key, value);
        }
        for change in &log {
            change.apply(&mut newer).unwrap();
        }
        let after: Vec<_> = newer.iter().map(|(key, value)| (key, value.bytes().to_vec())).collect();
        let expected = [
            ("theirs", encoded(true)),
            ("sum", encoded(42)),
            ("list", encoded([1, 2])),
            ("number", encoded(42)),
            ("mine", encoded("new")),
        ];
        assert_eq!(after, expected.map(|(key, value)| (key, value.to_vec())));
        Change::Clear.apply(&mut newer).unwrap();
        assert_eq!((newer.len(), newer.size()), (0, 0));
    }
}
