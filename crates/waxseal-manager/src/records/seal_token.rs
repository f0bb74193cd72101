//! Tokens, sealed or signed.

use waxseal_crypto::Times;
use waxseal_session::backend::Content;
use waxseal_store::{Revision, SessionId, Timestamp};

use super::record_store::{RecordStore, span};
use super::token::{RECORD_ONLY, WITH_COPY};
use crate::active_keys::{ActiveKeys, TokenKeys};
use crate::confirmed::ConfirmedAt;
use crate::error::Error;
use crate::outcome::Outcome;

/// The parts of a token.
pub(super) struct TokenParts<'a> {
    pub(super) id: &'a SessionId,
    pub(super) revision: &'a Revision,
    pub(super) content: &'a Content,
    pub(super) created: Timestamp,
    pub(super) absolute_end: Timestamp,
    pub(super) confirmed_at: ConfirmedAt,
}

impl RecordStore {
    /// Seals the token of a session whose version the store has confirmed in this request. The token's `sealed` time is
    /// that of the revalidation.
    pub(super) fn seal_token(&self, keys: &ActiveKeys, parts: &TokenParts<'_>) -> Result<Outcome, Error> {
        let TokenParts { id, revision, content, created, absolute_end, confirmed_at } = *parts;
        let limits = self.lifetimes.of_session(content);
        let sealed = confirmed_at.time().as_secs();
        let token = match keys.tokens() {
            TokenKeys::Signed(tokens) => tokens.sign(id.as_bytes(), sealed)?,
            TokenKeys::Sealed(sealer) => {
                // If the session was begun by a clock that is ahead of this one, its token must still not be sealed
                // later than the revalidation.
                let begun = created.as_secs().min(sealed);
                let times = Times::new(begun, sealed, Times::NO_IDLE, limits.absolute);
                let room = SessionId::BYTES + Revision::BYTES + 1 + content.planned_size();
                let mut payload = Vec::with_capacity(room);
                payload.extend_from_slice(id.as_bytes());
                payload.extend_from_slice(revision.as_bytes());
                let head = payload.len();
                payload.push(WITH_COPY);
                content.write(&mut payload);
                if payload.len() > sealer.max_text_payload() {
                    payload.truncate(head);
                    payload.push(RECORD_ONLY);
                }
                sealer.seal_text(&payload, times)?
            }
        };
        let end = confirmed_at.time().after(span(limits.idle)).min(absolute_end);
        Ok(Outcome::Set { token, expires: content.permanent.then(|| end.into()) })
    }
}
