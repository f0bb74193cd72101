//! The part of a session that is sealed: its class, its metadata, its entries (the format's section "What is sealed").

use std::ops::Range;
use std::sync::Arc;

use crate::entries::Entries;
use crate::messages::{self, MESSAGES};
use crate::metadata::{DEVICE, LIFE, Metadata, OWNER, SIGNED_IN};
use crate::varint;

const ENCODING_VERSION: u8 = 0x01;
const ORDINARY: u8 = 0;
const PERMANENT: u8 = 1;

/// Bytes that entries may not use, so that the framework's metadata always fits.
const METADATA_ROOM_BYTES: usize = 256;

/// The data of a session, which is sealed into a token or a record.
#[derive(Clone, Default)]
#[expect(clippy::exhaustive_structs, reason = "each part is sealed by callers")]
pub struct Content {
    /// The session's class: `true` for a permanent session, which outlives the browser session.
    pub permanent: bool,
    /// The framework's own values.
    pub metadata: Metadata,
    /// The app's values.
    pub entries: Entries,
}

impl Content {
    /// Parses the session that fills the `range` of `buffer`. The entries keep the buffer and are not copied.
    ///
    /// # Errors
    ///
    /// A phrase for the log that says what is malformed.
    pub fn parse(buffer: Vec<u8>, range: Range<usize>) -> Result<Self, &'static str> {
        let payload = buffer.get(..range.end).ok_or("it is longer than what is there")?;
        let (permanent, mut rest) = match payload.get(range.start..) {
            Some([ENCODING_VERSION, ORDINARY, rest @ ..]) => (false, rest),
            Some([ENCODING_VERSION, PERMANENT, rest @ ..]) => (true, rest),
            Some([ENCODING_VERSION, ..]) => return Err("its class is unknown or missing"),
            _ => return Err("its encoding version is unknown or missing"),
        };
        let length = varint::read(&mut rest).ok_or("a length is not in its shortest form")?;
        let metadata = rest.get(..length).ok_or("its metadata is longer than what is there")?;
        let metadata = Metadata::parse(metadata)?;
        let entries = range.end - rest.len() + length;
        let entries = Entries::parse(Arc::new(buffer), entries..range.end)?;
        Ok(Self { permanent, metadata, entries })
    }

    /// Appends the encoded session.
    pub fn write(&self, buffer: &mut Vec<u8>) {
        buffer.push(ENCODING_VERSION);
        buffer.push(if self.permanent { PERMANENT } else { ORDINARY });
        varint::write(buffer, self.metadata.bytes().len());
        buffer.extend_from_slice(self.metadata.bytes());
        self.entries.write(buffer);
    }

    /// The size in bytes to plan with: the bytes that [`Self::write`] appends, plus the bytes reserved for metadata.
    /// Messages do not count, because they are dropped when entries need the room.
    pub fn planned_size(&self) -> usize {
        let messages = self.metadata.encoded(MESSAGES).map_or(0, |list| list.len() + 1 + MESSAGES.len());
        self.size_with((self.metadata.bytes().len() - messages).max(METADATA_ROOM_BYTES))
    }

    /// Drops messages, the oldest first, until the content fits into `limit` bytes.
    pub fn fit(&mut self, limit: usize) {
        while !self.fits(limit) && messages::drop_oldest(&mut self.metadata) {}
    }

    /// Returns `true` if the whole content takes at most `limit` bytes.
    pub fn fits(&self, limit: usize) -> bool {
        self.size_with(self.metadata.bytes().len()) <= limit
    }

    fn size_with(&self, metadata: usize) -> usize {
        2 + varint::size(metadata) + metadata + self.entries.size()
    }

    /// The owner's name, if an owner is signed in.
    pub fn owner(&self) -> Option<String> {
        self.metadata.get(OWNER)
    }

    /// Returns `true` if the session has an owner.
    pub fn is_owned(&self) -> bool {
        self.metadata.encoded(OWNER).is_some()
    }

    /// The time of the owner's last sign-in, in seconds since 1970.
    pub fn signed_in(&self) -> Option<u64> {
        self.metadata.get(SIGNED_IN)
    }

    /// The idle lifetime that was set for this session alone, in seconds.
    pub fn own_lifetime(&self) -> Option<u32> {
        self.metadata.get(LIFE)
    }

    /// The text that names the visitor's device in lists, or an empty text.
    pub fn device(&self) -> String {
        self.metadata.get(DEVICE).unwrap_or_default()
    }

    /// Returns `true` if the content holds nothing worth keeping.
    pub fn is_blank(&self) -> bool {
        !self.permanent && self.metadata.is_empty() && self.entries.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Parses a payload with other bytes before and after it.
    fn parse(payload: &[u8]) -> Result<Content, &'static str> {
        let buffer = [b"head", payload, b"tail"].concat();
        Content::parse(buffer, 4..4 + payload.len())
    }

    fn written(content: &Content) -> Vec<u8> {
        let mut buffer = Vec::new();
        content.write(&mut buffer);
        buffer
    }

    #[test]
    fn malformed_contents_are_refused() {
        for (case, payload) in [
            ("nothing", &b""[..]),
            ("an unknown version", b"\x02\x00\x01\x80"),
            ("no class", b"\x01"),
            ("an unknown class", b"\x01\x02\x01\x80"),
            ("no metadata", b"\x01\x00"),
            ("empty metadata", b"\x01\x00\x00"),
            ("metadata cut short", b"\x01\x00\x02\x80"),
            ("metadata of another shape", b"\x01\x00\x01\x90"),
            ("more than one map of metadata", b"\x01\x00\x02\x80\x80"),
            ("a long varint", b"\x01\x00\x81\x00\x80"),
            ("a key without a value", b"\x01\x00\x01\x80\x01a"),
            ("a key cut short", b"\x01\x00\x01\x80\x05a"),
            ("a value cut short", b"\x01\x00\x01\x80\x01a\x02\x01"),
            ("a key that is not UTF-8", b"\x01\x00\x01\x80\x01\xff\x01\x01"),
            ("a key twice", b"\x01\x00\x01\x80\x01a\x01\x01\x01a\x01\x02"),
        ] {
            assert!(parse(payload).is_err(), "{case}");
        }
    }

    #[test]
    fn a_key_twice_is_found_among_many() {
        let mut payload = b"\x01\x00\x01\x80".to_vec();
        for n in 0..100_u8 {
            payload.extend([1, n, 1, n]);
        }
        assert!(parse(&payload).is_ok());
        payload.extend([1, 50, 1, 0]);
        assert!(parse(&payload).is_err());
    }

    #[test]
    fn a_key_twice_is_found_among_keys_that_end_alike() {
        let mut payload = b"\x01\x00\x01\x80".to_vec();
        for n in 0..200 {
            let key = format!("{n:03} and the same end");
            payload.push(key.len() as u8);
            payload.extend(key.bytes().chain([1, 7]));
        }
        assert_eq!(parse(&payload).map(|content| content.entries.len()), Ok(200));
        let again = payload[4 + 23 * 17..][..23].to_vec();
        payload.extend(again);
        assert_eq!(parse(&payload).map(drop), Err("a key comes twice"));
    }

    #[test]
    fn metadata_of_a_later_release_is_carried_along() {
        let payload = b"\x01\x01\x05\x81\xa1x\x91\x07\x01a\x01\x01";
        let mut content = parse(payload).unwrap();
        assert_eq!(written(&content), payload);
        content.entries.set("b", Arc::new([0x02]));
        assert_eq!(written(&content), [&payload[..], b"\x01b\x01\x02"].concat());
        assert!(!content.is_blank());
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_written_back_the_same(payload: Vec<u8>) {
            let payload = [b"\x01\x00\x01\x80", &payload[..]].concat();
            if let Ok(content) = parse(&payload) {
                prop_assert_eq!(written(&content), payload);
            }
        }

        #[test]
        fn keys_are_accepted_if_all_differ(keys in proptest::collection::vec("[ab]{0,3}(the same end)?[ab]{3,6}", 0..70)) {
            let mut payload = b"\x01\x00\x01\x80".to_vec();
            for key in &keys {
                payload.push(key.len() as u8);
                payload.extend(key.bytes().chain([1, 7]));
            }
            let differ = keys.iter().collect::<std::collections::HashSet<_>>().len() == keys.len();
            prop_assert_eq!(parse(&payload).is_ok(), differ);
        }

        #[test]
        fn sizes_are_what_is_written(changes in proptest::collection::vec(("[a-c]{1,2}", proptest::option::of(0..300_usize)), 0..20)) {
            let mut content = parse(b"\x01\x00\x01\x80\x01a\x01\x01\x02bb\x01\x02").unwrap();
            for (key, value) in changes {
                match value {
                    Some(length) => {
                        let planned = content.entries.size_with(&key, length);
                        content.entries.set(&key, vec![0; length].into());
                        prop_assert_eq!(content.entries.size(), planned);
                    }
                    None => _ = content.entries.remove(&key),
                }
            }
            prop_assert_eq!(content.entries.size() + 4, written(&content).len());
        }
    }
}
