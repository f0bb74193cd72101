//! An app's own tokens, sealed or opened in one call.

use crate::context::Context;
use crate::error::Error;
use crate::keyring::Keyring;
use crate::opened::Opened;
use crate::rejected::Rejected;
use crate::signed::SignedToken;
use crate::times::{Limits, Times};

/// Tokens for an app's own purposes: links for a password reset or a confirmation, API tokens.
///
/// The purpose is up to the app; a token opens only for the purpose that it was made for. Apps that share a key open
/// each other's tokens of the same purpose, so put the app's name into the purpose where they must not. A token can be opened any
/// number of times, so an app needs a database for what may happen only once, such as a reset. These methods derive
/// keys in each call, which takes some microseconds; where that matters, make a [`sealer`](Keyring::sealer) or
/// [`signer`](Keyring::signer) once.
impl Keyring {
    /// Seals `payload` into a text that opens for `lifetime` seconds from `now`, in seconds since 1970. Only a holder
    /// of the key can read it.
    ///
    /// ```
    /// use waxseal_crypto::{Keyring, SecretKey};
    ///
    /// let keyring = Keyring::new(SecretKey::generate()?);
    /// let now = 1_790_000_000;
    /// let link = keyring.seal_token("password reset", b"user-7", 3_600, now)?;
    ///
    /// assert_eq!(keyring.open_token("password reset", &link, now + 60)?.payload(), b"user-7");
    /// assert!(keyring.open_token("password reset", &link, now + 3_600).is_err());
    /// assert!(keyring.open_token("confirmation", &link, now + 60).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::LabelTooLong`] if the purpose is longer than 242 bytes, [`Error::TextTooLong`], [`Error::TooOld`],
    /// [`Error::Random`].
    pub fn seal_token(
        &self,
        purpose: &str,
        payload: &[u8],
        lifetime: u32,
        now: u64,
    ) -> Result<String, Error> {
        let times = Times::new(now, now, Times::NO_IDLE, lifetime);
        self.sealer(&sealed(purpose)?).seal_text(payload, times)
    }

    /// Opens a token from [`seal_token`](Self::seal_token). The text is untrusted and may be anything.
    ///
    /// # Errors
    ///
    /// [`Rejected`], whose reason is for the log.
    pub fn open_token(&self, purpose: &str, token: &str, now: u64) -> Result<Opened, Rejected> {
        let context = sealed(purpose).map_err(|_| Rejected::from(crate::Reason::Commitment))?;
        self.sealer(&context).open_text(token.as_bytes(), now, Limits::NONE)
    }

    /// Signs `payload`, at most 64 bytes, at `now`, in seconds since 1970. Every holder of the token can read it. It is
    /// shorter than a sealed one.
    ///
    /// ```
    /// use waxseal_crypto::{Keyring, SecretKey};
    ///
    /// let keyring = Keyring::new(SecretKey::generate()?);
    /// let now = 1_790_000_000;
    /// let link = keyring.sign_token("unsubscribe", &7_u64.to_be_bytes(), now)?;
    ///
    /// let opened = keyring.open_signed_token::<8>("unsubscribe", &link, 86_400, now + 60)?;
    /// assert_eq!(u64::from_be_bytes(*opened.payload()), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::LabelTooLong`] if the purpose is longer than 242 bytes; [`Error::TooLate`] from the year 2106 on.
    pub fn sign_token<const N: usize>(
        &self,
        purpose: &str,
        payload: &[u8; N],
        now: u64,
    ) -> Result<String, Error> {
        self.signer::<N>(&signed(purpose)?).sign(payload, now)
    }

    /// Opens a token from [`sign_token`](Self::sign_token) that was made less than `lifetime` seconds ago. The text is
    /// untrusted and may be anything.
    ///
    /// # Errors
    ///
    /// [`Rejected`], whose reason is for the log.
    pub fn open_signed_token<const N: usize>(
        &self,
        purpose: &str,
        token: &str,
        lifetime: u32,
        now: u64,
    ) -> Result<SignedToken<N>, Rejected> {
        let context = signed(purpose).map_err(|_| Rejected::from(crate::Reason::Mac))?;
        self.signer::<N>(&context).open(token.as_bytes(), now, lifetime)
    }
}

// Purposes with a prefix, so that an app's purpose is never one of the sessions', and sealing and signing never share a
// purpose.
fn sealed(purpose: &str) -> Result<Context, Error> {
    Context::new(&format!("token/sealed/{purpose}"))
}

fn signed(purpose: &str) -> Result<Context, Error> {
    Context::new(&format!("token/signed/{purpose}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reason, SecretKey};

    const NOW: u64 = 1_790_000_000;

    fn keyring() -> Keyring {
        Keyring::new(SecretKey::from_bytes([7; 32]))
    }

    #[test]
    fn a_token_opens_for_its_purpose_and_until_its_second() {
        let (ring, other) = (keyring(), Keyring::new(SecretKey::from_bytes([8; 32])));
        let sealed = ring.seal_token("reset", b"user-7", 3_600, NOW).unwrap();
        let signed = ring.sign_token("reset", b"user-7", NOW).unwrap();
        for (now, opens) in [(NOW - 60, true), (NOW - 61, false), (NOW + 3_599, true), (NOW + 3_600, false)] {
            assert_eq!(ring.open_token("reset", &sealed, now).is_ok(), opens, "{now}");
            assert_eq!(ring.open_signed_token::<6>("reset", &signed, 3_600, now).is_ok(), opens, "{now}");
        }
        for (ring, purpose) in [(&ring, "Reset"), (&ring, ""), (&ring, "sealed/reset"), (&other, "reset")] {
            assert!(ring.open_token(purpose, &sealed, NOW).is_err(), "{purpose}");
            assert!(ring.open_signed_token::<6>(purpose, &signed, 3_600, NOW).is_err(), "{purpose}");
        }
        assert!(ring.open_token("reset", &signed, NOW).is_err(), "a signed one is no sealed one");
        assert!(ring.open_signed_token::<6>("reset", &sealed, 3_600, NOW).is_err());
        assert!(ring.open_signed_token::<7>("reset", &signed, 3_600, NOW).is_err(), "of another length");
    }

    #[test]
    fn an_old_key_of_the_ring_opens_what_it_sealed() {
        let sealed = keyring().seal_token("reset", b"user-7", 3_600, NOW).unwrap();
        let ring = Keyring::new(SecretKey::from_bytes([9; 32])).with_fallback(SecretKey::from_bytes([7; 32]));
        let opened = ring.unwrap().open_token("reset", &sealed, NOW).unwrap();
        assert!(opened.payload() == b"user-7" && opened.needs_reseal());
    }

    #[test]
    fn a_purpose_that_is_too_long_seals_nothing_and_opens_nothing() {
        let longest = "x".repeat(242);
        let token = keyring().seal_token(&longest, b"", 1, NOW).unwrap();
        assert!(keyring().open_token(&longest, &token, NOW).is_ok());
        let longer = "x".repeat(243);
        assert!(matches!(keyring().seal_token(&longer, b"", 1, NOW), Err(Error::LabelTooLong { .. })));
        assert!(matches!(keyring().sign_token(&longer, b"", NOW), Err(Error::LabelTooLong { .. })));
        assert_eq!(keyring().open_token(&longer, &token, NOW).unwrap_err().reason(), Reason::Commitment);
        assert_eq!(keyring().open_signed_token::<0>(&longer, "", 1, NOW).unwrap_err().reason(), Reason::Mac);
    }
}
