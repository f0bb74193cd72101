use std::fmt;
use std::ops::Range;

use crate::derive::ContextKey;
use crate::envelope::{self, Head};
use crate::{KeyId, Reason, Times, aead, inner};

/// What was inside a sealed value, once every check has passed.
///
/// Owns the buffer that was decrypted in place, so the payload is never copied. `Debug` does not show it.
/// Unlike keys, payloads are not wiped: their owner copies them anyway.
pub struct Opened {
    buffer: Vec<u8>,
    payload: Range<usize>,
    times: Times,
    key: KeyId,
    position: usize,
}

impl Opened {
    /// What was sealed.
    pub fn payload(&self) -> &[u8] {
        &self.buffer[self.payload.clone()]
    }

    /// When it was created and sealed, and how long it lives.
    pub fn times(&self) -> Times {
        self.times
    }

    /// The key that opened it.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// That key's place in the ring, the first being 0: two keys may share an id.
    pub fn key_position(&self) -> usize {
        self.position
    }

    /// Whether that key is not the ring's first, so that the value should be sealed again.
    pub fn needs_reseal(&self) -> bool {
        self.position > 0
    }

    /// Steps 6 and 7 of "Open", once a key is settled: the tag, the padding. The times are left to the caller.
    pub(crate) fn decrypt(
        mut buffer: Vec<u8>,
        bound: &[u8],
        head: &Head,
        key: &ContextKey,
        position: usize,
    ) -> Result<Self, Reason> {
        let parts = envelope::parts(&mut buffer);
        let opened = parts.associated.with(bound, |associated| {
            aead::decrypt(&key.seal, &head.nonce, associated, parts.inner, &parts.tag)
        });
        opened.map_err(|aead::Mismatch| Reason::Tag)?;
        let (times, payload) = inner::parse(parts.inner)?;
        Ok(Self { buffer, payload: envelope::from_inner(payload), times, key: head.kid, position })
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("payload_bytes", &self.payload.len())
            .field("times", &self.times)
            .field("key", &self.key)
            .field("needs_reseal", &self.needs_reseal())
            .finish_non_exhaustive()
    }
}
