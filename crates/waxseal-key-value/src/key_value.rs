//! The trait of a key-value database, from which a whole store is made.

use waxseal_store::{Fault, Timestamp, Usage};

/// A key and the value under it.
pub type KeyAndValue = (Vec<u8>, Vec<u8>);

/// A key-value database that can replace a value by compare-and-swap. To make a store, this is all that you have to
/// implement.
///
/// [`KeyValueStore`](crate::KeyValueStore) makes a [`SessionStore`](waxseal_store::SessionStore) from it. Two methods
/// are required: with `get` and `swap` the store keeps every promise but the two optional ones. `scan` adds these,
/// [`Lists`](waxseal_store::Promise::Lists) and [`Keys`](waxseal_store::Promise::Keys), and the deletion of expired
/// values. The other methods are for operation and have defaults.
///
/// Keys have at most 300 bytes. A value has the bytes of its session's record, and a few hundred more.
pub trait KeyValue: Send + Sync + 'static {
    /// The error of a call. Its text has no key and no value.
    type Error: std::error::Error + Send + Sync + 'static;

    /// `true` if [`scan`](Self::scan) is implemented. Otherwise the store does not promise
    /// [`Lists`](waxseal_store::Promise::Lists) and [`Keys`](waxseal_store::Promise::Keys), and the database has to
    /// delete expired values by itself.
    const ORDERED: bool = false;

    /// Returns the value under `key` after the last acknowledged swap of any process: from the primary, never from a
    /// replica or a cache.
    fn get(&self, key: &[u8]) -> impl Future<Output = Result<Option<Vec<u8>>, Self::Error>> + Send;

    /// Puts `after` under `key` if the present value equals `before`, byte for byte, and returns `true` if it did.
    /// `None` means that there is no value, before or after.
    ///
    /// Comparison and replacement are one atomic step, even if the future is dropped. `true` promises that the value
    /// survives the end of this process. Never send a swap again whose answer was lost: the second one could bring back
    /// a session that has ended in between.
    ///
    /// `expires` is an hour after the last time at which the value is used. A database that deletes values by itself
    /// may delete this one at `expires`, and no earlier.
    fn swap(
        &self,
        key: &[u8],
        before: Option<&[u8]>,
        after: Option<&[u8]>,
        expires: Timestamp,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Returns at most `limit` keys and values, in the order of the keys' bytes: those whose keys begin with `prefix`
    /// and come after `after`, which begins with `prefix`, too. If there are fewer than `limit`, they are the last
    /// ones.
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

    /// As [`SessionStore::usage`](waxseal_store::SessionStore::usage), but only of sessions, whose keys begin with
    /// [`SESSION_PREFIX`](crate::SESSION_PREFIX), not of other values.
    fn usage(&self) -> impl Future<Output = Result<Usage, Self::Error>> + Send {
        async { Ok(Usage::default()) }
    }

    /// As [`SessionStore::clock`](waxseal_store::SessionStore::clock).
    fn clock(&self) -> impl Future<Output = Result<Option<Timestamp>, Self::Error>> + Send {
        async { Ok(None) }
    }
}
