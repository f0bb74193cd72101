//! The error of setting up a store.

/// The reason why a store could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The app's name is longer than 255 bytes.
    #[error("the app's name cannot be used")]
    Name(#[from] waxseal_crypto::Error),
}
