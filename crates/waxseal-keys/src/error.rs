//! The error of this crate.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use waxseal_crypto::{KeyId, Keyring};

use crate::error_chain;
use crate::format_time::{self, unix_seconds};

/// A secret key that cannot be obtained, or a key file that cannot be changed. Never holds a key or a part of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No variable and no file names a key.
    #[error(
        "no secret key; make one with `waxseal gen-secret` and set SECRET_KEY to it, or SECRET_KEY_FILE to a file of it"
    )]
    Missing,
    /// A variable is set to the empty text.
    #[error("{0} is set but empty; make a secret key with `waxseal gen-secret`")]
    Empty(&'static str),
    /// A variable is not UTF-8.
    #[error("{0} is not UTF-8")]
    VariableNotUtf8(&'static str),
    /// A variable has one value with the prefix `WAXSEAL_` and another without.
    #[error("{0} and {1} are both set, and differ; unset one")]
    Differ(&'static str, &'static str),
    /// A variable holds a key while a file of keys is named.
    #[error("both {0} and a secret key file are set; unset one")]
    Both(&'static str),
    /// Fallback keys are set without a key that seals.
    #[error(
        "SECRET_KEY_FALLBACKS is set without SECRET_KEY; with a secret key file, fallbacks are its further lines"
    )]
    FallbacksAlone,
    /// The variable with the fallback keys is not a JSON list of strings.
    #[error("{0} must be a JSON list of strings, such as [\"last month's key\"]")]
    NotAList(&'static str),
    /// There are more keys than a ring can hold.
    #[error("{0} secret keys are more than a ring's {max}; retire the oldest", max = Keyring::MAX_KEYS)]
    TooMany(usize),
    /// A passphrase is easily guessed.
    #[error(
        "the secret key {0}; make one with `waxseal gen-secret`, or allow this one with --allow-weak-secret"
    )]
    Weak(&'static str),
    /// The text is not a key, or the keys do not fit into one ring.
    #[error("a secret key cannot be used{}", advice(.0))]
    Key(#[from] waxseal_crypto::Error),
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A file is not a list of keys.
    #[error("{} {found}; it should hold secret keys in UTF-8, one a line", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, as a phrase that follows the file's name.
        found: &'static str,
    },
    /// Other users can read the file.
    #[error("{} can be read or changed by others; make it yours alone with `chmod 600`, or remove it to have a new one", .0.display())]
    Exposed(PathBuf),
    /// Every user of the machine can change the file or folder.
    #[error("{} can be changed by every user of this machine, who could choose the key; take that away with `chmod o-w`", .0.display())]
    Writable(PathBuf),
    /// The file or folder belongs to another user.
    #[error(
        "{} belongs to another user ({owner}), who may know the key; make it yours with `chown`, or remove it to have a new one",
        path.display()
    )]
    Foreign {
        /// The file or folder.
        path: PathBuf,
        /// The id of the user that it belongs to.
        owner: u32,
    },
    /// The record beside a key file cannot be parsed.
    #[error("invalid rotation record: {} is not one that this release knows; move it away to start a new one", .0.display())]
    Record(PathBuf),
    /// Another command is changing the keys, or one was interrupted.
    #[error("{} is there: another command is changing the keys, or one was interrupted; if none is running, remove it", .0.display())]
    Busy(PathBuf),
    /// A file cannot be written.
    #[error("{} cannot be written", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A line is a passphrase, whose id depends on the app's name.
    #[error("line {0} is a passphrase, whose key id depends on the app's name; give it with --app")]
    AppMissing(usize),
    /// The file has no key with that id.
    #[error("there is no key {id} in the file; it holds {held}")]
    UnknownKey {
        /// The id asked for.
        id: String,
        /// The ids of the keys in the file.
        held: String,
    },
    /// The file has several keys with that id.
    #[error("two keys of the file are called {0}; change the lines by hand")]
    Ambiguous(KeyId),
    /// The file holds as many keys as a ring does.
    #[error("the file holds {} keys, which is the most; retire the oldest first", Keyring::MAX_KEYS)]
    Full,
    /// The key to be retired is the one that seals.
    #[error("key {0} seals; promote another one first, or if it leaked `waxseal keys revoke-all`")]
    Seals(KeyId),
    /// Sessions that the key to be retired has sealed may still be alive.
    #[error(
        "key {id} was replaced {} and sessions that it sealed may live for {} more; \
         retire it then, or sign their visitors out now with --revoke",
        format_time::date(unix_seconds(*replaced)), format_time::span(left.as_secs())
    )]
    TooEarly {
        /// The key.
        id: KeyId,
        /// The time at which another key took its place.
        replaced: SystemTime,
        /// The longest time that sessions of this key may still live.
        left: Duration,
    },
    /// The record does not say when the key to be retired stopped sealing.
    #[error(
        "it is not on record when key {id} ceased to seal, so it counts from now: \
         retire it in {}, or sign its visitors out now with --revoke",
        format_time::span(left.as_secs())
    )]
    NotOnRecord {
        /// The key.
        id: KeyId,
        /// The longest time that sessions of this key may still live.
        left: Duration,
    },
}

/// The command that makes a key, if a new key would help.
fn advice(error: &waxseal_crypto::Error) -> &'static str {
    if error.is_about_key_text() { " (`waxseal gen-secret` makes a new one)" } else { "" }
}

impl Error {
    /// `true` if nothing is wrong with the file, and the change was refused because it would sign visitors out.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Seals(_) | Self::TooEarly { .. } | Self::NotOnRecord { .. })
    }

    /// The error and its causes on one line.
    #[must_use]
    pub fn one_line(&self) -> String {
        error_chain::one_line(error_chain::texts(self))
    }
}
