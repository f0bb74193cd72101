//! Records, and the answers of a store.

use std::fmt;

use crate::{PublicId, Revision, Timestamp};

/// A session on the server: columns that the store can read, and the session itself, sealed.
///
/// A stolen copy of the table signs nobody in: ids are hashed, and sessions are encrypted under a key that no store
/// has. The owner's name and the device's text are readable, so that lists need no key.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "each field is saved by stores")]
pub struct Record {
    /// The version of the record.
    pub revision: Revision,
    /// The id of the key that `sealed` was sealed with: 4 public bytes.
    pub kid: [u8; 4],
    /// The record's times.
    pub life: Lifespan,
    /// The owner, if one is signed in: the app's own name for a user, at most 255 bytes.
    pub owner: Option<String>,
    /// The text that names the visitor's device in lists. Short, and may be empty.
    pub device: String,
    /// The session, sealed and bound to [`RecordKey::bound`](crate::RecordKey::bound). At most 1 MiB, and opaque to the
    /// store. Empty in a list of revoked sessions.
    pub sealed: Vec<u8>,
}

impl Record {
    /// Length of the longest owner's name in bytes.
    pub const MAX_OWNER_BYTES: usize = 255;
    /// Length of the longest text of a device in bytes.
    pub const MAX_DEVICE_BYTES: usize = 128;

    /// Returns `true` if the record says that sessions in state `cookie` were revoked.
    ///
    /// Such a record has no sealed bytes, and its counter is greater than 1; it is 1 while the sessions of the record
    /// are still valid. The end of a session that nobody was signed in to has no owner, and does not count. If a store
    /// drops such a record, the revoked sessions are valid again, so a store may reserve some space for these records.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.owner.is_some() && self.sealed.is_empty() && self.revision.counter() > 1
    }
}

/// Does not show the owner and the device, which must not be logged, or the sealed bytes.
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

/// Times of a record: created, last seen, expires, absolute end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "each field is saved by stores")]
pub struct Lifespan {
    /// The time at which the session began.
    pub created: Timestamp,
    /// The time of the last noted activity.
    pub last_seen: Timestamp,
    /// The first moment at which the record is absent: the idle end, or the absolute end if that is earlier.
    pub expires: Timestamp,
    /// The absolute end, beyond which no activity moves `expires`.
    pub absolute_end: Timestamp,
}

impl Lifespan {
    /// Makes a lifespan that ends at `idle_end` unless activity is noted, and at `absolute_end` in any case.
    #[must_use]
    pub fn new(
        created: Timestamp,
        last_seen: Timestamp,
        idle_end: Timestamp,
        absolute_end: Timestamp,
    ) -> Self {
        Self { created, last_seen, expires: idle_end.min(absolute_end), absolute_end }
    }

    /// The same lifespan with activity noted at `now`, as [`SessionStore::touch`](crate::SessionStore::touch) does it.
    /// No time moves back, and `expires` never moves beyond the absolute end.
    #[must_use]
    pub fn touched(self, now: Timestamp, idle_end: Timestamp) -> Self {
        let last_seen = self.last_seen.max(now);
        let expires = self.expires.max(idle_end.min(self.absolute_end));
        Self { last_seen, expires, ..self }
    }
}

/// The answer to a load or a revalidation whose key has a record or a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each answer is treated by callers")]
pub enum Found<T> {
    /// A living record.
    Living(T),
    /// A tombstone: a renewal has moved the record to another id of its session.
    Renewed,
}

impl Found<Record> {
    /// Converts the answer to a load into the answer to a revalidation.
    #[must_use]
    pub fn into_head(self) -> Found<RecordHead> {
        match self {
            Self::Living(Record { revision, life, owner, .. }) => {
                Found::Living(RecordHead { revision, life, owner })
            }
            Self::Renewed => Found::Renewed,
        }
    }
}

/// The answer to a revalidation: a record without its sealed bytes.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "each field is read by stores")]
pub struct RecordHead {
    /// The version of the record.
    pub revision: Revision,
    /// The record's times.
    pub life: Lifespan,
    /// The owner. It is part of each revalidation, so that a copy is shown only as long as its owner's "end all" would
    /// find the record.
    pub owner: Option<String>,
}

/// Does not show the owner, which must not be logged.
impl fmt::Debug for RecordHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revision, life, .. } = self;
        f.debug_struct("RecordHead").field("revision", revision).field("life", life).finish_non_exhaustive()
    }
}

/// The outcome of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the record may not have been made"]
#[expect(clippy::exhaustive_enums, reason = "each outcome is treated by callers")]
pub enum Creation {
    /// The record was created.
    Created,
    /// The key is in use, or another session has its public session id. Draw another id.
    Taken,
}

/// The outcome of a compare-and-swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a swap that did not happen has to be told or tried again"]
#[expect(clippy::exhaustive_enums, reason = "each outcome is treated by callers")]
pub enum Swap {
    /// The write was done.
    Done,
    /// The record has another revision. Load it again.
    Conflict,
    /// There is no living record under this key: the session has ended, expired, or was renewed. Nothing was written.
    Gone,
}

/// A session in its owner's list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "each field is read by stores")]
pub struct Listed {
    /// The session's public id, which names it to [`SessionStore::end`](crate::SessionStore::end).
    pub public_id: PublicId,
    /// The text that names the session's device.
    pub device: String,
    /// The session's times.
    pub life: Lifespan,
}

/// A part of a long answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by stores")]
pub struct Page<T> {
    /// The items of this part. May be empty although more parts follow.
    pub items: Vec<T>,
    /// The position to continue from. `None` on the last page.
    pub next: Option<Cursor>,
}

/// A position in a walk. Only the store knows what the bytes mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(Vec<u8>);

impl Cursor {
    /// Makes a cursor from the bytes of a position. For authors of stores.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes given to [`new`](Self::new). For authors of stores.
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
