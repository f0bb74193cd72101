//! The keys of the values: `s` for sessions, `o` for owners, `l` for owners' lists.

use waxseal_store::{PublicId, Timestamp};

/// The prefix of the keys of sessions, and of no other keys. The rest of a key is the public session id, 8 random
/// bytes, so that [`Usage::sampled`](waxseal_store::Usage::sampled) can estimate the number of sessions from the first
/// keys.
pub const SESSION_PREFIX: &[u8] = b"s";
/// The prefix of all lists.
pub(crate) const LISTS: &[u8] = b"l";

pub(crate) fn session(public_id: PublicId) -> Vec<u8> {
    [SESSION_PREFIX, public_id.as_bytes()].concat()
}

/// The key of an owner's epoch.
pub(crate) fn owner(name: &str) -> Vec<u8> {
    [b"o", name.as_bytes()].concat()
}

/// The prefix of an owner's list. It includes the name's length, so that it differs from the prefix for a longer name
/// that begins with this one.
pub(crate) fn list(owner: &str) -> Vec<u8> {
    // An owner has at most 255 bytes. The length has two bytes in case a caller ignores that.
    let length = u16::try_from(owner.len()).unwrap_or(u16::MAX).to_be_bytes();
    [LISTS, &length, owner.as_bytes()].concat()
}

pub(crate) fn listed(owner: &str, public_id: PublicId) -> Vec<u8> {
    [&list(owner)[..], public_id.as_bytes()].concat()
}

/// The owner in the key of a listed session.
pub(crate) fn owner_of_listed(key: &[u8]) -> Option<&str> {
    let (name, _) = key.get(LISTS.len() + 2..)?.split_last_chunk::<{ PublicId::BYTES }>()?;
    std::str::from_utf8(name).ok()
}

/// The public session id at the end of a key.
pub(crate) fn public_id(key: &[u8]) -> Option<PublicId> {
    key.last_chunk().map(|bytes| PublicId::from_bytes(*bytes))
}

/// The value in a list: the time until which the session may be the owner's.
pub(crate) fn until(value: &[u8]) -> Timestamp {
    value.try_into().map_or(Timestamp::MAX, |bytes| Timestamp::from_millis(u64::from_be_bytes(bytes)))
}

pub(crate) fn until_value(time: Timestamp) -> [u8; 8] {
    time.as_millis().to_be_bytes()
}
