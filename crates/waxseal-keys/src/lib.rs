//! Where the secret keys of a Waxseal app come from: the environment or a file, changed by an operator and followed by a
//! running server.

pub mod error_chain;
pub mod format_time;
mod key_file;
mod key_watcher;
mod rotation;
mod secret_error;
mod secret_file;
mod secret_options;
mod secrets;
mod strength;

pub use key_file::{KeyFile, KeyFileError, ListedKey, Retirement};
pub use key_watcher::{KeyReport, KeyStatus, KeyWatcher};
pub use secret_error::SecretError;
pub use secret_file::make_development_secret;
pub use secret_options::SecretOptions;
pub use secrets::{KeyKind, Secrets};
