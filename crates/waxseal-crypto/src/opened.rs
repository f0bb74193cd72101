use std::fmt;
use std::ops::Range;

use crate::derive::ContextKey;
use crate::envelope::{self, Head};
use crate::key_id::KeyId;
use crate::rejected::Reason;
use crate::times::Times;
use crate::{aead, inner};

/// The payload and times of a sealed value that passed every check.
///
/// It owns the buffer that was decrypted in place, so the payload is not copied. `Debug` does not show it. Unlike keys,
/// payloads are not wiped from memory, because their owner copies them anyway.
pub struct Opened {
    buffer: Vec<u8>,
    payload: Range<usize>,
    times: Times,
    key: KeyId,
    position: usize,
}

impl Opened {
    /// The sealed bytes.
    pub fn payload(&self) -> &[u8] {
        &self.buffer[self.payload.clone()]
    }

    /// Returns the buffer, and the range of it that is the payload.
    pub fn into_payload(self) -> (Vec<u8>, Range<usize>) {
        (self.buffer, self.payload)
    }

    /// The times that were sealed with the payload.
    pub fn times(&self) -> Times {
        self.times
    }

    /// The id of the key that opened the value.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// The position of that key in the ring, from 0. The id alone is not enough, because two keys may share it.
    pub fn key_position(&self) -> usize {
        self.position
    }

    /// Returns true if the value was opened by a key other than the ring's first, so that it should be sealed again.
    pub fn needs_reseal(&self) -> bool {
        self.position > 0
    }

    /// Steps 6 and 7 of "Open" under the key that step 5 found: the tag and the padding. Step 8 is left to the caller.
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
