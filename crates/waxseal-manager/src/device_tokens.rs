//! Signed tokens of device-bound sessions, with the keys of one request.

use metrics::Counter;
use waxseal_crypto::{Context, Error, Keyring, SignedTokens};

/// What a device token is signed for. Each purpose has its own MAC key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DevicePurpose {
    /// The challenge of a registration, of 24 bytes.
    Offer,
    /// The session identifier with the browser's public key, of 49 bytes.
    Key,
    /// The challenge of a refresh, of 24 bytes.
    Challenge,
    /// The device cookie, of 40 bytes.
    Proof,
}

/// The contexts of all purposes, in the order of the purposes.
pub(crate) type DeviceContexts = [Context; 4];

/// Signs and opens the tokens of device-bound sessions; from
/// [`Snapshot::device_tokens`](crate::Snapshot::device_tokens).
///
/// Each opened token is counted by its key, like a session token.
#[derive(Debug)]
pub struct DeviceTokens {
    offers: SignedTokens<24>,
    keys: SignedTokens<49>,
    challenges: SignedTokens<24>,
    proofs: SignedTokens<40>,
    opened: Vec<Counter>,
}

/// Makes the contexts. Proofs are for one cookie; the other tokens are for the app.
pub(crate) fn contexts(cookie: &str, audience: &str) -> Result<DeviceContexts, Error> {
    let of = |purpose| Context::new(purpose)?.with_audience(audience);
    Ok([
        of("device/offer")?,
        of("device/key")?,
        of("device/challenge")?,
        of("device/proof")?.with_name(cookie)?,
    ])
}

impl DeviceTokens {
    pub(crate) fn new(keyring: &Keyring, contexts: &DeviceContexts, opened: Vec<Counter>) -> Self {
        let [offer, key, challenge, proof] = contexts;
        Self {
            offers: keyring.signer(offer),
            keys: keyring.signer(key),
            challenges: keyring.signer(challenge),
            proofs: keyring.signer(proof),
            opened,
        }
    }

    /// Signs `payload` with the time `now`, in seconds since 1970. `None` if the payload does not have the purpose's
    /// length.
    ///
    /// # Errors
    ///
    /// [`Error::TooLate`] from the year 2106 on.
    pub fn sign(&self, purpose: DevicePurpose, payload: &[u8], now: u64) -> Result<Option<String>, Error> {
        fn sign<const N: usize>(
            tokens: &SignedTokens<N>,
            payload: &[u8],
            now: u64,
        ) -> Result<Option<String>, Error> {
            payload.try_into().ok().map(|payload| tokens.sign(payload, now)).transpose()
        }
        match purpose {
            DevicePurpose::Offer => sign(&self.offers, payload, now),
            DevicePurpose::Key => sign(&self.keys, payload, now),
            DevicePurpose::Challenge => sign(&self.challenges, payload, now),
            DevicePurpose::Proof => sign(&self.proofs, payload, now),
        }
    }

    /// Writes the payload of `token`, which may be any text, into `payload`, and returns the time of signing. `None` if
    /// the token was not signed here for this purpose, or if `payload` does not have the purpose's length.
    #[must_use]
    pub fn open(&self, purpose: DevicePurpose, token: &str, payload: &mut [u8]) -> Option<u64> {
        match purpose {
            DevicePurpose::Offer => self.open_with(&self.offers, token, payload),
            DevicePurpose::Key => self.open_with(&self.keys, token, payload),
            DevicePurpose::Challenge => self.open_with(&self.challenges, token, payload),
            DevicePurpose::Proof => self.open_with(&self.proofs, token, payload),
        }
    }

    fn open_with<const N: usize>(
        &self,
        tokens: &SignedTokens<N>,
        token: &str,
        payload: &mut [u8],
    ) -> Option<u64> {
        let opened = tokens.open_at_any_time(token.as_bytes()).ok()?;
        (payload.len() == N).then(|| payload.copy_from_slice(opened.payload()))?;
        self.opened[opened.key_position()].increment(1);
        Some(opened.minted())
    }
}
