//! The entries of a session, kept encoded.

use std::ops::Range;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::value::{self, ValueError};
use crate::varint;

/// Keys and values in the order of their first insertion.
///
/// Parsed entries are an index of offsets into their buffer. An entry is decoded only when it is read; all others are
/// copied byte for byte when the session is sealed again.
#[derive(Clone, Default)]
pub struct Entries {
    /// The buffer that sealed entries were parsed from.
    source: Option<Arc<Vec<u8>>>,
    list: Vec<Entry>,
    size: usize,
}

#[derive(Clone)]
struct Entry {
    key: Piece,
    value: Piece,
}

#[derive(Clone)]
enum Piece {
    /// Offsets into `Entries::source`.
    Sealed(Range<u32>),
    Own(Arc<[u8]>),
}

impl Entries {
    /// Indexes the entries that fill the `range` of `source`.
    ///
    /// # Errors
    ///
    /// A phrase for the log if a length does not fit, a key is not UTF-8, or a key occurs twice.
    pub(crate) fn parse(source: Arc<Vec<u8>>, range: Range<usize>) -> Result<Self, &'static str> {
        let payload = source.get(..range.end).ok_or("it ends before its entries")?;
        let mut rest = payload.get(range.start..).ok_or("it ends before its entries")?;
        let size = rest.len();
        if u32::try_from(range.end).is_err() {
            return Err("it is larger than 4 GiB");
        }
        // An estimate of 32 bytes an entry avoids most reallocations.
        let mut list = Vec::with_capacity((size / 32).clamp(4, 256));
        while !rest.is_empty() {
            let key = piece(payload, &mut rest)?;
            let bytes = key.bytes(payload);
            // Most keys are ASCII, which is faster to check than UTF-8.
            if !bytes.is_ascii() && std::str::from_utf8(bytes).is_err() {
                return Err("a key is not UTF-8");
            }
            let value = piece(payload, &mut rest)?;
            list.push(Entry { key, value });
        }
        if has_duplicates(&list, payload) {
            return Err("a key comes twice");
        }
        Ok(Self { source: Some(source), list, size })
    }

    /// Appends all entries in their encoded form, [`Self::size`] bytes.
    pub(crate) fn write(&self, buffer: &mut Vec<u8>) {
        for entry in &self.list {
            for piece in [&entry.key, &entry.value] {
                let bytes = piece.bytes(self.payload());
                varint::write(buffer, bytes.len());
                buffer.extend_from_slice(bytes);
            }
        }
    }

    /// Bytes that [`write`](Self::write) appends.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The [size](Self::size) if the value under `key` had `value_bytes`.
    pub(crate) fn size_with(&self, key: &str, value_bytes: usize) -> usize {
        let old = self.position(key).map_or(0, |at| self.entry_size(&self.list[at]));
        self.size - old + entry_size(key.len(), value_bytes)
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// The value under `key`, not decoded.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value> {
        self.position(key).map(|at| self.value(&self.list[at].value))
    }

    /// Returns `true` if exactly this value is under `key`.
    pub(crate) fn has(&self, key: &str, value: &[u8]) -> bool {
        self.position(key).is_some_and(|at| self.list[at].value.bytes(self.payload()) == value)
    }

    /// Returns `true` if there is an entry under `key`.
    pub fn contains(&self, key: &str) -> bool {
        self.position(key).is_some()
    }

    /// Keys with their values, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Value)> {
        self.list.iter().map(|entry| (self.key(entry), self.value(&entry.value)))
    }

    /// Keys with the bytes that each entry takes, in order.
    pub fn sizes(&self) -> impl Iterator<Item = (&str, usize)> {
        self.list.iter().map(|entry| (self.key(entry), self.entry_size(entry)))
    }

    /// Puts `value` under `key`: in place if the key exists, else at the end.
    pub(crate) fn set(&mut self, key: &str, value: Arc<[u8]>) {
        let value = Piece::Own(value);
        match self.position(key) {
            Some(at) => {
                self.size -= self.entry_size(&self.list[at]);
                self.list[at].value = value;
                self.size += self.entry_size(&self.list[at]);
            }
            None => {
                let entry = Entry { key: Piece::Own(key.as_bytes().into()), value };
                self.size += self.entry_size(&entry);
                self.list.push(entry);
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &str) -> bool {
        let position = self.position(key);
        if let Some(at) = position {
            self.size -= self.entry_size(&self.list[at]);
            self.list.remove(at);
        }
        position.is_some()
    }

    fn position(&self, key: &str) -> Option<usize> {
        let payload = self.payload();
        self.list.iter().position(|entry| entry.key.bytes(payload) == key.as_bytes())
    }

    fn key<'a>(&'a self, entry: &'a Entry) -> &'a str {
        // The key was a `str` when it was inserted, or was checked by `parse`; the payload never changes.
        std::str::from_utf8(entry.key.bytes(self.payload()))
            .expect("keys were checked to be UTF-8 when they came in")
    }

    fn value(&self, piece: &Piece) -> Value {
        match (piece, &self.source) {
            (Piece::Own(bytes), _) => Value(Encoded::Own(bytes.clone())),
            (Piece::Sealed(range), Some(source)) => Value(Encoded::Sealed(source.clone(), range.clone())),
            (Piece::Sealed(_), None) => unreachable!("a sealed piece comes with its source"),
        }
    }

    fn entry_size(&self, entry: &Entry) -> usize {
        let payload = self.payload();
        entry_size(entry.key.bytes(payload).len(), entry.value.bytes(payload).len())
    }

    fn payload(&self) -> &[u8] {
        self.source.as_deref().map_or(&[], Vec::as_slice)
    }
}

/// A value of a session, not yet decoded; from [`Session::iter`](crate::Session::iter).
#[derive(Clone)]
pub struct Value(Encoded);

#[derive(Clone)]
enum Encoded {
    Sealed(Arc<Vec<u8>>, Range<u32>),
    Own(Arc<[u8]>),
}

impl Value {
    /// Decodes the value as a `T`.
    ///
    /// # Errors
    ///
    /// [`ValueError`] if the value is not a `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, ValueError> {
        value::decode(self.bytes())
    }

    /// The kind of the value, as a phrase: `text`, `an integer`, `a map`.
    #[must_use]
    pub fn shape(&self) -> &'static str {
        value::shape(self.bytes())
    }

    /// The value in MessagePack, as the session holds it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Encoded::Sealed(source, range) => slice(source, range),
            Encoded::Own(bytes) => bytes,
        }
    }
}

/// Shows the size, never the value.
impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Value({} bytes)", self.bytes().len())
    }
}

impl Piece {
    fn bytes<'a>(&'a self, payload: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Sealed(range) => slice(payload, range),
            Self::Own(bytes) => bytes,
        }
    }
}

/// Bytes that an entry takes, lengths included.
pub(crate) fn entry_size(key: usize, value: usize) -> usize {
    varint::size(key) + key + varint::size(value) + value
}

fn slice<'a>(payload: &'a [u8], range: &Range<u32>) -> &'a [u8] {
    &payload[range.start as usize..range.end as usize]
}

/// Takes a length, and that many bytes after it, off the front of `rest`, which must be the end of `payload`, at most
/// 4 GiB.
fn piece(payload: &[u8], rest: &mut &[u8]) -> Result<Piece, &'static str> {
    let length = varint::read(rest).ok_or("a length is not in its shortest form")?;
    let start = payload.len() - rest.len();
    *rest = rest.get(length..).ok_or("an entry is longer than what is there")?;
    Ok(Piece::Sealed(start as u32..(start + length) as u32))
}

/// Checks whether a key occurs twice, in O(n log n), and mostly in O(n).
fn has_duplicates(list: &[Entry], payload: &[u8]) -> bool {
    /// Up to this many keys are compared with each other: sorting would allocate.
    const FEW: usize = 4;
    let keys = || list.iter().map(|entry| entry.key.bytes(payload));
    if list.len() <= FEW {
        return keys().enumerate().any(|(at, key)| keys().skip(at + 1).any(|other| other == key));
    }
    // Keys nearly always differ in their last bytes or their length.
    !all_are_seen_to_differ(keys().map(fingerprint), list.len()) && !all_differ(keys().collect())
}

/// A free place in a table of fingerprints.
const FREE: u64 = u64::MAX;

/// Returns `true` if these fingerprints differ, and `false` if two are equal or if too many fall into one place of a table.
fn all_are_seen_to_differ(mut numbers: impl Iterator<Item = u64>, count: usize) -> bool {
    /// An attacker may choose keys that fall into one place.
    const MOST_STEPS: usize = 32;
    let size = (2 * count).next_power_of_two();
    let mut table = vec![FREE; size];
    numbers.all(|number| {
        // Fibonacci hashing (Knuth, The Art of Computer Programming, section 6.4).
        let first = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - size.trailing_zeros());
        for step in 0..MOST_STEPS {
            let place = &mut table[(first as usize + step) & (size - 1)];
            if *place == number {
                return false;
            }
            if *place == FREE {
                *place = number;
                return true;
            }
        }
        false
    })
}

/// The last bytes of a key, and its length, as a number that is not [`FREE`].
fn fingerprint(key: &[u8]) -> u64 {
    let end = match key.last_chunk() {
        Some(end) => u64::from_le_bytes(*end),
        None => key.iter().fold(0, |end, byte| end << 8 | u64::from(*byte)),
    };
    (end ^ (key.len() as u64) << 48) & !(1 << 63)
}

fn all_differ(mut keys: Vec<&[u8]>) -> bool {
    keys.sort_unstable();
    keys.windows(2).all(|pair| pair[0] != pair[1])
}
