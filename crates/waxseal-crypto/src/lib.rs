//! Secret keys, the key ring, and sealing: bytes in, bytes or text out.
//!
//! A [`SecretKey`] is 32 bytes, generated once or derived from a passphrase. A [`Keyring`] seals with its first
//! key and opens with all of them. A [`Context`] is the purpose, the name and the audience of a value. A ring and a
//! context make a [`Sealer`], which encrypts, a signer of [`SignedTokens`], or an [`Authenticator`], which computes
//! MACs. A value sealed in one context does not open in another.
//!
//! ```
//! use waxseal_crypto::{Context, Keyring, Limits, SecretKey, Times};
//!
//! let keyring = Keyring::new(SecretKey::generate()?);
//! let sealer = keyring.sealer(&Context::new("session")?.with_name("__Host-session")?);
//!
//! // Created now; lives half an hour without use and half a day in all. Time is always an argument.
//! let now = 1_789_999_900;
//! let text = sealer.seal_text(b"school=Hogwarts", Times::new(now, now, 1_800, 43_200))?;
//!
//! let opened = sealer.open_text(text.as_bytes(), now + 60, Limits::NONE)?;
//! assert_eq!(opened.payload(), b"school=Hogwarts");
//! assert!(sealer.open_text(text.as_bytes(), now + 1_800, Limits::NONE).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The cipher is XChaCha20-Poly1305, with a commitment to the key and the context in every value. The module
//! [`mod@format`] specifies the bytes; the modules are listed in the order of its sections, and comments cite its lines and steps.
//!
//! The feature `hazmat` adds sealing under a given nonce, to reproduce test vectors and for nothing else.
//!
//! Left to others: transport, the meaning of payloads, clocks, and where keys are kept.

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

/// The example of the README, run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
