//! Failures of a store over keys and values.

use std::io;

use waxseal_store::Fault;

use crate::key_value::KeyValue;

/// A failure of a [`KeyValueStore`](crate::KeyValueStore). `E` is the error of its [`KeyValue`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyValueError<E: std::error::Error + 'static> {
    /// A call of the [`KeyValue`] failed.
    #[error(transparent)]
    Values(E),
    /// A value is not one that this store has written.
    #[error("a value has {bytes} bytes that are no part of a session; keep sessions apart from other data")]
    Damaged {
        /// Length of the value.
        bytes: usize,
    },
    /// Other calls changed the session during each attempt of this one.
    #[error("other calls changed a value before each of {attempts} attempts of this one")]
    Contended {
        /// The number of attempts.
        attempts: usize,
    },
    /// The call needs [`KeyValue::scan`].
    #[error("the keys cannot be scanned, so there are no lists and no walk over the records of a key")]
    Unordered,
    /// The system has no randomness.
    #[error("no randomness for an owner's epoch")]
    Random(#[source] io::Error),
}

impl<E: std::error::Error> KeyValueError<E> {
    pub(crate) fn fault<K: KeyValue<Error = E>>(&self) -> Fault {
        match self {
            Self::Values(error) => K::fault(error),
            Self::Damaged { .. } => Fault::Outage,
            Self::Contended { .. } => Fault::Locked,
            Self::Unordered | Self::Random(_) => Fault::Defect,
        }
    }
}
