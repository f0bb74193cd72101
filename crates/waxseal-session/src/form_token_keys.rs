//! The keys of form tokens, provided by the code that makes the session.

use std::io;

/// Length of a [`Seed`] in bytes.
pub const SEED_BYTES: usize = 16;

/// Random bytes of a session, from which its form tokens are computed.
pub type Seed = [u8; SEED_BYTES];

/// Makes and checks form tokens under a key that the session never sees.
pub trait FormTokenKeys: Send + Sync {
    /// Makes a token for `seed`: a MAC with a new mask for each call.
    ///
    /// # Errors
    ///
    /// Any, if the system has no randomness.
    fn make(&self, seed: &Seed) -> io::Result<String>;

    /// Returns `true` if `token`, which may be any bytes, is a token for `seed`. The time taken does not reveal how
    /// much of the token is right.
    fn is_good(&self, seed: &Seed, token: &[u8]) -> bool;
}
