//! What a store keeps of a session, and what it answers.

use std::fmt;

use crate::{PublicId, Revision, Timestamp};

/// A session on the server: columns that a store may look at, and the session itself, sealed.
///
/// A copied table signs nobody in: ids are hashed, and what a session holds is encrypted under a key that no
/// store is given. The owner's name and the device's text are readable, so that lists need no key.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Which state this is.
    pub revision: Revision,
    /// The id of the key that `sealed` was sealed with: [`KeyId::as_bytes`](waxseal_crypto::KeyId::as_bytes).
    pub kid: [u8; 4],
    /// Since when, and until when.
    pub life: Lifespan,
    /// Whose session this is, once somebody signed in: the app's own name for a user, at most 255 bytes.
    pub owner: Option<String>,
    /// What to call the visitor's device in lists; short, and it may be empty.
    pub device: String,
    /// The session, sealed and bound to [`RecordKey::bound`](crate::RecordKey::bound). At most 1 MiB; opaque to the store. Empty in the list of
    /// state `cookie`.
    pub sealed: Vec<u8>,
}

impl Record {
    /// The longest owner's name, in bytes.
    pub const MAX_OWNER_BYTES: usize = 255;
    /// The longest text of a device, in bytes.
    pub const MAX_DEVICE_BYTES: usize = 128;

    /// Whether this says of sessions in state `cookie` that they were ended
    /// ([`SessionManager::revocable`](crate::SessionManager::revocable)): nothing is sealed in it, and its counter is beyond the first,
    /// which such a record has while its sessions go on. Whoever throws it away brings them back, so a store may keep some
    /// room for these alone.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.sealed.is_empty() && self.revision.counter() > 1
    }
}

/// Who signed in from where is not for logs, and neither is what was sealed.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revision, life, sealed, .. } = self;
        f.debug_struct("Record")
            .field("revision", revision)
            .field("life", life)
            .field("sealed_bytes", &sealed.len())
            .finish_non_exhaustive()
    }
}

/// When a record was made, last used, and until when it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifespan {
    /// When the session began.
    pub created: Timestamp,
    /// When activity was last noted.
    pub last_seen: Timestamp,
    /// The first moment at which the record is absent: the idle end, or the absolute one if that is earlier.
    pub expires: Timestamp,
    /// What no activity moves `expires` beyond.
    pub absolute_end: Timestamp,
}

impl Lifespan {
    /// A life that ends at `idle_end` unless activity is noted, and at `absolute_end` in any case.
    #[must_use]
    pub fn new(
        created: Timestamp,
        last_seen: Timestamp,
        idle_end: Timestamp,
        absolute_end: Timestamp,
    ) -> Self {
        Self { created, last_seen, expires: idle_end.min(absolute_end), absolute_end }
    }

    /// The same life with activity noted at `now`, as [`SessionStore::touch`](crate::SessionStore::touch)
    /// notes it: nothing moves back, and nothing moves beyond the absolute end.
    #[must_use]
    pub fn touched(self, now: Timestamp, idle_end: Timestamp) -> Self {
        let last_seen = self.last_seen.max(now);
        let expires = self.expires.max(idle_end.min(self.absolute_end));
        Self { last_seen, expires, ..self }
    }
}

/// What lies under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<T> {
    /// A living record.
    Living(T),
    /// A tombstone: a renewal has moved the record to another id of its session.
    Renewed,
}

/// What a confirm answers: a record without its data.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordHead {
    /// Which state the record is in.
    pub revision: Revision,
    /// Since when, and until when.
    pub life: Lifespan,
    /// Whose it is. Told with each confirm, so that a copy is shown only while its owner's "end all" would find it.
    pub owner: Option<String>,
}

/// Who signed in is not for logs.
impl fmt::Debug for RecordHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revision, life, .. } = self;
        f.debug_struct("Confirmed").field("revision", revision).field("life", life).finish_non_exhaustive()
    }
}

/// Whether a record was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the record may not have been made"]
pub enum Creation {
    /// It is there now.
    Created,
    /// The key is taken, or another session has its public id; draw another id.
    Taken,
}

/// How a compare-and-swap ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a swap that did not happen has to be told or tried again"]
pub enum Swap {
    /// The record is as asked.
    Done,
    /// The session lives on in another revision: load it again.
    Conflict,
    /// There is no such session under this key: ended, expired, or renewed. Nothing was made.
    Gone,
}

/// A session in its owner's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Names the session to [`SessionStore::end`](crate::SessionStore::end).
    pub public_id: PublicId,
    /// What its device was called.
    pub device: String,
    /// Since when, and until when.
    pub life: Lifespan,
}

/// Part of a long answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What was found. May be empty although more follows.
    pub items: Vec<T>,
    /// Where to go on; `None`: this was the last page.
    pub next: Option<Cursor>,
}

/// Where a walk goes on; what it says is the store's own business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(Vec<u8>);

impl Cursor {
    /// For implementers: a place to come back to.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// For implementers: the bytes given to [`new`](Self::new).
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activity_never_moves_back_nor_beyond_the_absolute_end() {
        let moment = Timestamp::from_millis;
        let life = Lifespan::new(moment(0), moment(10), moment(100), moment(150));
        for (case, now, idle_end, last_seen, expires) in [
            ("forward", 20, 120, 20, 120),
            ("to the absolute end", 80, 180, 80, 150),
            ("a touch that came late", 5, 90, 10, 100),
        ] {
            let touched = life.touched(moment(now), moment(idle_end));
            assert_eq!((touched.last_seen, touched.expires), (moment(last_seen), moment(expires)), "{case}");
        }
        assert_eq!(Lifespan::new(moment(0), moment(0), moment(9), moment(5)).expires, moment(5));
    }

    #[test]
    fn debug_output_names_nobody() {
        let life = Lifespan::new(
            Timestamp::from_millis(0),
            Timestamp::from_millis(0),
            Timestamp::MAX,
            Timestamp::MAX,
        );
        let revision = Revision::from_bytes([0; 16]);
        let (owner, device) = (Some("albus".to_owned()), "a phoenix".to_owned());
        let record = Record { revision, kid: [0; 4], life, owner, device, sealed: vec![1, 2] };
        let text = format!("{record:?}");
        assert!(!text.contains("albus") && !text.contains("phoenix"), "{text}");
        assert!(text.contains("sealed_bytes: 2"), "{text}");
    }
}
