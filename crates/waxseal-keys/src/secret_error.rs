//! Why there is no secret key to start with.

use std::io;
use std::path::PathBuf;

/// Why there is no secret key to start with. Never holds a key or a part of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// Nothing is set.
    #[error(
        "no secret key; make one with `waxseal gen-secret` and set SECRET_KEY to it, or SECRET_KEY_FILE to a file of it"
    )]
    Missing,
    /// A variable is set to nothing.
    #[error("{0} is set but empty; make a secret key with `waxseal gen-secret`")]
    Empty(&'static str),
    /// A variable is not UTF-8.
    #[error("{0} is not UTF-8")]
    VariableNotUtf8(&'static str),
    /// The prefixed and the plain variable hold two things.
    #[error("{0} and {1} are both set, and differ; unset one")]
    Differ(&'static str, &'static str),
    /// A key and a file of keys.
    #[error("both {0} and a secret key file are set; unset one")]
    Both(&'static str),
    /// Fallbacks without a key that seals.
    #[error(
        "SECRET_KEY_FALLBACKS is set without SECRET_KEY; with a secret key file, fallbacks are its further lines"
    )]
    FallbacksAlone,
    /// Fallbacks of another shape.
    #[error("{0} must be a JSON list of strings, such as [\"last month's key\"]")]
    NotAList(&'static str),
    /// More keys than a ring holds.
    #[error("{0} secret keys are more than a ring's 16; retire the oldest")]
    TooMany(usize),
    /// A passphrase that is easily guessed.
    #[error(
        "the secret key {0}; make one with `waxseal gen-secret`, or allow this one with --allow-weak-secret"
    )]
    Weak(&'static str),
    /// Text that is no key, or a ring that cannot be.
    #[error("a secret key cannot be used")]
    Key(#[from] waxseal_crypto::Error),
    /// A file that cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that is no list of keys.
    #[error("{} {found}; it should hold secret keys in UTF-8, one a line", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: &'static str,
    },
    /// A file that others can read.
    #[error("{} can be read or changed by others; make it yours alone with `chmod 600`, or remove it to have a new one", .0.display())]
    Exposed(PathBuf),
    /// A file or folder that every user of the machine can change.
    #[error("{} can be changed by every user of this machine, who could choose the key; take that away with `chmod o-w`", .0.display())]
    Writable(PathBuf),
    /// A file or folder of another user.
    #[error(
        "{} belongs to another user ({owner}), who may know the key; make it yours with `chown`, or remove it to have a new one",
        path.display()
    )]
    Foreign {
        /// The file or folder.
        path: PathBuf,
        /// Whose it is: the user's number.
        owner: u32,
    },
    /// The record beside a file of keys is something else.
    #[error("{} is no record of a rotation that this release knows; move it away to start a new one", .0.display())]
    Record(PathBuf),
    /// Another command changes the keys, or one was interrupted.
    #[error("{} is there: another command is changing the keys, or one was interrupted; if none is running, remove it", .0.display())]
    Busy(PathBuf),
    /// A file that cannot be written.
    #[error("{} cannot be written", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
