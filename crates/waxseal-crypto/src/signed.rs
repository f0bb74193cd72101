use std::fmt;

use hkdf::hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::error::Error;
use crate::format_limits::MAX_CLOCK_SKEW_SECONDS;
use crate::key_id::KeyId;
use crate::rejected::{Reason, Rejected};
use crate::text;

pub(crate) const VERSION: u8 = 2;
pub(crate) const HEAD_BYTES: usize = 9;
const MAC_BYTES: usize = 16;
const MAX_PAYLOAD_BYTES: usize = 64;
const MAX_TOKEN_BYTES: usize = HEAD_BYTES + MAX_PAYLOAD_BYTES + MAC_BYTES;

/// Signs and opens tokens of one [`Context`](crate::Context). Their payload is `N` bytes, at most 64, that need not be
/// hidden, such as a random id that a server looks up.
///
/// Every holder of a token can read it, but cannot make another one. Signing adds 25 bytes, and the text form a third:
/// a payload of 32 bytes becomes 76 characters.
///
/// ```
/// use waxseal_crypto::{Context, Keyring, SecretKey};
///
/// let context = Context::new("session/store")?.with_name("__Host-session")?.with_audience("wizard")?;
/// let tokens = Keyring::new(SecretKey::generate()?).signer::<32>(&context);
/// let token = tokens.sign(&[7; 32], 1_790_000_000)?;
///
/// let opened = tokens.open(token.as_bytes(), 1_790_000_100, 3_600)?;
/// assert_eq!(opened.payload(), &[7; 32]);
/// assert!(tokens.open(token.as_bytes(), 1_790_003_600, 3_600).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Defined in [`format`](mod@crate::format), section "Signed tokens".
#[derive(Clone)]
pub struct SignedTokens<const N: usize> {
    keys: Vec<(KeyId, Hmac<Sha256>)>,
}

/// The payload and time of a signed token that passed every check.
#[derive(Clone, Copy)]
pub struct SignedToken<const N: usize> {
    payload: [u8; N],
    minted: u32,
    key: KeyId,
    position: usize,
}

impl<const N: usize> SignedTokens<N> {
    /// The length of a token in characters.
    pub const CHARACTERS: usize = text::encoded_bytes(Self::BYTES);
    const BYTES: usize = HEAD_BYTES + N + MAC_BYTES;

    pub(crate) fn new(keys: impl Iterator<Item = (KeyId, Hmac<Sha256>)>) -> Self {
        const { assert!(N <= MAX_PAYLOAD_BYTES, "a signed token carries at most 64 bytes") };
        Self { keys: keys.collect() }
    }

    /// Signs `payload` at the time `now`, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`Error::TooLate`] from the year 2106 on, when the time exceeds the format's `u32`.
    pub fn sign(&self, payload: &[u8; N], now: u64) -> Result<String, Error> {
        let minted = u32::try_from(now).map_err(|_| Error::TooLate(now))?;
        let (kid, key) = self.keys.first().expect("a ring has at least one key");
        let mut room = [0; MAX_TOKEN_BYTES];
        let token = &mut room[..Self::BYTES];
        let (signed, mac) = token.split_at_mut(HEAD_BYTES + N);
        signed[0] = VERSION;
        signed[1..5].copy_from_slice(kid.as_bytes());
        signed[5..HEAD_BYTES].copy_from_slice(&minted.to_be_bytes());
        signed[HEAD_BYTES..].copy_from_slice(payload);
        mac.copy_from_slice(&tag(key, signed));
        Ok(text::encode(token))
    }

    /// Opens a token at the time `now`, if it was signed less than `lifetime` seconds ago. The text is untrusted and
    /// may be any bytes.
    ///
    /// # Errors
    ///
    /// [`Rejected`], whose reason is for the log.
    pub fn open(&self, text: &[u8], now: u64, lifetime: u32) -> Result<SignedToken<N>, Rejected> {
        let token = self.open_at_any_time(text)?;
        // Step 6: the times.
        if token.minted() > now.saturating_add(MAX_CLOCK_SKEW_SECONDS) {
            return Err(Reason::Future.into());
        }
        if now >= token.minted().saturating_add(lifetime.into()) {
            return Err(Reason::Absolute.into());
        }
        Ok(token)
    }

    /// Opens a token without step 6, the check of the times, to show it to an operator.
    ///
    /// # Errors
    ///
    /// [`Rejected`], whose reason is for the log.
    pub fn open_at_any_time(&self, text: &[u8]) -> Result<SignedToken<N>, Rejected> {
        // Step 1: the exact length.
        if text.len() != Self::CHARACTERS {
            return Err(Reason::Length.into());
        }
        // Step 2: the strict alphabet.
        let mut room = [0; MAX_TOKEN_BYTES];
        let token = &mut room[..Self::BYTES];
        text::decode_exact(text, token).ok_or(Reason::Alphabet)?;
        let (signed, mac) = token.split_at(HEAD_BYTES + N);
        let (head, payload) = signed.split_at(HEAD_BYTES);
        // Step 3: the version.
        let [VERSION, a, b, c, d, ..] = *head else { return Err(Reason::Version(head[0]).into()) };
        let kid = KeyId::from_bytes([a, b, c, d]);
        // Steps 4 and 5: the kid, in ring order, and the MAC, in constant time.
        let mut reason = Reason::UnknownKey(kid);
        for (position, (_, key)) in self.keys.iter().enumerate().filter(|(_, (held, _))| *held == kid) {
            if tag(key, signed).ct_eq(mac).into() {
                let minted = u32::from_be_bytes(head[5..].try_into().expect("the head ends with minted"));
                let payload = payload.try_into().expect("what lies between head and MAC");
                return Ok(SignedToken { payload, minted, key: kid, position });
            }
            reason = Reason::Mac;
        }
        Err(reason.into())
    }
}

impl<const N: usize> SignedToken<N> {
    /// The signed bytes.
    pub fn payload(&self) -> &[u8; N] {
        &self.payload
    }

    /// The time of signing, in seconds since 1970.
    pub fn minted(&self) -> u64 {
        self.minted.into()
    }

    /// The id of the key that signed the token.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// The position of that key in the ring, from 0. The id alone is not enough, because two keys may share it.
    pub fn key_position(&self) -> usize {
        self.position
    }

    /// Returns true if the token was signed by a key other than the ring's first, so that it should be signed again.
    pub fn needs_reseal(&self) -> bool {
        self.position > 0
    }
}

/// The key id of a text that begins like a signed token. `None` if it does not.
pub(crate) fn kid_of_text(text: &[u8]) -> Option<KeyId> {
    let mut head = [0; HEAD_BYTES];
    // Nine bytes are twelve whole characters.
    text::decode_exact(text.get(..12)?, &mut head)?;
    let [VERSION, a, b, c, d, ..] = head else { return None };
    Some(KeyId::from_bytes([a, b, c, d]))
}

/// The first 16 bytes of `HMAC(MAC key, bytes[0..9+n])`.
fn tag(key: &Hmac<Sha256>, message: &[u8]) -> [u8; MAC_BYTES] {
    let mac: [u8; 32] = key.clone().chain_update(message).finalize().into_bytes().into();
    *mac.first_chunk().expect("16 of 32 bytes")
}

impl<const N: usize> fmt::Debug for SignedTokens<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<KeyId> = self.keys.iter().map(|(kid, _)| *kid).collect();
        f.debug_struct("SignedTokens").field("keys", &ids).finish_non_exhaustive()
    }
}

/// Hides the payload, because whoever knows a session id can act as its visitor.
impl<const N: usize> fmt::Debug for SignedToken<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedToken")
            .field("minted", &self.minted)
            .field("key", &self.key)
            .field("needs_reseal", &self.needs_reseal())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::known_answers::{cases, context, hex, ring, str};
    use crate::{Context, Keyring, SecretKey};

    const NOW: u64 = 1_789_999_990;

    fn tokens() -> SignedTokens<32> {
        Keyring::new(SecretKey::from_bytes([1; 32])).signer(&Context::new("session/store").unwrap())
    }

    #[test]
    fn tokens_are_signed_to_the_same_text_and_opened() {
        for case in cases("signed", 8) {
            let name = str(&case["case"]);
            let (minted, text) = (case["minted"].as_u64().unwrap(), str(&case["token"]));
            let (ring, context, payload) = (ring(&case), context(&case["context"]), hex(&case["payload"]));
            match payload.len() {
                32 => agrees::<32>(name, &ring.signer(&context), &payload, minted, text),
                16 => agrees::<16>(name, &ring.signer(&context), &payload, minted, text),
                20 => agrees::<20>(name, &ring.signer(&context), &payload, minted, text),
                0 => agrees::<0>(name, &ring.signer(&context), &payload, minted, text),
                64 => agrees::<64>(name, &ring.signer(&context), &payload, minted, text),
                length => panic!("{name}: {length} bytes"),
            }
        }
    }

    fn agrees<const N: usize>(name: &str, tokens: &SignedTokens<N>, payload: &[u8], minted: u64, text: &str) {
        assert_eq!(text.len(), SignedTokens::<N>::CHARACTERS, "{name}");
        assert_eq!(tokens.sign(payload.try_into().unwrap(), minted).unwrap(), text, "{name}");
        let opened = tokens.open(text.as_bytes(), minted, 1).unwrap();
        assert_eq!((&opened.payload()[..], opened.minted()), (payload, minted), "{name}");
        assert!(!opened.needs_reseal(), "{name}");
        assert_eq!(kid_of_text(text.as_bytes()), Some(opened.key()), "{name}");
    }

    #[test]
    fn tokens_of_any_key_and_at_any_lawful_moment_are_opened_and_others_refused() {
        for case in cases("signed_opened", 33) {
            let name = str(&case["case"]);
            let tokens: SignedTokens<32> = ring(&case).signer(&context(&case["context"]));
            let at = case["at"].as_u64().unwrap();
            let lifetime = u32::try_from(case["lifetime"].as_u64().unwrap()).unwrap();
            let opened = tokens.open(str(&case["token"]).as_bytes(), at, lifetime);
            match &case["reason"] {
                serde_json::Value::Null => {
                    let opened = opened.unwrap_or_else(|error| panic!("{name}: {error:?}"));
                    assert_eq!(opened.payload()[..], hex(&case["payload"]), "{name}");
                    assert_eq!(opened.needs_reseal(), case["needs_reseal"].as_bool().unwrap(), "{name}");
                }
                reason => {
                    let rejected = opened.err().unwrap_or_else(|| panic!("{name}: was opened"));
                    assert_eq!(format!("{:?}", rejected.reason()), str(reason), "{name}");
                }
            }
        }
    }

    #[test]
    fn the_year_2106_is_an_error_and_not_a_wrap() {
        assert!(tokens().sign(&[0; 32], u32::MAX.into()).is_ok());
        assert!(matches!(tokens().sign(&[0; 32], 1 << 32), Err(Error::TooLate(_))));
    }

    #[test]
    fn any_flipped_bit_is_refused() {
        let token = tokens().sign(&[7; 32], NOW).unwrap().into_bytes();
        for bit in 0..token.len() * 8 {
            let mut flipped = token.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(tokens().open(&flipped, NOW, 60).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn debug_output_has_no_payload() {
        let token = tokens().sign(b"canary-canary-canary-canary-cana", NOW).unwrap();
        let opened = tokens().open(token.as_bytes(), NOW, 60).unwrap();
        let shown = format!("{:?} {opened:?}", tokens());
        assert!(!shown.contains("99, 97, 110") && !shown.contains("canary"), "{shown}");
    }

    proptest! {
        #[test]
        fn opening_undoes_signing(payload: [u8; 32], minted: u32, age in 0..60_u64) {
            let token = tokens().sign(&payload, minted.into()).unwrap();
            let opened = tokens().open(token.as_bytes(), u64::from(minted) + age, 60).unwrap();
            prop_assert_eq!(*opened.payload(), payload);
        }

        #[test]
        fn arbitrary_text_is_refused_without_panic(text in proptest::collection::vec(any::<u8>(), 0..100), right in "[A-Za-z0-9_-]{76}") {
            prop_assert!(tokens().open(&text, NOW, u32::MAX).is_err());
            prop_assert!(tokens().open(right.as_bytes(), NOW, u32::MAX).is_err());
            let _ = kid_of_text(&text);
        }
    }
}
