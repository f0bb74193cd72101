//! The trait of a place for keys and values, from which a whole store is made.

use waxseal_store::{Fault, Timestamp, Usage};

/// A key and the value under it.
pub type KeyAndValue = (Vec<u8>, Vec<u8>);

/// A place for keys and values that can replace a value by compare-and-swap: all that a store of one's own has to be.
///
/// [`KeyValueStore`](crate::KeyValueStore) makes a [`SessionStore`](waxseal_store::SessionStore) of it, which keeps every
/// promise. Two methods are needed. `scan` adds lists, the walk over records of an older key, and the freeing of what
/// has expired; the rest is for operation, and may stay as it is.
///
/// Keys have at most 300 bytes. A value has at most as many bytes as its session's record, and some hundred more.
pub trait KeyValue: Send + Sync + 'static {
    /// The error of a call. Its text has no key and no value.
    type Error: std::error::Error + Send + Sync + 'static;

    /// `true` if [`scan`](Self::scan) is there. Without it the store does not promise [`Lists`](waxseal_store::Promise::Lists)
    /// and [`Keys`](waxseal_store::Promise::Keys), and has to forget expired values by itself.
    const ORDERED: bool = false;

    /// Returns the value under `key` after the last acknowledged swap of any process: from the primary, never from a
    /// replica or a cache.
    fn get(&self, key: &[u8]) -> impl Future<Output = Result<Option<Vec<u8>>, Self::Error>> + Send;

    /// Puts `after` under `key` if `before` is there, byte for byte, and returns whether it did. `None` is the absence of
    /// a value, before and after.
    ///
    /// Comparison and replacement are one step, which happens completely or not at all, also if the future is dropped
    /// half-way. `true` says that the value outlives this process. A swap whose answer was lost is never sent a second
    /// time: the second could bring a session back that has ended in between.
    ///
    /// Nobody asks for the value from an hour before `expires` on. A place that forgets values by itself may forget it
    /// then, and no earlier.
    fn swap(
        &self,
        key: &[u8],
        before: Option<&[u8]>,
        after: Option<&[u8]>,
        expires: Timestamp,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Returns at most `limit` keys and values, in the order of the keys' bytes, of keys that begin with `prefix` and
    /// come after `after`, which begins with it too. Fewer than `limit` are the last ones.
    fn scan(
        &self,
        prefix: &[u8],
        after: &[u8],
        limit: usize,
    ) -> impl Future<Output = Result<Vec<KeyAndValue>, Self::Error>> + Send {
        let _ = (prefix, after, limit);
        async { Ok(Vec::new()) }
    }

    /// Returns the kind of failure, as [`SessionStore::fault`](waxseal_store::SessionStore::fault) does. Unless overridden,
    /// every failure is an outage.
    fn fault(error: &Self::Error) -> Fault {
        let _ = error;
        Fault::Outage
    }

    /// As [`SessionStore::ready`](waxseal_store::SessionStore::ready).
    fn ready(&self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        async { Ok(()) }
    }

    /// As [`SessionStore::usage`](waxseal_store::SessionStore::usage): of sessions, whose keys begin with
    /// [`SESSION_PREFIX`](crate::SESSION_PREFIX), and not of what is kept beside them.
    fn usage(&self) -> impl Future<Output = Result<Usage, Self::Error>> + Send {
        async { Ok(Usage::default()) }
    }

    /// As [`SessionStore::clock`](waxseal_store::SessionStore::clock).
    fn clock(&self) -> impl Future<Output = Result<Option<Timestamp>, Self::Error>> + Send {
        async { Ok(None) }
    }
}
