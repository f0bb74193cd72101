//! The layout of a row, byte by byte.
//!
//! A row is one string, so that a load is one read, and a session of usual size has no overhead beyond its own bytes
//! and those of its key. Numbers are big-endian.
//!
//! | from | bytes | |
//! |---|---|---|
//! | 0 | 1 | version, 1 |
//! | 1 | 32 | hash |
//! | 33 | 16 | revision |
//! | 49 | 8 | expires |
//! | 57 | 8 | last seen |
//! | 65 | 8 | created |
//! | 73 | 8 | absolute end |
//! | 81 | 4 | kid |
//! | 85 | 8 | the owner's generation since which it is theirs |
//! | 93 | 8 | the pass of the "end all others" that kept it last |
//! | 101 | 1 | 1 if it has an owner, or 0 |
//! | 102 | 1 | length of the owner's name |
//! | 103 | 1 | length of the device's text |
//! | 104 | 32 | the owner's tag, if it has one |
//! | | | the owner's name, the device's text, the sealed bytes |

use crate::bond::Bond;
use crate::error::RedisError;
use crate::keys::OwnerTag;
use waxseal_store::{Lifespan, Listed, PublicId, Record, RecordHead, RecordKey, Revision, Timestamp};

const VERSION: u8 = 1;
const FRONT_BYTES: usize = 104;
/// The position of the last byte before the sealed bytes, in the longest row.
pub(crate) const LAST_OF_HEAD: usize =
    FRONT_BYTES + OwnerTag::BYTES + Record::MAX_OWNER_BYTES + Record::MAX_DEVICE_BYTES - 1;

/// Encodes a row to be written. The script fills in the bond.
pub(crate) fn encode(key: &RecordKey, record: &Record) -> Result<Vec<u8>, RedisError> {
    let owner = record.owner.as_deref().unwrap_or_default();
    let length =
        |text: &str| u8::try_from(text.len()).map_err(|_| RedisError::Shape("a name longer than it may be"));
    let texts = OwnerTag::BYTES + owner.len() + record.device.len();
    let mut row = Vec::with_capacity(FRONT_BYTES + texts + record.sealed.len());
    row.push(VERSION);
    row.extend(key.hash());
    row.extend(record.revision.as_bytes());
    let Lifespan { created, last_seen, expires, absolute_end } = record.life;
    for moment in [expires, last_seen, created, absolute_end] {
        row.extend(moment.as_millis().to_be_bytes());
    }
    row.extend(record.kid);
    row.extend([0; Bond::BYTES]);
    row.extend([u8::from(record.owner.is_some()), length(owner)?, length(&record.device)?]);
    if record.owner.is_some() {
        row.extend(OwnerTag::of(owner).as_bytes());
    }
    row.extend(owner.as_bytes());
    row.extend(record.device.as_bytes());
    row.extend(&record.sealed);
    Ok(row)
}

/// A row, or the head of a row, that was read.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    bytes: &'a [u8],
}

impl<'a> Row<'a> {
    /// `None` if these are not the bytes of a row that has at least its texts.
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        let row = Self { bytes };
        let is_one = bytes.len() >= FRONT_BYTES && bytes[0] == VERSION && bytes[101] <= 1;
        (is_one && bytes.len() >= row.sealed_from()).then_some(row)
    }

    pub(crate) fn hash(self) -> [u8; RecordKey::HASH_BYTES] {
        self.chunk(1)
    }

    pub(crate) fn kid(self) -> [u8; 4] {
        self.chunk(81)
    }

    pub(crate) fn life(self) -> Lifespan {
        let moment = |at| Timestamp::from_millis(u64::from_be_bytes(self.chunk(at)));
        Lifespan { expires: moment(49), last_seen: moment(57), created: moment(65), absolute_end: moment(73) }
    }

    pub(crate) fn lives(self, now: Timestamp) -> bool {
        self.life().expires > now
    }

    pub(crate) fn bond(self) -> Bond {
        Bond::from_bytes(self.chunk(85))
    }

    /// The owner's tag, if the session has an owner.
    pub(crate) fn tag(self) -> Option<&'a [u8]> {
        (self.bytes[101] == 1).then(|| &self.bytes[FRONT_BYTES..FRONT_BYTES + OwnerTag::BYTES])
    }

    pub(crate) fn is_owned_by(self, owner: &str) -> bool {
        self.bytes[101] == 1 && self.owner_bytes() == owner.as_bytes()
    }

    pub(crate) fn confirmed(self) -> Option<RecordHead> {
        let owner = match self.bytes[101] {
            0 => None,
            _ => Some(String::from_utf8(self.owner_bytes().to_vec()).ok()?),
        };
        Some(RecordHead { revision: Revision::from_bytes(self.chunk(33)), life: self.life(), owner })
    }

    pub(crate) fn listed(self, public_id: PublicId) -> Option<Listed> {
        Some(Listed { public_id, device: self.device()?, life: self.life() })
    }

    pub(crate) fn record(self) -> Option<Record> {
        let RecordHead { revision, life, owner } = self.confirmed()?;
        let sealed = self.bytes[self.sealed_from()..].to_vec();
        Some(Record { revision, kid: self.kid(), life, owner, device: self.device()?, sealed })
    }

    fn device(self) -> Option<String> {
        let (from, to) = (self.sealed_from() - usize::from(self.bytes[103]), self.sealed_from());
        String::from_utf8(self.bytes[from..to].to_vec()).ok()
    }

    fn owner_bytes(self) -> &'a [u8] {
        let from = FRONT_BYTES + OwnerTag::BYTES;
        &self.bytes[from..from + usize::from(self.bytes[102])]
    }

    fn sealed_from(self) -> usize {
        let tag = if self.bytes[101] == 1 { OwnerTag::BYTES } else { 0 };
        FRONT_BYTES + tag + usize::from(self.bytes[102]) + usize::from(self.bytes[103])
    }

    fn chunk<const N: usize>(self, at: usize) -> [u8; N] {
        *self.bytes[at..].first_chunk().expect("a row has all of its front")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waxseal_store::SessionId;

    fn record(owner: Option<&str>, device: &str, sealed: &[u8]) -> Record {
        let moment = Timestamp::from_millis;
        Record {
            revision: Revision::first().unwrap(),
            kid: [1, 2, 3, 255],
            life: Lifespan::new(moment(1), moment(2), moment(3), Timestamp::MAX),
            owner: owner.map(str::to_owned),
            device: device.to_owned(),
            sealed: sealed.to_vec(),
        }
    }

    #[test]
    fn a_row_gives_back_what_was_put_into_it() {
        let key = SessionId::generate().unwrap().key();
        for record in [
            record(None, "", b""),
            record(Some(""), "", b"x"),
            record(Some("albus"), "a phoenix", &[0; 1_000]),
            record(Some(&"x".repeat(255)), &"y".repeat(128), b"z"),
        ] {
            let bytes = encode(&key, &record).unwrap();
            let row = Row::new(&bytes).unwrap();
            assert_eq!((row.hash(), row.record()), (*key.hash(), Some(record.clone())));
            let head = &bytes[..bytes.len().min(LAST_OF_HEAD + 1)];
            assert_eq!(Row::new(head).unwrap().listed(key.public_id()).unwrap().device, record.device);
            assert_eq!(row.is_owned_by("albus"), record.owner.as_deref() == Some("albus"));
        }
        assert!(encode(&key, &record(Some(&"x".repeat(256)), "", b"")).is_err());
    }

    #[test]
    fn what_is_cut_or_strange_is_no_row() {
        let key = SessionId::generate().unwrap().key();
        let bytes = encode(&key, &record(Some("albus"), "a phoenix", b"")).unwrap();
        (0..bytes.len()).for_each(|length| assert!(Row::new(&bytes[..length]).is_none(), "{length}"));
        for (at, value) in [(0, 2), (101, 2)] {
            let mut other = bytes.clone();
            other[at] = value;
            assert!(Row::new(&other).is_none(), "{at}");
        }
    }

    #[test]
    fn whatever_another_program_wrote_is_read_without_a_panic() {
        let key = SessionId::generate().unwrap().key();
        for record in [record(Some("albus"), "a phoenix", b"x"), record(None, "", b"")] {
            let bytes = encode(&key, &record).unwrap();
            for at in 0..bytes.len() {
                for value in 0..=u8::MAX {
                    let mut changed = bytes.clone();
                    changed[at] = value;
                    let Some(row) = Row::new(&changed) else { continue };
                    _ = (
                        row.record(),
                        row.confirmed(),
                        row.listed(key.public_id()),
                        row.is_owned_by("albus"),
                    );
                }
            }
        }
    }
}
