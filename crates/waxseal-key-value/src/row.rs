//! The value of one session: its record, and the tombstones of its earlier ids.

use waxseal_store::{Found, Lifespan, Record, RecordKey, Revision, Timestamp};

/// The first byte of every value.
const VERSION: u8 = 1;
/// The most tombstones of a session, which each write of its value sends along. The oldest make way.
const MAX_TOMBSTONES: usize = 64;

type Hash = [u8; RecordKey::HASH_BYTES];

/// A random number that all of an owner's sessions share until all of them are ended. It is zero before the first time.
pub(crate) type Epoch = [u8; 16];

/// Everything about a session, so that every change of it is the swap of one value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) living: Option<Living>,
    pub(crate) tombstones: Vec<Tombstone>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Living {
    pub(crate) hash: Hash,
    /// The epochs of the owner in which the record lives. The first has begun. Each of the others begins if a call that
    /// ends the owner's other sessions succeeds.
    pub(crate) epochs: Vec<Epoch>,
    pub(crate) record: Record,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tombstone {
    pub(crate) hash: Hash,
    pub(crate) expires: Timestamp,
}

impl Row {
    pub(crate) fn living(&self, key: &RecordKey) -> Option<&Living> {
        self.living.as_ref().filter(|living| living.hash == *key.hash())
    }

    pub(crate) fn living_mut(&mut self, key: &RecordKey) -> Option<&mut Living> {
        self.living.as_mut().filter(|living| living.hash == *key.hash())
    }

    pub(crate) fn living_of(&self, owner: &str) -> Option<&Living> {
        self.living.as_ref().filter(|living| living.record.owner.as_deref() == Some(owner))
    }

    pub(crate) fn has_tombstone(&self, key: &RecordKey) -> bool {
        self.tombstones.iter().any(|tombstone| tombstone.hash == *key.hash())
    }

    pub(crate) fn find<T>(&self, key: &RecordKey, read: impl FnOnce(&Record) -> T) -> Option<Found<T>> {
        match self.living(key) {
            Some(living) => Some(Found::Living(read(&living.record))),
            None => self.has_tombstone(key).then_some(Found::Renewed),
        }
    }

    /// Drops at most `limit` expired parts, and returns their number.
    pub(crate) fn drop_expired(&mut self, now: Timestamp, limit: usize) -> usize {
        let mut left = limit;
        let mut stays = |expires: Timestamp| {
            let drops = expires <= now && left > 0;
            left -= usize::from(drops);
            !drops
        };
        self.living = self.living.take().filter(|living| stays(living.record.life.expires));
        self.tombstones.retain(|tombstone| stays(tombstone.expires));
        limit - left
    }

    /// The time at which the last part of this row expires.
    pub(crate) fn expires(&self) -> Timestamp {
        let living = self.living.iter().map(|living| living.record.life.expires);
        let tombstones = self.tombstones.iter().map(|tombstone| tombstone.expires);
        living.chain(tombstones).max().unwrap_or(Timestamp::from_millis(0))
    }

    /// Writes the value, or returns `None` if there is nothing to keep.
    pub(crate) fn write(&self) -> Option<Vec<u8>> {
        if *self == Self::default() {
            return None;
        }
        let newest = &self.tombstones[self.tombstones.len().saturating_sub(MAX_TOMBSTONES)..];
        let count = u16::try_from(newest.len()).expect("they are at most 64");
        let mut value = vec![VERSION];
        value.extend(count.to_be_bytes());
        for Tombstone { hash, expires } in newest {
            value.extend(hash);
            value.extend(expires.as_millis().to_be_bytes());
        }
        if let Some(living) = &self.living {
            living.write(&mut value);
        }
        Some(value)
    }

    /// Reads a value. `None` if [`write`](Self::write) did not make it.
    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        let mut reader = Reader(value);
        if reader.array()? != [VERSION] {
            return None;
        }
        let mut row = Self::default();
        for _ in 0..u16::from_be_bytes(reader.array()?) {
            row.tombstones.push(Tombstone { hash: reader.array()?, expires: reader.time()? });
        }
        if !reader.0.is_empty() {
            row.living = Some(Living::read(reader)?);
        }
        Some(row)
    }
}

impl Living {
    /// The most epochs of a record. More come only if that many calls begin and fail while the owner's epoch stays.
    const MAX_EPOCHS: usize = 16;

    /// Lets the record also live in `next`, if that follows `epoch`. Other calls may have done so with other epochs, of
    /// which only one will begin.
    pub(crate) fn keep(&mut self, epoch: Epoch, next: Epoch) {
        if self.epochs[0] != epoch {
            self.epochs = vec![epoch];
        } else if self.epochs.len() == Self::MAX_EPOCHS {
            self.epochs.remove(1);
        }
        self.epochs.push(next);
    }

    fn write(&self, value: &mut Vec<u8>) {
        let Record { revision, kid, life, owner, device, sealed } = &self.record;
        value.extend(self.hash);
        value.push(u8::try_from(self.epochs.len()).expect("there are at most sixteen"));
        value.extend(self.epochs.as_flattened());
        value.extend(revision.as_bytes());
        value.extend(kid);
        for time in [life.created, life.last_seen, life.expires, life.absolute_end] {
            value.extend(time.as_millis().to_be_bytes());
        }
        value.push(owner.is_some().into());
        for text in [owner.as_deref().unwrap_or_default(), device] {
            value.extend((text.len() as u64).to_be_bytes());
            value.extend(text.as_bytes());
        }
        value.extend(sealed);
    }

    fn read(mut reader: Reader<'_>) -> Option<Self> {
        let (hash, [count]) = (reader.array()?, reader.array()?);
        let epochs = (0..count.max(1)).map(|_| reader.array()).collect::<Option<Vec<_>>>()?;
        let (revision, kid) = (Revision::from_bytes(reader.array()?), reader.array()?);
        let life = Lifespan {
            created: reader.time()?,
            last_seen: reader.time()?,
            expires: reader.time()?,
            absolute_end: reader.time()?,
        };
        let has_owner = reader.array()? == [1];
        let (owner, device) = (reader.text()?, reader.text()?);
        let owner = has_owner.then_some(owner);
        let record = Record { revision, kid, life, owner, device, sealed: reader.0.to_vec() };
        Some(Self { hash, epochs, record })
    }
}

/// The rest of a value.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn time(&mut self) -> Option<Timestamp> {
        Some(Timestamp::from_millis(u64::from_be_bytes(self.array()?)))
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(u64::from_be_bytes(self.array()?)).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let time = Timestamp::from_millis;
        let tombstones = vec![
            Tombstone { hash: [1; 32], expires: time(7) },
            Tombstone { hash: [2; 32], expires: Timestamp::MAX },
        ];
        let record = |owner: Option<&str>, sealed: &[u8]| Record {
            revision: Revision::from_bytes([3; 16]),
            kid: [1, 2, 3, 4],
            life: Lifespan::new(time(1), time(2), time(9), Timestamp::MAX),
            owner: owner.map(str::to_owned),
            device: "ein Gerät".to_owned(),
            sealed: sealed.to_vec(),
        };
        let living = |owner, sealed| {
            Some(Living { hash: [4; 32], epochs: vec![[5; 16], [6; 16]], record: record(owner, sealed) })
        };
        vec![
            Row { living: living(None, b""), tombstones: Vec::new() },
            Row { living: living(Some(""), b"x"), tombstones: tombstones.clone() },
            Row { living: living(Some("albus"), b"sealed"), tombstones: tombstones.clone() },
            Row { living: None, tombstones },
        ]
    }

    #[test]
    fn reading_undoes_writing_and_survives_what_nobody_wrote() {
        for row in rows() {
            let value = row.write().unwrap();
            assert_eq!(Row::read(&value).as_ref(), Some(&row));
            for end in 0..value.len() {
                // A shorter value may be a row with fewer sealed bytes, or without a record, but never this one.
                assert_ne!(Row::read(&value[..end]).as_ref(), Some(&row), "{end}");
            }
            let mut other = value.clone();
            other[0] = 2;
            assert_eq!(Row::read(&other), None, "another version");
            for at in 0..value.len() {
                let mut flipped = value.clone();
                flipped[at] ^= 0x80;
                let _ = Row::read(&flipped);
            }
        }
        assert_eq!(Row::default().write(), None);
    }

    #[test]
    fn a_session_that_is_renewed_in_a_loop_keeps_its_newest_tombstones() {
        let tombstone = |number: u8| Tombstone { hash: [number; 32], expires: Timestamp::MAX };
        let row = Row { living: None, tombstones: (0..200).map(tombstone).collect() };
        let kept = Row::read(&row.write().unwrap()).unwrap().tombstones;
        assert_eq!(kept, (136..200).map(tombstone).collect::<Vec<_>>());
    }

    #[test]
    fn what_has_expired_is_dropped_up_to_the_limit() {
        let [_, row, ..] = &rows()[..] else { unreachable!("there are four") };
        for (now, limit, dropped) in [(6, 9, 0), (7, 9, 1), (9, 9, 2), (9, 1, 1), (9, 0, 0)] {
            let mut row = row.clone();
            assert_eq!(row.drop_expired(Timestamp::from_millis(now), limit), dropped, "{now}, {limit}");
        }
    }
}
