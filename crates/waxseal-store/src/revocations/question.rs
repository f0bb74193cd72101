//! What is to be asked of one session.

use sha2::{Digest, Sha256};
use waxseal_crypto::{Limits, Times};

use super::{CLOCKS_APART, Epoch};
use crate::content::Content;
use crate::metadata::OWNER;
use crate::origin::COOKIE_ID_BYTES;
use crate::{PublicId, RecordKey, Revision, Timestamp};

/// What is to be asked of one session: what it was when its token was sealed, whatever a request makes of it.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    id: [u8; COOKIE_ID_BYTES],
    pub(crate) owner: Option<String>,
    /// `None` also if the owner signed in before there was a list.
    pub(crate) epoch: Option<Epoch>,
    pub(crate) permanent: bool,
    /// When nobody has to remember any more that it was ended.
    pub(super) end: Timestamp,
}

impl Question {
    pub(crate) fn new(id: [u8; COOKIE_ID_BYTES], times: Times, content: &Content) -> Self {
        // By what was sealed: today's limits may be shorter than tomorrow's.
        let end = Timestamp::from_millis(times.absolute_end(Limits::NONE).saturating_mul(1_000));
        let owner: Option<String> = content.metadata.get(OWNER);
        let epoch = owner.as_ref().and_then(|_| Epoch::of(&content.metadata));
        Self { id, owner, epoch, permanent: content.permanent, end: end.after(CLOCKS_APART) }
    }

    /// Where the end of this id is noted. Nobody but the servers knows an id, so nobody can look for two with one handle.
    pub(super) fn key(&self) -> RecordKey {
        let hash = Sha256::new().chain_update(b"waxseal/revoked\0").chain_update(self.id);
        let hash: [u8; RecordKey::HASH_BYTES] = hash.finalize().into();
        RecordKey::new(
            PublicId::from_bytes(*hash.first_chunk().expect("a hash is longer than a handle")),
            hash,
        )
    }

    /// What this process remembers answers under: an id has one epoch, for as long as it is used.
    pub(super) fn revision(&self) -> &Revision {
        const NONE: Revision = Revision::from_bytes([0; Revision::BYTES]);
        self.epoch.as_ref().map_or(&NONE, |epoch| &epoch.revision)
    }
}
