#![doc = include_str!("../README.md")]
//!
//! # Parts
//!
//! A [`SecretKey`] is 32 bytes, generated once or derived from a passphrase. A [`Keyring`] seals with its first
//! key and opens with all of them. A [`Context`] is the purpose, the name and the audience of a value. A ring and a
//! context make a [`Sealer`], which encrypts, a signer of [`SignedTokens`], or an [`Authenticator`], which computes
//! MACs. A value sealed in one context does not open in another.
//!
//! The module [`mod@format`] specifies the bytes. The crate's modules are listed in the order of its sections, and
//! their comments cite its lines and steps.

pub mod format;

// `format.md`, section "Keys".
mod authenticator;
mod context;
mod derive;
mod key_id;
mod keyring;
mod passphrase;
mod secret_key;

// Section "Sealed bytes".
mod aead;
mod envelope;
mod format_limits;
mod inner;
mod text;

// Section "Open".
mod opened;
mod rejected;
mod sealer;
mod times;

// Section "Signed tokens".
mod signed;

// Beside the format.
mod error;
#[cfg(test)]
mod known_answers;
mod sealed_parts;
mod tokens;

pub use authenticator::Authenticator;
pub use context::Context;
pub use error::Error;
pub use format_limits::{
    MAX_BINARY_BYTES, MAX_BOUND_BYTES, MAX_CLOCK_SKEW_SECONDS, MAX_LABEL_BYTES, MAX_TEXT_BYTES,
};
pub use key_id::KeyId;
pub use keyring::Keyring;
pub use opened::Opened;
pub use rejected::{Reason, Rejected};
pub use sealed_parts::{SealedParts, SignedParts};
pub use sealer::{FreshNonce, Sealer};
pub use secret_key::SecretKey;
pub use signed::{SignedToken, SignedTokens};
pub use times::{Limits, Times};
