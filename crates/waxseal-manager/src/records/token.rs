//! Tokens of states `store` and `mirrored`: the format's section "What is sealed", purposes `session/store` and
//! `session/mirrored`.

use std::sync::Arc;

use waxseal_crypto::{Opened, SignedToken, Times};
use waxseal_session::backend::{Content, ReadOnly};
use waxseal_store::{Revision, SessionId, Timestamp};

use super::keyed_id::KeyedId;
use crate::active_keys::ActiveKeys;
use crate::origin::{Origin, RecordRef};
use crate::visit::Visit;

pub(super) const RECORD_ONLY: u8 = 0;
pub(super) const WITH_COPY: u8 = 1;

/// An opened token.
pub(crate) struct Token {
    pub(crate) id: KeyedId,
    pub(crate) times: Times,
    needs_reseal: bool,
    /// In state `mirrored`, the revision, and the copy unless the session is only in the record.
    pub(crate) copy: Option<(Revision, Option<Content>)>,
    /// `true` if the token was made in a former state, so the browser has to get another one.
    is_former: bool,
}

impl Token {
    /// Reads the token of state `store`: a session id, and the time at which the token was made.
    pub(crate) fn of_id(signed: &SignedToken<{ SessionId::BYTES }>) -> Self {
        let (id, minted) = (KeyedId::new(SessionId::from_bytes(*signed.payload())), signed.minted());
        // The lifetimes are in the record.
        let times = Times::new(minted, minted, Times::NO_IDLE, u32::MAX);
        Self { id, times, needs_reseal: signed.needs_reseal(), copy: None, is_former: false }
    }

    /// The token that a browser would have for a session that was made from a foreign one.
    pub(super) fn of_imported(id: SessionId, now: Timestamp) -> Self {
        let times = Times::new(now.as_secs(), now.as_secs(), Times::NO_IDLE, u32::MAX);
        Self { id: KeyedId::new(id), times, needs_reseal: false, copy: None, is_former: false }
    }

    /// Parses the token of state `mirrored`.
    ///
    /// # Errors
    ///
    /// A phrase for the log that says what is malformed.
    pub(crate) fn parse(opened: Opened) -> Result<Self, &'static str> {
        const REVISION_ENDS: usize = SessionId::BYTES + Revision::BYTES;
        let payload = opened.payload();
        let id = payload.first_chunk().ok_or("it ends before its id")?;
        let id = KeyedId::without_key(SessionId::from_bytes(*id));
        let (times, needs_reseal) = (opened.times(), opened.needs_reseal());
        let revision = payload.get(SessionId::BYTES..REVISION_ENDS).and_then(<[u8]>::first_chunk);
        let revision = Revision::from_bytes(*revision.ok_or("it ends before its revision")?);
        let content = match payload[REVISION_ENDS..] {
            [RECORD_ONLY] => None,
            [WITH_COPY, ..] => {
                let (buffer, payload) = opened.into_payload();
                Some(Content::parse(buffer, payload.start + REVISION_ENDS + 1..payload.end)?)
            }
            _ => return Err("it neither has a copy nor says that it has none"),
        };
        Ok(Self { id, times, needs_reseal, copy: Some((revision, content)), is_former: false })
    }

    /// The token as one of a former state. Only its id counts.
    pub(crate) fn into_former(self) -> Self {
        Self { copy: None, is_former: true, ..self }
    }

    /// A reference to the record, before the store is asked.
    pub(super) fn record(&self, revision: Revision) -> RecordRef {
        RecordRef {
            id: self.id.clone(),
            revision,
            times: self.times,
            needs_reseal: self.needs_reseal,
            refresh_after: None,
            is_outdated: self.is_former,
            confirmed: None,
        }
    }

    /// Makes a visit of an unknown session, so that it can be ended while the store is unavailable. It cannot be
    /// written.
    pub(crate) fn unknown(self, keys: &Arc<ActiveKeys>) -> Visit {
        let revision = self.copy.as_ref().map_or(Revision::UNKNOWN, |copy| copy.0);
        let origin = Origin::Record(self.record(revision));
        Visit::restored(Content::default(), origin, keys.clone(), false).read_only(ReadOnly::Outage)
    }
}
