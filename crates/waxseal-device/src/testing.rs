//! Helpers for tests: tokens of a keyring, a browser with its key in software, and headers.

use std::error::Error as StdError;

use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use waxseal_crypto::{Context, Keyring, SecretKey, SignedTokens};

use crate::binding::Binding;
use crate::device_key::DeviceKey;
use crate::offer::Offer;
use crate::public_key::{PublicKey, VERIFICATIONS};
use crate::registration::Registration;
use crate::terms::Terms;
use crate::text;
use crate::tokens::{self, Purpose, Tokens};

pub(crate) const NOW: u64 = 1_790_000_000;
pub(crate) const AT: u32 = 1_790_000_000;
pub(crate) const OFFER: Offer = Offer::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
/// Another offer that begins with the same characters, so its cookies have the same names.
pub(crate) const NAMESAKE: Offer = Offer::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 99]);

pub(crate) fn terms() -> Terms {
    Terms::new("__Host-session", "Path=/; Secure; HttpOnly; SameSite=Lax", 43_200).unwrap()
}

/// Tokens as Waxseal makes them.
pub(crate) struct Keys {
    offers: SignedTokens<24>,
    keys: SignedTokens<49>,
    challenges: SignedTokens<24>,
    proofs: SignedTokens<40>,
}

impl Keys {
    pub(crate) fn new() -> Self {
        Self::of("demo", "__Host-session")
    }

    pub(crate) fn of(app: &str, cookie: &str) -> Self {
        let ring = Keyring::new(SecretKey::from_bytes([7; 32]));
        let context = |purpose: Purpose| Context::new(purpose.name()).unwrap().with_audience(app).unwrap();
        Self {
            offers: ring.signer(&context(Purpose::Offer)),
            keys: ring.signer(&context(Purpose::Key)),
            challenges: ring.signer(&context(Purpose::Challenge)),
            proofs: ring.signer(&context(Purpose::Proof).with_name(cookie).unwrap()),
        }
    }

    pub(crate) fn offer(&self, offer: Offer, now: u64) -> String {
        tokens::sign(self, Purpose::Offer, offer.as_bytes(), now).unwrap()
    }

    pub(crate) fn challenge(&self, offer: Offer, now: u64) -> String {
        tokens::sign(self, Purpose::Challenge, offer.as_bytes(), now).unwrap()
    }

    pub(crate) fn proof(&self, binding: Binding, now: u64) -> String {
        tokens::sign(self, Purpose::Proof, &binding.to_bytes(), now).unwrap()
    }

    pub(crate) fn identifier(&self, offer: Offer, browser: &Browser, now: u64) -> String {
        DeviceKey::new(offer, browser.public_key()).sign(self, now).unwrap()
    }
}

impl Tokens for Keys {
    fn sign(
        &self,
        purpose: Purpose,
        payload: &[u8],
        now: u64,
    ) -> Result<String, Box<dyn StdError + Send + Sync>> {
        Ok(match purpose {
            Purpose::Offer => self.offers.sign(payload.try_into()?, now)?,
            Purpose::Key => self.keys.sign(payload.try_into()?, now)?,
            Purpose::Challenge => self.challenges.sign(payload.try_into()?, now)?,
            Purpose::Proof => self.proofs.sign(payload.try_into()?, now)?,
        })
    }

    fn open(&self, purpose: Purpose, token: &str, payload: &mut [u8]) -> Option<u64> {
        fn open<const N: usize>(tokens: &SignedTokens<N>, token: &str, payload: &mut [u8]) -> Option<u64> {
            let opened = tokens.open_at_any_time(token.as_bytes()).ok()?;
            payload.copy_from_slice(opened.payload());
            Some(opened.minted())
        }
        match purpose {
            Purpose::Offer => open(&self.offers, token, payload),
            Purpose::Key => open(&self.keys, token, payload),
            Purpose::Challenge => open(&self.challenges, token, payload),
            Purpose::Proof => open(&self.proofs, token, payload),
        }
    }
}

/// A browser with its key in software.
pub(crate) struct Browser(SigningKey);

impl Browser {
    pub(crate) fn new(seed: u8) -> Self {
        Self(SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    pub(crate) fn coordinates(&self) -> ([u8; 32], [u8; 32]) {
        let point = self.0.verifying_key().to_sec1_point(false);
        let (x, y) = point.as_bytes()[1..].split_at(32);
        (x.try_into().unwrap(), y.try_into().unwrap())
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        let (x, y) = self.coordinates();
        PublicKey::from_coordinates(x, y).unwrap()
    }

    pub(crate) fn binding(&self, offer: Offer) -> Binding {
        Binding::new(offer, self.public_key().fingerprint())
    }

    pub(crate) fn jwk(&self) -> String {
        let (x, y) = self.coordinates();
        jwk(&x, &y)
    }

    /// The response to an offer, as Chromium makes it.
    pub(crate) fn register(&self, challenge: &str) -> String {
        self.sign(
            &format!(r#"{{"alg":"ES256","jwk":{},"typ":"dbsc+jwt"}}"#, self.jwk()),
            &format!(r#"{{"jti":"{challenge}"}}"#),
        )
    }

    /// The response to a challenge, as Chromium makes it.
    pub(crate) fn refresh(&self, challenge: &str) -> String {
        self.sign(r#"{"alg":"ES256","typ":"dbsc+jwt"}"#, &format!(r#"{{"jti":"{challenge}"}}"#))
    }

    /// A JWS with this header and these claims.
    pub(crate) fn sign(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", text::encode(header.as_bytes()), text::encode(claims.as_bytes()));
        let signature: Signature = self.0.sign(signed.as_bytes());
        format!("{signed}.{}", text::encode(&signature.to_bytes()))
    }

    /// The registration that a good response makes.
    pub(crate) fn registration(&self, keys: &Keys, offer: Offer) -> Registration {
        let response = self.register(&keys.offer(offer, NOW));
        Registration::check(header(&[("secure-session-response", &response)]), keys, NOW).unwrap()
    }
}

pub(crate) fn jwk(x: &[u8], y: &[u8]) -> String {
    format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, text::encode(x), text::encode(y))
}

/// The same JWS with the other of the two values of s in its signature.
pub(crate) fn with_other_s(jws: &str) -> String {
    let (signed, signature) = jws.rsplit_once('.').unwrap();
    let signature = Signature::from_slice(&text::decode(signature.as_bytes()).unwrap()).unwrap();
    let (r, s) = signature.split_scalars();
    format!("{signed}.{}", text::encode(&Signature::from_scalars(*r, -*s).unwrap().to_bytes()))
}

/// A JWS with another signature.
pub(crate) fn with_signature(jws: &str, signature: &[u8]) -> String {
    let (signed, _) = jws.rsplit_once('.').unwrap();
    format!("{signed}.{}", text::encode(signature))
}

/// A request's headers.
pub(crate) fn header<'a>(
    all: &[(&'static str, &'a str)],
) -> impl Fn(&'static str) -> Vec<&'a [u8]> + use<'a> {
    let all = all.to_vec();
    move |name| all.iter().filter(|(of, _)| *of == name).map(|(_, value)| value.as_bytes()).collect()
}

/// How many signatures `work` had to verify, and what it returned.
pub(crate) fn counting<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = VERIFICATIONS.get();
    let done = work();
    (VERIFICATIONS.get() - before, done)
}
