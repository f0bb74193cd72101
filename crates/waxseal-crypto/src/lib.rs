//! Secret keys, the key ring, and sealing: bytes in, bytes or text out.
//!
//! A [`SecretKey`] is 32 bytes, generated once or worked from a passphrase. A [`Keyring`] seals with its first
//! key and opens with all of them. A [`Context`] says what a value is for; a ring and a context make a
//! [`Sealer`], which encrypts, or an [`Authenticator`], which signs. A value sealed for one context is a
//! stranger to every other.
//!
//! ```
//! use waxseal_crypto::{Context, Keyring, Limits, SecretKey, Times};
//!
//! let keyring = Keyring::new(SecretKey::generate()?);
//! let sealer = keyring.sealer(&Context::new("session")?.with_name("__Host-session")?);
//!
//! // Created now, good for half an hour of silence and half a day in all. Time is always an argument.
//! let now = 1_789_999_900;
//! let text = sealer.seal_text(b"school=Hogwarts", Times::new(now, now, 1_800, 43_200))?;
//!
//! let opened = sealer.open_text(text.as_bytes(), now + 60, Limits::NONE)?;
//! assert_eq!(opened.payload(), b"school=Hogwarts");
//! assert!(sealer.open_text(text.as_bytes(), now + 1_800, Limits::NONE).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The cipher is XChaCha20-Poly1305 under a key of its own for every message, with a commitment to that key;
//! the bytes are specified in `docs/format.md`, and comments here cite its sections.
//!
//! The feature `hazmat` adds sealing under a given nonce, to reproduce test vectors and for nothing else.
//!
//! Left to others: where a value travels, what the payload means, which clock is asked, where keys are kept.

mod aead;
mod authenticator;
mod context;
mod derive;
mod envelope;
mod error;
mod inner;
mod key_id;
mod keyring;
#[cfg(test)]
mod known_answers;
mod opened;
mod passphrase;
mod rejected;
mod sealed_parts;
mod sealer;
mod secret_key;
mod signed;
mod text;
mod times;

pub use authenticator::Authenticator;
pub use context::{Context, MAX_LABEL_BYTES};
pub use envelope::{MAX_BINARY_BYTES, MAX_BOUND_BYTES, MAX_TEXT_BYTES};
pub use error::Error;
pub use key_id::KeyId;
pub use keyring::Keyring;
pub use opened::Opened;
pub use rejected::{Reason, Rejected};
pub use sealed_parts::{SealedParts, SignedParts};
pub use sealer::{FreshNonce, Sealer};
pub use secret_key::SecretKey;
pub use signed::{SignedToken, SignedTokens};
pub use times::{Limits, MAX_CLOCK_SKEW_SECONDS, Times};
