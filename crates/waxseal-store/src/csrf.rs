//! Tokens by which a form shows that it came from a page of this session.

use sha2::{Digest, Sha256};

use crate::change::{Change, Operation};
use crate::metadata::Metadata;
use crate::session::{Phase, ReadOnly, State};
use crate::{Error, Session};

/// Where the seeds lie in the metadata: bytes, one seed after the other, the newest last.
pub(crate) const SEEDS: &str = "csrf";

/// What a session's tokens are made of (`docs/format.md`, "What is sealed").
pub(crate) type Seed = [u8; SEED_BYTES];

pub(crate) const SEED_BYTES: usize = 16;
/// More than one only if requests drew theirs at the same time, each for a page that is open now.
const MAX_SEEDS: usize = 4;

impl Session {
    /// A token for forms and scripts of this answer: 86 characters, which [`is_csrf_token`](Self::is_csrf_token) knows
    /// again for as long as the session lives, up to the next [`renew`](Self::renew), [`sign_in`](Self::sign_in) or
    /// [`renew_empty`](Self::renew_empty).
    ///
    /// It is a MAC over a seed that lies beside the entries and is drawn with the first token, so that a visitor without a
    /// session gets one with the first form. Each request masks it anew: an attacker who sees how well answers are
    /// compressed (BREACH) learns nothing from it.
    ///
    /// # Errors
    ///
    /// With the first token those that every write may have, but [`Error::Unconfirmed`] and [`Error::Renewed`]: a page
    /// that can only be read still shows its forms, and what they send is refused; but for a visitor who came with an id
    /// that a sign-in has replaced, who may have to sign in again. [`Error::Random`] if the system has no randomness.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::time::SystemTime;
    /// # use waxseal_crypto::{Keyring, SecretKey};
    /// # let keyring = Keyring::new(SecretKey::from_bytes([7; 32]));
    /// # let sessions = waxseal_store::SessionManager::cookie(&keyring, "session", "demo")?;
    /// # let session = sessions.create();
    /// let token = session.csrf_token()?;
    /// assert!(session.is_csrf_token(token.as_bytes()));
    /// session.sign_in("user-7", SystemTime::now())?;
    /// assert!(!session.is_csrf_token(token.as_bytes()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn csrf_token(&self) -> Result<String, Error> {
        let mut state = self.read();
        if let Some(token) = &state.csrf_token {
            return Ok(token.clone());
        }
        let newest = seeds(&state.content.metadata).last().copied();
        let seed = match newest {
            Some(seed) => seed,
            None => {
                let seed = state.replaced_seed().map_or_else(draw, Ok)?;
                match state.phase {
                    Phase::Open | Phase::RolledBack => {
                        state.begin_change();
                        state.make_fitting(Change::CsrfSeed(seed))?;
                    }
                    Phase::Sent => return Err(Error::Sent),
                    Phase::ReadOnly(_) => {}
                }
                seed
            }
        };
        let token = state.ring.csrf().masked_mac(&seed)?;
        state.csrf_token = Some(token.clone());
        Ok(token)
    }

    /// Whether `token`, any bytes at all, is one that this session gave out; in a time that does not tell how close it is.
    #[must_use]
    pub fn is_csrf_token(&self, token: &[u8]) -> bool {
        let state = self.read();
        let csrf = state.ring.csrf();
        seeds(&state.content.metadata)
            .iter()
            .chain(&state.replaced_seed())
            .fold(false, |found, seed| found | csrf.verify_masked(seed, token))
    }

    /// Whether a token was ever given out. Asking this is no access.
    pub(crate) fn has_csrf_seed(&self) -> bool {
        !seeds(&self.lock().content.metadata).is_empty()
    }
}

impl State {
    /// The seed of a visitor who came with an id that a sign-in has replaced. Nothing can be kept for them, so it is made
    /// of the id: not by SHA-256 of that alone, which the store knows.
    fn replaced_seed(&self) -> Option<Seed> {
        let id = self.replaced.as_ref().filter(|_| self.phase == Phase::ReadOnly(ReadOnly::Renewed))?;
        let digest: [u8; 32] =
            Sha256::new().chain_update("form of an old id").chain_update(id.as_bytes()).finalize().into();
        digest.first_chunk().copied()
    }
}

pub(crate) fn draw() -> Result<Seed, Error> {
    let mut seed = [0; SEED_BYTES];
    getrandom::fill(&mut seed).map_err(Error::Random)?;
    Ok(seed)
}

/// Adds a seed to those of other requests that drew theirs at the same time.
pub(crate) fn add(metadata: &mut Metadata, seed: &Seed) {
    let mut all = seeds(metadata).to_vec();
    all.push(*seed);
    let first = all.len().saturating_sub(MAX_SEEDS);
    set(metadata, &all[first..]);
}

/// Puts a seed in the place of those there are: none of the tokens before is worth anything. If nobody was given one, there
/// is nothing to replace.
pub(crate) fn replace(metadata: &mut Metadata, seed: &Seed) {
    if metadata.encoded(SEEDS).is_some() {
        set(metadata, &[*seed]);
    }
}

fn seeds(metadata: &Metadata) -> &[Seed] {
    // MessagePack's `bin 8`: its mark, its length, its bytes.
    match metadata.encoded(SEEDS) {
        Some([0xc4, _, bytes @ ..]) => bytes.as_chunks().0,
        _ => &[],
    }
}

fn set(metadata: &mut Metadata, all: &[Seed]) {
    let length = u8::try_from(all.len() * SEED_BYTES).expect("there are at most four");
    let bytes = [&[0xc4, length], all.as_flattened()].concat();
    metadata.apply(SEEDS, &Operation::Set(bytes.into())).expect("setting always works");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_of_parallel_requests_are_kept_up_to_four() {
        let mut metadata = Metadata::default();
        replace(&mut metadata, &[9; SEED_BYTES]);
        assert!(metadata.is_empty(), "nobody was given a token");
        for seed in 1..=6 {
            add(&mut metadata, &[seed; SEED_BYTES]);
        }
        assert_eq!(seeds(&metadata), [3, 4, 5, 6].map(|seed| [seed; SEED_BYTES]));
        replace(&mut metadata, &[7; SEED_BYTES]);
        assert_eq!(seeds(&metadata), [[7; SEED_BYTES]]);
        assert!(Metadata::parse(metadata.bytes()).is_ok());
    }

    #[test]
    fn what_is_no_seed_is_none() {
        for value in [&[0xc4, 3, 1, 2, 3][..], &[0xc0], &[0x91, 0x01]] {
            let mut metadata = Metadata::default();
            metadata.apply(SEEDS, &Operation::Set(value.into())).unwrap();
            assert!(seeds(&metadata).is_empty(), "{value:?}");
        }
    }
}
