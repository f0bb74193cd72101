//! Secret keys for Waxseal: from environment variables or a file, rotated by an operator, and followed by a running
//! server.
//!
//! ```no_run
//! use std::time::Duration;
//! use waxseal_keys::{KeyWatcher, SecretOptions, Secrets};
//!
//! # async fn example() -> Result<(), waxseal_keys::Error> {
//! let secrets = Secrets::load(SecretOptions::new(), "wizard").await?;
//! let current = std::sync::Mutex::new(secrets.keyring().clone());
//! let watcher = KeyWatcher::new(&secrets, Some(Duration::from_secs(1)));
//! watcher.run(|keyring| *current.lock().unwrap() = keyring.clone()).await;
//! # Ok(())
//! # }
//! ```
//!
//! [`Secrets`] reads the keys and refuses those that can be guessed. [`KeyFile`] changes a file of keys, step by step:
//! add, promote, retire. [`KeyWatcher`] takes a changed file while the server runs.
//!
//! The format of a key and all cryptography are in `waxseal-crypto`; the commands for an operator in `waxseal-cli`.

mod error;
pub mod error_chain;
mod file_watch;
pub mod format_time;
mod key_file;
mod key_status;
mod key_watcher;
mod listed_key;
mod permissions;
mod private_file;
mod replacement;
mod rotation;
mod secret_file;
mod secret_options;
mod secrets;
mod strength;
mod variable;

pub use error::Error;
pub use key_file::KeyFile;
pub use key_status::{KeyReport, KeyStatus};
pub use key_watcher::KeyWatcher;
pub use listed_key::{ListedKey, Retirement};
pub use secret_file::{DEVELOPMENT_FILE, make_development_secret};
pub use secret_options::SecretOptions;
pub use secrets::{KeyKind, Secrets};

/// The example of the README, run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
