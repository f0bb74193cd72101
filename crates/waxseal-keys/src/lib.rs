#![doc = include_str!("../README.md")]
//!
//! [`Secrets`] reads the keys and refuses those that can be guessed. [`KeyFile`] changes a file of keys, step by step:
//! add, promote, retire. [`KeyWatcher`] reads a changed file while the server runs.

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
pub use listed_key::{ListedKey, Promoted, Retired, Retirement, RevokedAll};
pub use secret_file::{DEVELOPMENT_FILE, make_development_secret, make_secret};
pub use secret_options::SecretOptions;
pub use secrets::{KeyKind, Secrets};
