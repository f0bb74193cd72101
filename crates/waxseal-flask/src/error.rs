use crate::limits::MAX_DEPTH;

/// Why a key cannot be used, a cookie was refused, or a session cannot be written.
///
/// It is only for the log. `Debug` and `Display` contain nothing of a secret key, and of a cookie's content at most the
/// key of an entry; but a sender who sees the variant learns how far a forgery came. Visitors should see no difference:
/// after every refusal they get a new session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The secret key is empty. Flask itself has no sessions without one.
    #[error("Flask's secret key is empty; pass the value of SECRET_KEY")]
    KeyEmpty,

    /// The text is not payload, timestamp and signature in strict base64url, without padding and stray bits.
    #[error("not in the form of a Flask cookie")]
    Form,

    /// No key has made this signature with these settings.
    #[error("signed by none of the keys, or with another salt, derivation or digest")]
    Signature,

    /// The signature is good, but the signed timestamp is malformed.
    #[error("signed timestamp is not a number in its shortest form")]
    Timestamp,

    /// The cookie was signed longer ago than the lifetime; its age in seconds.
    #[error("expired: signed {age} seconds ago")]
    Expired {
        /// The seconds since the cookie was signed.
        age: u64,
    },

    /// The cookie was signed by a clock that is more than a minute ahead; by how many seconds it is ahead.
    #[error("signed {ahead} seconds in the future; compare the clocks of both servers")]
    Future {
        /// The seconds from now to the time of signing.
        ahead: u64,
    },

    /// The signature is good, but the content cannot be read.
    #[error("signature is good, content cannot be read")]
    Undecodable(#[source] Undecodable),

    /// The session to be written is nested too deeply.
    #[error("nested too deeply: JSON of more than {} levels", MAX_DEPTH)]
    TooDeep,
}

/// Why content with a good signature cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Undecodable {
    /// The payload is not strict base64url.
    #[error("payload is not strict base64url")]
    Base64,

    /// The compressed payload is damaged.
    #[error("payload is no zlib stream")]
    Zlib,

    /// The compressed payload inflates to more than the limit.
    #[error("payload inflates to more than the limit")]
    TooLarge,

    /// The payload is not UTF-8.
    #[error("payload is not UTF-8")]
    Utf8,

    /// The text is not JSON as Python writes it.
    #[error("payload is not JSON")]
    Json,

    /// The record is not MessagePack with text as keys, or has an extension other than timestamps of the years 100 to
    /// 9999. Pickled records are refused with this variant.
    #[error("record is not MessagePack as msgspec writes it")]
    MessagePack,

    /// Arrays and objects are nested too deeply.
    #[error("nested more than {} levels deep", MAX_DEPTH)]
    TooDeep,

    /// An integer does not fit into 128 bits.
    #[error("integer of more than 128 bits")]
    Integer,

    /// A text contains half of a surrogate pair, which Python allows and Rust does not.
    #[error("text with half a surrogate pair")]
    Surrogate,

    /// A tagged value does not fit its tag.
    #[error("value does not fit the tag `{0}`")]
    Tag(&'static str),

    /// The payload is not a dictionary.
    #[error("payload is not a dictionary")]
    NotADict,

    /// One entry of the dictionary cannot be read. The source says why.
    #[error("session[{:?}]", shown(key))]
    Entry {
        /// The entry's key.
        key: String,
        /// The cause, which is never an `Entry` itself.
        #[source]
        why: Box<Undecodable>,
    },
}

impl Undecodable {
    /// The cause, without the entries in which it occurred.
    pub fn cause(&self) -> &Self {
        match self {
            Self::Entry { why, .. } => why,
            why => why,
        }
    }

    /// Adds the key of the entry, which may be user text.
    pub(crate) fn in_entry(self, key: &str) -> Self {
        Self::Entry { key: key.to_owned(), why: Box::new(self) }
    }
}

/// Shortens a key for a line of a log.
fn shown(key: &str) -> &str {
    let end = key.char_indices().nth(40).map_or(key.len(), |(at, _)| at);
    &key[..end]
}

impl From<Undecodable> for Error {
    fn from(why: Undecodable) -> Self {
        Self::Undecodable(why)
    }
}
