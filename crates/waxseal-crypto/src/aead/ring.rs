//! The cipher as `ring` implements it. One step before its ChaCha20-Poly1305 turns it into XChaCha20-Poly1305:
//! HChaCha20 derives a subkey from the key and the first 16 bytes of the nonce, and the last 8 bytes become the nonce
//! (draft-irtf-cfrg-xchacha-03, section 2).

use chacha20::{R20, hchacha};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, UnboundKey};
use zeroize::Zeroize;

use super::Mismatch;
use crate::envelope::{Nonce, Tag};

/// Encrypts `buffer` in place and returns the tag over it and `associated_data`.
pub(crate) fn encrypt(key: &[u8; 32], nonce: &Nonce, associated_data: &[u8], buffer: &mut [u8]) -> Tag {
    let (key, nonce) = subkey(key, nonce);
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::from(associated_data), buffer)
        .expect("a message is far below the cipher's 256 GiB");
    tag.as_ref().try_into().expect("Poly1305's tag is 16 bytes")
}

/// Checks the tag and decrypts `buffer` in place.
pub(crate) fn decrypt(
    key: &[u8; 32],
    nonce: &Nonce,
    associated_data: &[u8],
    buffer: &mut [u8],
    tag: &Tag,
) -> Result<(), Mismatch> {
    let (key, nonce) = subkey(key, nonce);
    let opened =
        key.open_in_place_separate_tag(nonce, Aad::from(associated_data), (*tag).into(), buffer, 0..);
    opened.map(|_| ()).map_err(|_| Mismatch)
}

fn subkey(key: &[u8; 32], nonce: &Nonce) -> (LessSafeKey, ring::aead::Nonce) {
    let (first, last) = nonce.split_first_chunk::<16>().expect("16 of 24 bytes");
    let mut subkey = hchacha::<R20>(key.into(), first.into());
    let unbound =
        UnboundKey::new(&CHACHA20_POLY1305, &subkey).expect("HChaCha20 gives the 32 bytes of a key");
    subkey.as_mut_slice().zeroize();
    let mut inner = [0; 12];
    inner[4..].copy_from_slice(last);
    (LessSafeKey::new(unbound), ring::aead::Nonce::assume_unique_for_key(inner))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::aead::rustcrypto;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

        #[test]
        fn both_libraries_agree_bit_for_bit_at_every_length(key: [u8; 32], nonce: [u8; 24], data: [u8; 5], text in any::<[u8; 32]>()) {
            for length in 0..400 {
                let message: Vec<u8> = text.iter().copied().cycle().take(length).collect();
                let (mut ours, mut theirs) = (message.clone(), message.clone());
                let tag = super::encrypt(&key, &nonce, &data, &mut ours);
                prop_assert_eq!(tag, rustcrypto::encrypt(&key, &nonce, &data, &mut theirs), "{} bytes", length);
                prop_assert_eq!(&ours, &theirs, "{} bytes", length);
                prop_assert!(super::decrypt(&key, &nonce, &data, &mut theirs, &tag).is_ok(), "{} bytes", length);
                prop_assert!(rustcrypto::decrypt(&key, &nonce, &data, &mut ours, &tag).is_ok(), "{} bytes", length);
                prop_assert!(ours == message && theirs == message, "{} bytes", length);
                let mut wrong = tag;
                wrong[length % 16] ^= 1;
                prop_assert!(super::decrypt(&key, &nonce, &data, &mut ours, &wrong).is_err(), "{} bytes", length);
            }
        }
    }
}
