//! Errors of the set-up.

/// A store that cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The app's name is longer than 255 bytes.
    #[error("the app's name cannot be used")]
    Name(#[from] waxseal_crypto::Error),
}
