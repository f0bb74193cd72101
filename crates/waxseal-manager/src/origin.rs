//! Where an opened session came from: a token that holds the whole session, or a record.

use waxseal_crypto::Times;
use waxseal_store::{Revision, Timestamp};

use crate::adoption::foreign::ForeignRef;
use crate::confirmed::Confirmed;
use crate::due::TokenFacts;
use crate::records::keyed_id::KeyedId;
use crate::refresh::RESEAL_AFTER_SECONDS;
use crate::revocations::question::Question;

/// The length of the id of a session in state `cookie`, by which it can be revoked, in bytes.
pub(crate) const COOKIE_ID_BYTES: usize = 16;

#[derive(Clone)]
pub(crate) enum Origin {
    Cookie(CookieToken),
    Record(RecordRef),
    /// A foreign session that was not taken over, and has to be ended.
    Foreign(ForeignRef),
}

/// A token that holds the whole session.
#[derive(Clone)]
pub(crate) struct CookieToken {
    pub(crate) id: [u8; COOKIE_ID_BYTES],
    pub(crate) times: Times,
    pub(crate) needs_reseal: bool,
    /// The age from which activity is noted in the token, in seconds.
    pub(crate) refresh_after: u64,
    /// The question to ask the list of revoked sessions about it, if there is a list.
    pub(crate) question: Option<Question>,
}

/// A reference to a session's record, with what the request knows about it.
#[derive(Clone)]
pub(crate) struct RecordRef {
    pub(crate) id: KeyedId,
    /// The revision of the content that the request has.
    pub(crate) revision: Revision,
    /// The times of the visitor's token.
    pub(crate) times: Times,
    /// The token was sealed by a key that is no longer the first.
    pub(crate) needs_reseal: bool,
    /// The age from which activity is noted in the token, in seconds. `None` if it is not.
    pub(crate) refresh_after: Option<u64>,
    /// The browser has another revision or another id.
    pub(crate) is_outdated: bool,
    /// The store's answer in this request. `None` if it was not asked.
    pub(crate) confirmed: Option<Confirmed>,
}

impl CookieToken {
    /// The facts about the browser's token. `is_outdated` says that it has to be replaced.
    pub(crate) fn facts(&self, is_outdated: bool, now: Timestamp) -> TokenFacts {
        TokenFacts {
            age: now.as_secs().saturating_sub(self.times.sealed()),
            refresh_after: Some(self.refresh_after),
            reseal_after: self.needs_reseal.then_some(RESEAL_AFTER_SECONDS),
            is_outdated,
        }
    }
}

impl RecordRef {
    /// The facts about the browser's token. `first` is the id of the key that seals.
    pub(crate) fn facts(&self, confirmed: &Confirmed, first: [u8; 4], now: Timestamp) -> TokenFacts {
        let record_is_old = confirmed.seal.is_some_and(|seal| seal.is_due(first, now));
        TokenFacts {
            age: now.as_secs().saturating_sub(self.times.sealed()),
            refresh_after: self.refresh_after,
            reseal_after: self.reseal_after().into_iter().chain(record_is_old.then_some(0)).min(),
            is_outdated: self.is_outdated,
        }
    }

    /// The age from which the token is sealed anew, in seconds. `None` unless an old key sealed it.
    pub(crate) fn reseal_after(&self) -> Option<u64> {
        self.needs_reseal.then_some(RESEAL_AFTER_SECONDS)
    }

    pub(crate) fn is_reseal_due(&self, now: Timestamp) -> bool {
        let age = now.as_secs().saturating_sub(self.times.sealed());
        self.reseal_after().is_some_and(|after| age >= after)
    }
}
