//! The map from keys to the servers of a cluster.

use redis::Value;
use sha2::{Digest, Sha256};

use crate::host::Host;

/// The number of slots into which a cluster divides its keys.
pub(crate) const SLOTS: u16 = 16_384;

/// The slot of a key, computed from its part in braces.
pub(crate) fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    crc16(tag.filter(|tag| !tag.is_empty()).unwrap_or(key).as_bytes()) % SLOTS
}

/// CRC-16/XMODEM, as in the cluster specification.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

/// A range of slots, and its primary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: u16,
    pub(crate) last: u16,
    pub(crate) primary: Host,
}

/// A hash that distinguishes one division of the slots from another.
pub(crate) type Division = [u8; 8];

/// The ranges of a cluster, in the order of slots.
#[derive(Debug, Default)]
pub(crate) struct SlotMap(Vec<Range>);

impl SlotMap {
    /// Parses the answer of the server `asked` to `CLUSTER SLOTS`. `None` if it has another form.
    pub(crate) fn parse(answer: Value, asked: &Host) -> Option<Self> {
        let Value::Array(ranges) = answer else { return None };
        let mut ranges =
            ranges.into_iter().map(|range| range_of(range, asked)).collect::<Option<Vec<_>>>()?;
        ranges.sort_by_key(|range| range.first);
        Some(Self(ranges))
    }

    pub(crate) fn primary(&self, slot: u16) -> Option<&Host> {
        let at = self.0.partition_point(|range| range.last < slot);
        self.0.get(at).filter(|range| range.first <= slot).map(|range| &range.primary)
    }

    /// The primaries, each once, in the order of their first slots.
    pub(crate) fn primaries(&self) -> Vec<&Range> {
        let mut primaries: Vec<&Range> = Vec::new();
        for range in &self.0 {
            if !primaries.iter().any(|known| known.primary == range.primary) {
                primaries.push(range);
            }
        }
        primaries
    }

    /// Which slots are on the same server, whichever server that is: a replica that takes over does not change it.
    pub(crate) fn division(&self) -> Division {
        let primaries = self.primaries();
        let mut hash = Sha256::new();
        for range in &self.0 {
            let at = primaries.iter().position(|known| known.primary == range.primary);
            let at = at.expect("each primary is among them");
            hash.update(format!("{}-{}:{at} ", range.first, range.last));
        }
        *hash.finalize().first_chunk().expect("a digest has 32 bytes")
    }

    /// The first slot that no primary has.
    pub(crate) fn gap(&self) -> Option<u16> {
        let next = |next, range: &Range| if range.first == next { range.last + 1 } else { next };
        Some(self.0.iter().fold(0, next)).filter(|next| *next < SLOTS)
    }
}

fn range_of(range: Value, asked: &Host) -> Option<Range> {
    let Value::Array(range) = range else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = &range[..] else { return None };
    let [name, Value::Int(port), ..] = &primary[..] else { return None };
    // A server that does not know its own name sends nothing or `?`. It is the server that was asked.
    let name = match name {
        Value::BulkString(name) if !name.is_empty() && name != b"?" => {
            String::from_utf8(name.clone()).ok()?
        }
        _ => asked.name.clone(),
    };
    let primary = Host { name, port: u16::try_from(*port).ok()? };
    let (first, last) = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
    (first <= last && last < SLOTS).then_some(Range { first, last, primary })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        // As a server answers to `CLUSTER KEYSLOT`.
        for (key, expected) in [
            ("somekey", 11_058),
            ("foo{hash_tag}", 2_515),
            ("foo{}", 5_542),
            ("x{}{y}", 14_166),
            ("a{b", 13_340),
        ] {
            assert_eq!(slot(key), expected, "{key}");
        }
    }

    fn host(name: &str, port: u16) -> Host {
        Host { name: name.to_owned(), port }
    }

    fn range(first: i64, last: i64, name: &str, port: i64) -> Value {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let node = |name: &str, port, id: &str| Value::Array(vec![text(name), Value::Int(port), text(id)]);
        Value::Array(vec![
            Value::Int(first),
            Value::Int(last),
            node(name, port, "a"),
            node("replica", 9, "b"),
        ])
    }

    #[test]
    fn every_slot_has_its_primary_or_none() {
        let ranges = vec![range(5_000, 16_383, "y", 2), range(0, 99, "x", 1), range(200, 4_999, "", 3)];
        let map = SlotMap::parse(Value::Array(ranges), &host("asked", 7)).unwrap();
        for (slot, expected) in [
            (0, Some(host("x", 1))),
            (99, Some(host("x", 1))),
            (100, None),
            (199, None),
            (200, Some(host("asked", 3))),
            (4_999, Some(host("asked", 3))),
            (16_383, Some(host("y", 2))),
        ] {
            assert_eq!(map.primary(slot), expected.as_ref(), "{slot}");
        }
        assert_eq!((map.gap(), map.primaries().len()), (Some(100), 3));
        let whole = SlotMap::parse(Value::Array(vec![range(0, 16_383, "x", 1)]), &host("x", 1)).unwrap();
        assert_eq!(whole.gap(), None);
        assert_eq!(SlotMap::default().gap(), Some(0));
    }

    #[test]
    fn a_division_changes_with_the_slots_and_not_with_their_servers() {
        let division = |ranges: &[Value]| {
            SlotMap::parse(Value::Array(ranges.to_vec()), &host("x", 1)).unwrap().division()
        };
        let first = division(&[range(0, 99, "x", 1), range(100, 16_383, "y", 2)]);
        assert_eq!(division(&[range(100, 16_383, "y", 2), range(0, 99, "its replica", 7)]), first);
        assert_ne!(division(&[range(0, 98, "x", 1), range(99, 16_383, "y", 2)]), first);
        let three = [range(0, 99, "x", 1), range(100, 199, "y", 2), range(200, 16_383, "z", 3)];
        let two = [range(0, 99, "x", 1), range(100, 199, "y", 2), range(200, 16_383, "x", 1)];
        assert_ne!(division(&three), division(&two));
    }

    #[test]
    fn an_answer_of_another_shape_is_no_map() {
        for answer in
            [Value::Nil, Value::Array(vec![Value::Nil]), Value::Array(vec![range(0, 16_384, "x", 1)])]
        {
            assert!(SlotMap::parse(answer, &host("x", 1)).is_none());
        }
    }
}
