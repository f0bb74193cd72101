//! Errors of reading and writing a session.

use std::{fmt, io};

use crate::value::ValueError;

/// A read or write of a session that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// One value could not be written or read. The source says why.
    #[error("session[{key:?}]")]
    Value {
        /// The key asked for.
        key: String,
        /// The cause.
        source: ValueError,
    },
    /// The session would not fit into its cookie, or into its record on the server. It is as it was before the call.
    #[error(
        "the session would be {size} bytes and there is room for {limit}; {largest}; \
         keep large data in a database and its id in the session"
    )]
    TooLarge {
        /// The bytes that the session would take, including those reserved for metadata.
        size: usize,
        /// The largest size that fits, in bytes.
        limit: usize,
        /// The keys whose entries take the most bytes.
        largest: Largest,
    },
    /// A message of HTML is too long. It is not cut, because that would break the page.
    #[error("a message of HTML has {size} bytes and may have {limit}; say it shorter, or without HTML")]
    MarkupTooLong {
        /// The length of the message in bytes.
        size: usize,
        /// The longest that a message may be, in bytes.
        limit: usize,
    },
    /// The head of the response has been sent, with the session in it. A later write could not reach the browser.
    #[error("the session was already sent; write to it before the response's head leaves")]
    Sent,
    /// The store does not answer, so the session is shown from a copy, which cannot be written.
    #[error("the session store does not answer, so this session can only be read; try again in some seconds")]
    Unconfirmed,
    /// Another request changed this key after the handler saw its value.
    #[error("another request changed session[{key:?}] at the same time; repeat this one")]
    Conflict {
        /// The key.
        key: String,
    },
    /// The session was ended by another request, or it expired, before its changes were saved.
    #[error("the session was ended meanwhile, and nothing was saved; sign in again")]
    Gone,
    /// Another request, such as a sign-in, gave the session a new id, and this request came with the old id. If the
    /// response with the new id was lost, [`sign_in`](crate::Session::sign_in) takes that session over.
    #[error(
        "another request gave this session a new id; load the page again, and sign in again if it does not know you"
    )]
    Renewed,
    /// The browser cannot prove its device at the moment, so its session is not shown and cannot be written.
    #[error(
        "the browser could not prove its device for the moment; try again in some seconds, or sign in again"
    )]
    Unproven,
    /// The owner's name is empty, too long, or has control characters.
    #[error("an owner's name has 1 to 255 bytes and no control characters")]
    Owner,
    /// The session was made without keys for form tokens, so no session manager made it.
    #[error("this session was made without keys for form tokens; make it by a session manager")]
    NoFormTokens,
    /// The operating system had no randomness.
    #[error("no randomness from the operating system")]
    Random(#[source] io::Error),
}

/// Adds the key to an error of its value.
pub(crate) fn in_key(key: &str) -> impl FnOnce(ValueError) -> Error {
    move |source| Error::Value { key: key.to_owned(), source }
}

/// Fills `bytes` from the operating system's random source.
pub(crate) fn random(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes).map_err(|error| Error::Random(error.into()))
}

/// The largest entries of a session, each with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Largest(Vec<(String, usize)>);

impl Largest {
    const SHOWN: usize = 3;

    /// Picks the three largest of `sizes`.
    pub fn of<'a>(sizes: impl Iterator<Item = (&'a str, usize)>) -> Self {
        let mut sizes: Vec<_> = sizes.collect();
        sizes.sort_by_key(|&(_, size)| std::cmp::Reverse(size));
        Self(sizes.into_iter().take(Self::SHOWN).map(|(key, size)| (key.to_owned(), size)).collect())
    }

    /// At most three keys, each with the bytes that its entry takes, the largest first.
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

/// Shortens a key for a log line, because a key may be user text.
fn shown(key: &str) -> &str {
    let end = key.char_indices().nth(40).map_or(key.len(), |(at, _)| at);
    &key[..end]
}
