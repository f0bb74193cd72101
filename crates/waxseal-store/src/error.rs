//! Why a session could not be read, written or sealed.

use std::fmt;
use std::sync::Arc;

use crate::{Fault, ValueError};

/// Why a session could not be read, written or sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// One value could not be written or read; the source says why.
    #[error("session[{key:?}]")]
    Value {
        /// The key asked for.
        key: String,
        /// What is wrong with its value.
        source: ValueError,
    },
    /// The session no longer fits its cookie, or its record on the server. It was left as it was before the call.
    #[error(
        "the session would be {size} bytes and there is room for {limit}; {largest}; \
         keep large data in a database and its id in the session"
    )]
    TooLarge {
        /// Bytes that the session would take, room for metadata included.
        size: usize,
        /// Bytes that fit.
        limit: usize,
        /// The keys that take the most.
        largest: Largest,
    },
    /// The answer's head has left with the session in it; nothing written now could reach the browser.
    #[error("the session was already sent; write to it before the response's head leaves")]
    Sent,
    /// The store cannot be reached or used now, or nobody can tell whether it did what was asked.
    #[error("the session store does not answer; try again in some seconds")]
    Unavailable(#[source] StoreError),
    /// The store refused what was asked, and would again.
    #[error("the session store failed")]
    Store(#[source] StoreError),
    /// The store does not answer, and what is shown of this session is a copy: nothing can be written to it.
    #[error("the session store does not answer, so this session can only be read; try again in some seconds")]
    Unconfirmed,
    /// Another request changed this key meanwhile, after the handler had seen what was there.
    #[error("another request changed session[{key:?}] at the same time; repeat this one")]
    Conflict {
        /// The key.
        key: String,
    },
    /// Other requests changed the session each time that this one tried to save it.
    #[error("too many requests change this session at once; repeat this one")]
    Contended,
    /// The session was ended by another request, or its time ran out, before this one could save it.
    #[error("the session was ended meanwhile, and nothing was saved; sign in again")]
    Gone,
    /// Another request gave the session a new id, as a sign-in does; this one came with the old. If the answer with the new
    /// one was lost, [`sign_in`](crate::Session::sign_in) takes it over.
    #[error(
        "another request gave this session a new id; load the page again, and sign in again if it does not know you"
    )]
    Renewed,
    /// An owner's name is empty, too long, or has control characters.
    #[error("an owner's name has 1 to 255 bytes and no control characters")]
    Owner,
    /// These sessions live in cookies alone, and nobody could list or end them.
    #[error(
        "sessions in state `cookie` are kept nowhere; use state `store` or `mirrored`, \
         or, to end all of an owner's, a list of ended sessions"
    )]
    NoStore,
    /// A lifetime is zero, or longer than 136 years.
    #[error("a session's {0} lifetime must be between 1 and 4294967294 seconds")]
    Lifetime(&'static str),
    /// An idle lifetime that is longer than the absolute one, which would cut an active visitor off.
    #[error(
        "the {idle_name} lifetime of {idle} seconds is longer than the {absolute_name} one of {absolute} seconds; \
         raise the latter, or lower the former"
    )]
    IdleBeyondAbsolute {
        /// "idle" or "permanent idle".
        idle_name: &'static str,
        /// Its seconds.
        idle: u32,
        /// "absolute" or "permanent absolute".
        absolute_name: &'static str,
        /// Its seconds.
        absolute: u32,
    },
    /// The sealed form could not be made.
    #[error("the session could not be sealed")]
    Seal(#[from] waxseal_crypto::Error),
    /// The operating system had no randomness for a session id.
    #[error("no randomness for a session id")]
    Random(#[source] getrandom::Error),
}

/// What a store said, whichever store it is.
#[derive(Clone)]
pub struct StoreError {
    fault: Fault,
    error: Arc<dyn std::error::Error + Send + Sync>,
}

impl StoreError {
    pub(crate) fn new(fault: Fault, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { fault, error: Arc::new(error) }
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.fault
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreError({:?}, {})", self.fault, self.error)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// By what it means for the request: waiting helps, or it does not.
impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error.fault {
            Fault::Outage | Fault::Refused => Self::Unavailable(error),
            Fault::Defect => Self::Store(error),
        }
    }
}

/// The largest entries of a session, each with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Largest(Vec<(String, usize)>);

impl Largest {
    const SHOWN: usize = 3;

    pub(crate) fn of<'a>(sizes: impl Iterator<Item = (&'a str, usize)>) -> Self {
        let mut sizes: Vec<_> = sizes.collect();
        sizes.sort_by_key(|&(_, size)| std::cmp::Reverse(size));
        Self(sizes.into_iter().take(Self::SHOWN).map(|(key, size)| (key.to_owned(), size)).collect())
    }

    /// Keys with the bytes that each entry takes, the largest first, at most three.
    pub fn iter(&self) -> impl Iterator<Item = (&str, usize)> {
        self.0.iter().map(|(key, size)| (key.as_str(), *size))
    }
}

impl fmt::Display for Largest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("largest: ")?;
        for (at, (key, size)) in self.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{:?} ({size} bytes)", shown(key))?;
        }
        Ok(())
    }
}

/// A key may be user text: no more of it than a log line bears.
fn shown(key: &str) -> &str {
    let end = key.char_indices().nth(40).map_or(key.len(), |(at, _)| at);
    &key[..end]
}

/// A token that is nobody's session: damaged, forged, expired, or sealed by a key that is gone.
///
/// Its text is the same whatever the reason; [`reason`](Self::reason) is for logs and never for an answer.
#[derive(Debug, thiserror::Error)]
#[error("the session token was refused")]
pub struct Rejected(Reason);

impl Rejected {
    /// Why, for a log line or a counter.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        &self.0
    }
}

impl From<Reason> for Rejected {
    fn from(reason: Reason) -> Self {
        Self(reason)
    }
}

/// Why a token was refused, for logs; holds no secret and nothing of the session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The seal: see [`waxseal_crypto::Reason`].
    #[error("{0}")]
    Seal(waxseal_crypto::Reason),
    /// The commitment: the token is one of ours, of another state.
    #[error("sealed in state `{0}`, and this server keeps sessions in another state")]
    State(&'static str),
    /// The seal is good and what is inside is not a session of this version.
    #[error("the sealed session cannot be read: {0}")]
    Content(&'static str),
}

impl Reason {
    /// All that [`word`](Self::word) may say of a token, in the order of the checks.
    pub(crate) const WORDS: [&'static str; 12] = [
        "too_long",
        "alphabet",
        "length",
        "version",
        "unknown_key",
        "commitment",
        "tag",
        "padding",
        "future",
        "idle",
        "absolute",
        "content",
    ];

    /// The reason as one word, always the same: for counters and programs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Seal(reason) => reason.word(),
            Self::State(_) => waxseal_crypto::Reason::Commitment.word(),
            Self::Content(_) => "content",
        }
    }

    /// The step of "Open" in `docs/format.md` that refused; `None` if the seal is good, and what is inside is not.
    #[must_use]
    pub fn step(&self) -> Option<u8> {
        match self {
            Self::Seal(reason) => Some(reason.step()),
            Self::State(_) => Some(waxseal_crypto::Reason::Commitment.step()),
            Self::Content(_) => None,
        }
    }
}
