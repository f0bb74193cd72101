//! What is sealed of a session: its class, its metadata, its entries (`docs/format.md`, "What is sealed").

use std::sync::Arc;

use waxseal_crypto::Opened;

use crate::entries::Entries;
use crate::flash::{self, FLASHES};
use crate::metadata::Metadata;
use crate::varint;

const ENCODING_VERSION: u8 = 0x01;
const ORDINARY: u8 = 0;
const PERMANENT: u8 = 1;

/// Kept free of entries, so that what the framework itself remembers about a visitor always finds a place.
const METADATA_ROOM_BYTES: usize = 256;

#[derive(Clone, Default)]
pub(crate) struct Content {
    pub(crate) permanent: bool,
    pub(crate) metadata: Metadata,
    pub(crate) entries: Entries,
}

impl Content {
    /// Reads the session that fills `opened`'s payload from `start` to its end.
    ///
    /// # Errors
    ///
    /// A phrase for the log that says what is malformed.
    pub(crate) fn parse(opened: Arc<Opened>, start: usize) -> Result<Self, &'static str> {
        let payload = opened.payload();
        let (permanent, mut rest) = match payload.get(start..) {
            Some([ENCODING_VERSION, ORDINARY, rest @ ..]) => (false, rest),
            Some([ENCODING_VERSION, PERMANENT, rest @ ..]) => (true, rest),
            Some([ENCODING_VERSION, ..]) => return Err("its class is unknown or missing"),
            _ => return Err("its encoding version is unknown or missing"),
        };
        let length = varint::read(&mut rest).ok_or("a length is not in its shortest form")?;
        let metadata = rest.get(..length).ok_or("its metadata is longer than what is there")?;
        let metadata = Metadata::parse(metadata)?;
        let entries = payload.len() - rest.len() + length;
        Ok(Self { permanent, metadata, entries: Entries::parse(opened, entries)? })
    }

    pub(crate) fn write(&self, buffer: &mut Vec<u8>) {
        buffer.push(ENCODING_VERSION);
        buffer.push(if self.permanent { PERMANENT } else { ORDINARY });
        varint::write(buffer, self.metadata.bytes().len());
        buffer.extend_from_slice(self.metadata.bytes());
        self.entries.write(buffer);
    }

    /// Bytes to plan with: what [`Self::write`] adds, and the room kept for metadata. Messages are not in it: they make
    /// room when it is needed.
    pub(crate) fn planned_size(&self) -> usize {
        let flashes = self.metadata.encoded(FLASHES).map_or(0, |list| list.len() + 1 + FLASHES.len());
        self.size_with((self.metadata.bytes().len() - flashes).max(METADATA_ROOM_BYTES))
    }

    /// Drops messages, the oldest first, until the whole fits into `limit` bytes.
    pub(crate) fn fit(&mut self, limit: usize) {
        while !self.fits(limit) && flash::drop_oldest(&mut self.metadata) {}
    }

    /// Whether all of it, as it is, takes at most `limit` bytes.
    pub(crate) fn fits(&self, limit: usize) -> bool {
        self.size_with(self.metadata.bytes().len()) <= limit
    }

    fn size_with(&self, metadata: usize) -> usize {
        2 + varint::size(metadata) + metadata + self.entries.size()
    }

    /// Whether losing this would lose nothing.
    pub(crate) fn is_blank(&self) -> bool {
        !self.permanent && self.metadata.is_empty() && self.entries.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use waxseal_crypto::{Context, Keyring, Limits, SecretKey, Times};

    use super::*;

    /// What a key holder's other program may have sealed: any bytes at all.
    fn sealed(payload: &[u8]) -> Arc<Opened> {
        let keyring = Keyring::new(SecretKey::from_bytes([1; 32]));
        let sealer = keyring.sealer(&Context::new("record").unwrap());
        let sealed = sealer.seal(payload, &[], Times::new(0, 0, 60, 60)).unwrap();
        Arc::new(sealer.open(&sealed, &[], 0, Limits { idle: 60, absolute: 60 }).unwrap())
    }

    fn parse(payload: &[u8]) -> Result<Content, &'static str> {
        Content::parse(sealed(payload), 0)
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
