use std::error::Error as StdError;

use crate::binding::Binding;
use crate::error::Error;
use crate::offer::Offer;
use crate::public_key::PublicKey;
use crate::text;

/// Signs and opens the tokens of this protocol: a few bytes and a time, which a browser can read but not change.
///
/// An implementation guarantees that a token signed for one [`Purpose`] never opens for another, and that tokens of
/// another app do not open: for example with four MAC keys. This crate checks the times. The tokens should be
/// base64url.
pub trait Tokens {
    /// Signs `payload`, which has exactly [`Purpose::payload_bytes`], with the time `now` in seconds since 1970.
    ///
    /// # Errors
    ///
    /// Any. It is returned as [`Error::Sign`].
    fn sign(
        &self,
        purpose: Purpose,
        payload: &[u8],
        now: u64,
    ) -> Result<String, Box<dyn StdError + Send + Sync>>;

    /// Writes the payload of `token` into `payload`, which has exactly [`Purpose::payload_bytes`], and returns the time
    /// of signing, in seconds since 1970. `None` unless the token was signed here for this purpose. The token is
    /// untrusted.
    fn open(&self, purpose: Purpose, token: &str, payload: &mut [u8]) -> Option<u64>;
}

/// The use that a token is signed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each use has a key of its own, which callers give it")]
pub enum Purpose {
    /// The challenge of a registration.
    Offer,
    /// The `session_identifier`, which holds the browser's public key.
    Key,
    /// The challenge of a refresh.
    Challenge,
    /// The device cookie's value.
    Proof,
}

impl Purpose {
    /// All purposes.
    pub const ALL: [Self; 4] = [Self::Offer, Self::Key, Self::Challenge, Self::Proof];

    /// The name of the purpose, from which its own key can be derived.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Offer => "device/offer",
            Self::Key => "device/key",
            Self::Challenge => "device/challenge",
            Self::Proof => "device/proof",
        }
    }

    /// The length of the payload in bytes.
    #[must_use]
    pub const fn payload_bytes(self) -> usize {
        match self {
            Self::Offer | Self::Challenge => Offer::BYTES + NONCE_BYTES,
            Self::Key => Offer::BYTES + PublicKey::BYTES,
            Self::Proof => Binding::BYTES + NONCE_BYTES,
        }
    }
}

/// The number of random bytes in tokens that must differ even within a second: if a cookie or a challenge is the same
/// as before, a browser assumes that the refresh has failed.
const NONCE_BYTES: usize = 8;
const MAX_PAYLOAD_BYTES: usize = Offer::BYTES + PublicKey::BYTES;
/// How far the clock of the server that signed a token may be ahead, in seconds.
pub(crate) const CLOCK_SKEW_SECONDS: u64 = 60;

/// A token whose MAC is good.
pub(crate) struct Opened {
    payload: [u8; MAX_PAYLOAD_BYTES],
    pub(crate) minted: u64,
}

/// Signs a token for `content`, filled up with random bytes.
pub(crate) fn sign(tokens: &dyn Tokens, purpose: Purpose, content: &[u8], now: u64) -> Result<String, Error> {
    let mut room = [0; MAX_PAYLOAD_BYTES];
    let payload = &mut room[..purpose.payload_bytes()];
    let (head, nonce) = payload.split_at_mut(content.len());
    head.copy_from_slice(content);
    getrandom::fill(nonce).map_err(Error::random)?;
    let token = tokens.sign(purpose, payload, now).map_err(Error::Sign)?;
    let fits =
        !token.is_empty() && token.bytes().all(|byte| text::fits_quotes(byte) && !b";,".contains(&byte));
    if fits { Ok(token) } else { Err(Error::TokenText) }
}

/// Opens a token without checking its time.
pub(crate) fn open(tokens: &dyn Tokens, purpose: Purpose, token: &str) -> Option<Opened> {
    let mut payload = [0; MAX_PAYLOAD_BYTES];
    let minted = tokens.open(purpose, token, &mut payload[..purpose.payload_bytes()])?;
    Some(Opened { payload, minted })
}

impl Opened {
    /// Checks that the token is less than `lifetime` seconds old.
    pub(crate) fn is_alive(&self, now: u64, lifetime: u64) -> bool {
        self.minted <= now.saturating_add(CLOCK_SKEW_SECONDS) && now < self.minted.saturating_add(lifetime)
    }

    /// The offer, with which every payload begins: also that of a proof, which begins with its binding, and so with the
    /// offer.
    pub(crate) fn offer(&self) -> Offer {
        Offer::from_bytes(*self.payload.first_chunk().expect("a payload is longer than an offer"))
    }

    /// The binding in a proof.
    pub(crate) fn binding(&self) -> Binding {
        Binding::from_bytes(*self.payload.first_chunk().expect("a payload is longer than a binding"))
    }

    /// The public key in a key token.
    pub(crate) fn public_key(&self) -> PublicKey {
        PublicKey::from_bytes(*self.payload.last_chunk().expect("a payload is longer than a key"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Keys, NOW, OFFER};

    #[test]
    fn a_token_of_one_purpose_opens_for_no_other() {
        let keys = Keys::new();
        for made in Purpose::ALL {
            let content = vec![7; made.payload_bytes()];
            let token = sign(&keys, made, &content, NOW).unwrap();
            for asked in Purpose::ALL {
                assert_eq!(open(&keys, asked, &token).is_some(), made == asked, "{made:?} as {asked:?}");
            }
            let other_app = Keys::of("other", "__Host-session");
            assert!(open(&other_app, made, &token).is_none(), "{made:?} of another app");
        }
    }

    #[test]
    fn a_token_has_the_length_that_its_purpose_needs() {
        let keys = Keys::new();
        for (purpose, characters) in
            [(Purpose::Offer, 66), (Purpose::Key, 99), (Purpose::Challenge, 66), (Purpose::Proof, 87)]
        {
            let content = vec![7; purpose.payload_bytes()];
            assert_eq!(sign(&keys, purpose, &content, NOW).unwrap().len(), characters, "{purpose:?}");
        }
    }

    #[test]
    fn two_tokens_of_one_second_differ_where_a_browser_would_take_them_for_one() {
        let keys = Keys::new();
        for purpose in [Purpose::Offer, Purpose::Challenge] {
            let [first, second] = [(); 2].map(|()| sign(&keys, purpose, OFFER.as_bytes(), NOW).unwrap());
            assert_ne!(first, second, "{purpose:?}");
        }
        let [first, second] = [(); 2].map(|()| sign(&keys, Purpose::Proof, &[7; 32], NOW).unwrap());
        assert_ne!(first, second);
    }

    #[test]
    fn a_token_lives_from_a_minute_before_its_time_to_its_last_second() {
        let token = Opened { payload: [0; MAX_PAYLOAD_BYTES], minted: NOW };
        for (now, alive) in [
            (NOW - 61, false),
            (NOW - 60, true),
            (NOW, true),
            (NOW + 59, true),
            (NOW + 60, false),
            (u64::MAX, false),
        ] {
            assert_eq!(token.is_alive(now, 60), alive, "{now}");
        }
    }

    /// Signs everything with the same text.
    struct Fixed(&'static str);

    impl Tokens for Fixed {
        fn sign(&self, _: Purpose, _: &[u8], _: u64) -> Result<String, Box<dyn StdError + Send + Sync>> {
            if self.0 == "fail" { Err("no key".into()) } else { Ok(self.0.to_owned()) }
        }

        fn open(&self, _: Purpose, _: &str, _: &mut [u8]) -> Option<u64> {
            None
        }
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_an_error() {
        let sign = |text| sign(&Fixed(text), Purpose::Offer, OFFER.as_bytes(), NOW);
        assert_eq!(sign("a.b-c_d").unwrap(), "a.b-c_d");
        for text in ["", "a b", "a\"b", "a\\b", "a;b", "a,b", "a\nb", "ä"] {
            assert!(matches!(sign(text), Err(Error::TokenText)), "{text:?}");
        }
        assert!(matches!(sign("fail"), Err(Error::Sign(source)) if source.to_string() == "no key"));
    }
}
