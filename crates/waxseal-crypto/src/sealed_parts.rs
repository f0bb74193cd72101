//! The parts of sealed values and signed tokens that are readable without a key.

use crate::envelope::{self, Head};
use crate::key_id::KeyId;
use crate::rejected::{Reason, Rejected};
use crate::{signed, text};

impl KeyId {
    /// The key id in the head of a signed token or of a sealed value in text form. Nothing is opened or verified.
    ///
    /// # Errors
    ///
    /// [`Rejected`] at steps 1 to 3 of "Open" if the text is neither.
    pub fn of_text(text: &[u8]) -> Result<Self, Rejected> {
        match signed::kid_of_text(text) {
            Some(kid) => Ok(kid),
            None => Ok(Head::parse(&text::decode(text, 0)?)?.kid),
        }
    }
}

/// The parts of a sealed value, for pages that show a developer what a browser holds. Nothing is opened or verified.
///
/// ```
/// use waxseal_crypto::{Context, Keyring, SealedParts, SecretKey, Times};
///
/// let keyring = Keyring::new(SecretKey::generate()?);
/// let text = keyring.sealer(&Context::new("session")?).seal_text(b"owl", Times::new(0, 0, 60, 60))?;
/// let parts = SealedParts::of_text(text.as_bytes())?;
/// assert_eq!(Some(parts.key), keyring.ids().next());
/// assert_eq!(parts.ciphertext_bytes, 64);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Defined in [`format`](mod@crate::format), section "Sealed bytes".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SealedParts {
    /// The format version.
    pub version: u8,
    /// The id of the sealing key.
    pub key: KeyId,
    /// The commitment to the key and the context. It is the same in all values with this key and context.
    pub commitment: [u8; 32],
    /// The nonce, which is random for each value.
    pub nonce: [u8; 24],
    /// The length of the ciphertext, a multiple of 64.
    pub ciphertext_bytes: usize,
    /// The authentication tag.
    pub tag: [u8; 16],
}

impl SealedParts {
    /// Parses a value in text form.
    ///
    /// # Errors
    ///
    /// [`Rejected`] at steps 1 to 3 of "Open" if this version of the format seals no such text.
    pub fn of_text(text: &[u8]) -> Result<Self, Rejected> {
        let mut bytes = text::decode(text, 0)?;
        let Head { kid, commitment, nonce } = Head::parse(&bytes)?;
        let version = bytes[0];
        let parts = envelope::parts(&mut bytes);
        let (ciphertext_bytes, tag) = (parts.inner.len(), parts.tag);
        Ok(Self { version, key: kid, commitment, nonce, ciphertext_bytes, tag })
    }
}

/// The parts of a signed token, for pages that show a developer what a browser holds. Nothing is verified.
///
/// ```
/// use waxseal_crypto::{Context, Keyring, SecretKey, SignedParts};
///
/// let tokens = Keyring::new(SecretKey::generate()?).signer::<32>(&Context::new("session/store")?);
/// let parts = SignedParts::of_text(tokens.sign(&[7; 32], 1_790_000_000)?.as_bytes())?;
/// assert_eq!((parts.minted, parts.payload_bytes), (1_790_000_000, 32));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Defined in [`format`](mod@crate::format), section "Signed tokens".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedParts {
    /// The format version.
    pub version: u8,
    /// The id of the signing key.
    pub key: KeyId,
    /// The time of signing, in seconds since 1970.
    pub minted: u32,
    /// The length of the payload.
    pub payload_bytes: usize,
    /// The truncated MAC.
    pub mac: [u8; 16],
}

impl SignedParts {
    /// Parses a token.
    ///
    /// # Errors
    ///
    /// [`Rejected`] at steps 1 to 3 of "Open" if this version of the format signs no such text.
    pub fn of_text(text: &[u8]) -> Result<Self, Rejected> {
        let bytes = text::decode(text, 0)?;
        let (head, rest) = bytes.split_first_chunk::<{ signed::HEAD_BYTES }>().ok_or(Reason::Length)?;
        let (payload, mac) = rest.split_last_chunk().ok_or(Reason::Length)?;
        let [version, a, b, c, d, minted @ ..] = *head;
        if version != signed::VERSION {
            return Err(Reason::Version(version).into());
        }
        let (key, minted) = (KeyId::from_bytes([a, b, c, d]), u32::from_be_bytes(minted));
        Ok(Self { version, key, minted, payload_bytes: payload.len(), mac: *mac })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, Keyring, SecretKey, Times};

    #[test]
    fn a_sealed_text_names_its_key() {
        let key = SecretKey::from_bytes([1; 32]);
        let id = key.id();
        let sealer = Keyring::new(key).sealer(&Context::new("session").unwrap());
        let text = sealer.seal_text(b"", Times::new(0, 0, 1, 1)).unwrap();
        assert_eq!(KeyId::of_text(text.as_bytes()), Ok(id));
        assert!(KeyId::of_text(&text.as_bytes()[1..]).is_err());
    }
}
