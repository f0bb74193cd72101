//! Operations on the value of one key.

use std::sync::Arc;

use crate::value::{self, ValueError};

/// A step from the value of one key to the next.
#[derive(Clone)]
pub(crate) enum Operation {
    Set(Arc<[u8]>),
    /// Like `Set`, after the handler was told that there is no value.
    SetDefault(Arc<[u8]>),
    /// Removes the value, and tells the handler whether there was one.
    Remove,
    /// Like `Remove`, and tells the handler the value.
    Take,
    Add(i64),
    Append(Arc<[u8]>),
    Update(Arc<Update>),
}

/// A function from the encoded value, if there is one, to the next. It may run more than once.
pub(crate) type Update = dyn Fn(Option<&[u8]>) -> Result<Arc<[u8]>, ValueError> + Send + Sync;

/// The part of a value that a handler was told of.
#[derive(Clone)]
pub(crate) enum Sight {
    Absent,
    Present,
    Value(Arc<[u8]>),
}

impl Operation {
    /// The value that follows `current`; `None` if there is none.
    pub(crate) fn next(&self, current: Option<&[u8]>) -> Result<Option<Arc<[u8]>>, ValueError> {
        Ok(match self {
            Self::Set(value) | Self::SetDefault(value) => Some(value.clone()),
            Self::Remove | Self::Take => None,
            Self::Add(amount) => Some(value::add(current, *amount)?),
            Self::Append(item) => Some(value::append(current, item)?),
            Self::Update(update) => Some(update(current)?),
        })
    }

    /// What this operation tells the handler of `current`. In a strict session, also what it relies on without telling.
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
    /// Checks whether `current` still is what was seen.
    pub(crate) fn holds(&self, current: Option<&[u8]>) -> bool {
        match self {
            Self::Absent => current.is_none(),
            Self::Present => current.is_some(),
            Self::Value(seen) => current == Some(seen),
        }
    }
}
