//! What a browser brings: `docs/format.md`, "What is sealed", purposes `session/store` and `session/mirrored`.

use std::sync::Arc;

use waxseal_crypto::{Opened, SignedToken, Times};

use crate::content::Content;
use crate::origin::RecordRef;
use crate::{Revision, SessionId};

pub(super) const RECORD_ONLY: u8 = 0;
pub(super) const WITH_COPY: u8 = 1;

pub(crate) struct Token {
    pub(crate) id: SessionId,
    pub(crate) times: Times,
    pub(super) needs_reseal: bool,
    /// In state `mirrored`: which revision, and the session itself unless only the record holds it.
    pub(crate) copy: Option<(Revision, Option<Content>)>,
}

impl Token {
    /// State `store`: an id, and when it was minted.
    pub(crate) fn of_id(signed: &SignedToken<{ SessionId::BYTES }>) -> Self {
        let (id, minted) = (SessionId::from_bytes(*signed.payload()), signed.minted());
        // How long it lives is the record's to say.
        let times = Times::new(minted, minted, Times::NO_IDLE, u32::MAX);
        Self { id, times, needs_reseal: signed.needs_reseal(), copy: None }
    }

    /// State `mirrored`.
    ///
    /// # Errors
    ///
    /// A phrase for the log that says what is malformed.
    pub(crate) fn parse(opened: Opened) -> Result<Self, &'static str> {
        const REVISION_ENDS: usize = SessionId::BYTES + Revision::BYTES;
        let payload = opened.payload();
        let id = payload.first_chunk().ok_or("it ends before its id")?;
        let (id, times, needs_reseal) = (SessionId::from_bytes(*id), opened.times(), opened.needs_reseal());
        let revision = payload.get(SessionId::BYTES..REVISION_ENDS).and_then(<[u8]>::first_chunk);
        let revision = Revision::from_bytes(*revision.ok_or("it ends before its revision")?);
        let content = match payload[REVISION_ENDS..] {
            [RECORD_ONLY] => None,
            [WITH_COPY, ..] => Some(Content::parse(Arc::new(opened), REVISION_ENDS + 1)?),
            _ => return Err("it neither has a copy nor says that it has none"),
        };
        Ok(Self { id, times, needs_reseal, copy: Some((revision, content)) })
    }

    /// What is known of the session before the store is asked.
    pub(super) fn held(&self, revision: Revision) -> RecordRef {
        RecordRef {
            id: self.id.clone(),
            revision,
            times: self.times,
            needs_reseal: self.needs_reseal,
            is_outdated: false,
            known: None,
        }
    }
}
