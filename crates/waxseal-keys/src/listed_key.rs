//! One key of a key file, and when it may be retired.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use waxseal_crypto::KeyId;

use crate::rotation::Dates;

/// One key of a [`KeyFile`](crate::KeyFile), by its id.
#[derive(Debug, Clone)]
pub struct ListedKey {
    id: KeyId,
    passphrase: bool,
    seals: bool,
    revoked: bool,
    dates: Dates,
}

/// The time from which a key can be removed without signing visitors out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retirement {
    /// Never: the key seals.
    Seals,
    /// Now: the key never sealed anything, or all that it sealed has expired.
    Now,
    /// At that time. Until then, sessions that the key has sealed may still be alive.
    From(SystemTime),
    /// Unknown: the record does not say when the key stopped sealing.
    Unknown,
}

/// What [`KeyFile::promote`](crate::KeyFile::promote) has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Promoted {
    /// The key that seals now.
    pub seals: KeyId,
    /// The key that sealed before. `None` if the promoted key was in first place already.
    pub replaced: Option<KeyId>,
    /// `true` if the key was on record as revoked, which it is no longer.
    pub was_revoked: bool,
}

/// What [`KeyFile::revoke_all`](crate::KeyFile::revoke_all) has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevokedAll {
    /// The new key, which seals now and is alone in the file.
    pub seals: KeyId,
    /// The revoked keys: those of the file, then those that only the record had.
    pub revoked: Vec<KeyId>,
    /// The passphrases among the keys of the file. Another app that reads the same file knows them by other ids, under
    /// which they are not revoked.
    pub passphrases: Vec<KeyId>,
    /// Those passphrases that were not on record although there is one. The app's name may be wrong.
    pub unknown: Vec<KeyId>,
}

/// Where [`KeyFile::retire`](crate::KeyFile::retire) found the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retired {
    /// In the file, from which it was removed.
    Removed,
    /// In the record alone. It was removed from the file before, and is on record as revoked.
    OnRecord,
    /// Nowhere: the id may be wrong. It is on record as revoked all the same, because the key may have been removed by
    /// hand from a file without a record.
    Unknown,
}

impl ListedKey {
    pub(crate) fn new(id: KeyId, passphrase: bool, seals: bool, revoked: bool, dates: Dates) -> Self {
        Self { id, passphrase, seals, revoked, dates }
    }

    /// The id of the key, which is public.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// `true` for a passphrase, `false` for a generated key.
    #[must_use]
    pub fn is_passphrase(&self) -> bool {
        self.passphrase
    }

    /// `true` for the key that seals, which is the first in the file.
    #[must_use]
    pub fn seals(&self) -> bool {
        self.seals
    }

    /// `true` for a key that is on record as revoked and is in the file again.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.revoked
    }

    /// The time at which the key was added, if that is on record.
    #[must_use]
    pub fn added(&self) -> Option<SystemTime> {
        self.dates.added.map(system_time)
    }

    /// The time at which the key was promoted, if that is on record.
    #[must_use]
    pub fn promoted(&self) -> Option<SystemTime> {
        self.dates.promoted.map(system_time)
    }

    /// The time at which another key was promoted in its place, if that is on record.
    #[must_use]
    pub fn replaced(&self) -> Option<SystemTime> {
        self.dates.replaced.map(system_time)
    }

    /// The time from which the key can be removed, if no session lives for longer than `lifetime`.
    #[must_use]
    pub fn retirement(&self, now: SystemTime, lifetime: Duration) -> Retirement {
        match self.dates {
            _ if self.seals => Retirement::Seals,
            Dates { replaced: Some(replaced), .. } => match system_time(replaced).checked_add(lifetime) {
                Some(end) if end <= now => Retirement::Now,
                Some(end) => Retirement::From(end),
                None => Retirement::Unknown,
            },
            Dates { added: Some(_), promoted: None, .. } => Retirement::Now,
            _ => Retirement::Unknown,
        }
    }
}

fn system_time(unix_seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(unix_seconds)).unwrap_or(UNIX_EPOCH)
}
