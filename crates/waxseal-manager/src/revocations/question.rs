//! The question to the list about one session.

use std::time::Duration;

use sha2::{Digest, Sha256};
use waxseal_crypto::{Limits, Times};
use waxseal_session::backend::Content;
use waxseal_store::{PublicId, RecordKey, Revision, Timestamp};

use super::entry::{CLOCKS_APART, IdEnd};
use super::epoch::Epoch;

/// Length in bytes of the id of a session in a cookie.
const ID_BYTES: usize = 16;
/// Length in bytes of a series of offers.
const SERIES_BYTES: usize = 12;

/// The entry of a session that was ended or renewed.
const REVOKED: &[u8] = b"waxseal/revoked\0";
/// The entry of a series of offers of which one was taken up. Its revision is the mark of the binding.
const BOUND: &[u8] = b"waxseal/bound\0";

/// A question about a session as its token was sealed, whatever the request does to it.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// The kind of entry that is asked for.
    entry: &'static [u8],
    /// The time in which the entry does not count yet.
    pub(super) settling: Duration,
    id: [u8; ID_BYTES],
    pub(crate) owner: Option<String>,
    /// The session's epoch. `None` also if the owner signed in before there was a list.
    pub(crate) epoch: Option<Epoch>,
    pub(crate) permanent: bool,
    /// The time after which the session's end need not be remembered.
    pub(super) end: Timestamp,
}

impl Question {
    pub(crate) fn new(id: [u8; ID_BYTES], times: Times, content: &Content) -> Self {
        // By the sealed times, because the limits may be longer tomorrow than today.
        let end = Timestamp::from_millis(times.absolute_end(Limits::NONE).saturating_mul(1_000));
        let owner = content.owner();
        let epoch = owner.as_ref().and_then(|_| Epoch::of(&content.metadata));
        let (entry, settling) = (REVOKED, Duration::ZERO);
        Self { entry, settling, id, owner, epoch, permanent: content.permanent, end: end.after(CLOCKS_APART) }
    }

    /// The question whether an offer of this series was taken up, a minute ago at least. The answer is for copies of the
    /// session from before.
    pub(crate) fn of_series(series: [u8; SERIES_BYTES], end: Timestamp) -> Self {
        let settling = Duration::from_secs(60);
        let mut id = [0; ID_BYTES];
        id[..SERIES_BYTES].copy_from_slice(&series);
        Self { entry: BOUND, settling, id, owner: None, epoch: None, permanent: false, end }
    }

    pub(crate) fn id(&self) -> &[u8] {
        &self.id
    }

    /// The key of this id's end in the list. Only the servers know an id, so nobody can search for two with one public
    /// session id.
    pub(super) fn key(&self) -> RecordKey {
        let hash = Sha256::new().chain_update(self.entry).chain_update(self.id);
        let hash: [u8; RecordKey::HASH_BYTES] = hash.finalize().into();
        RecordKey::new(
            PublicId::from_bytes(*hash.first_chunk().expect("a hash is longer than a public id")),
            hash,
        )
    }

    /// The end of this id.
    pub(super) fn id_end(&self) -> IdEnd {
        IdEnd { until: self.end, is_owned: self.owner.is_some() }
    }

    /// The revision under which the near cache keeps answers. An id has one epoch for as long as it is used.
    pub(super) fn revision(&self) -> &Revision {
        const NONE: Revision = Revision::UNKNOWN;
        self.epoch.as_ref().map_or(&NONE, |epoch| &epoch.revision)
    }
}
