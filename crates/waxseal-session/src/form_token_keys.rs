//! The keys of form tokens, given by the maker of the session.

use std::io;

/// Length of a [`Seed`] in bytes.
pub const SEED_BYTES: usize = 16;

/// Random bytes of a session, from which its form tokens are computed.
pub type Seed = [u8; SEED_BYTES];

/// Makes and checks form tokens under a key that the session never sees.
pub trait FormTokenKeys: Send + Sync {
    /// Makes a token of `seed`: a MAC, masked anew for each call.
    ///
    /// # Errors
    ///
    /// If the system has no randomness.
    fn make(&self, seed: &Seed) -> io::Result<String>;

    /// Returns `true` if `token`, which may be any bytes, is a token of `seed`. Takes a time that does not tell how
    /// close the token is.
    fn is_good(&self, seed: &Seed, token: &[u8]) -> bool;
}
