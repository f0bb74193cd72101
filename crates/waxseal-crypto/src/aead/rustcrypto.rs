//! The cipher as RustCrypto's `chacha20poly1305` implements it.

use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305};

use super::Mismatch;
use crate::envelope::{Nonce, Tag};

/// Encrypts `buffer` in place and returns the tag over it and `associated_data`.
pub(crate) fn encrypt(key: &[u8; 32], nonce: &Nonce, associated_data: &[u8], buffer: &mut [u8]) -> Tag {
    XChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(nonce.into(), associated_data, buffer.into())
        .expect("a message is far below the cipher's 256 GiB")
        .into()
}

/// Checks the tag and decrypts `buffer` in place.
pub(crate) fn decrypt(
    key: &[u8; 32],
    nonce: &Nonce,
    associated_data: &[u8],
    buffer: &mut [u8],
    tag: &Tag,
) -> Result<(), Mismatch> {
    XChaCha20Poly1305::new(key.into())
        .decrypt_inout_detached(nonce.into(), associated_data, buffer.into(), tag.into())
        .map_err(|_| Mismatch)
}
