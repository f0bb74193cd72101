//! Tokens, sealed or signed.

use waxseal_crypto::Times;

use super::Server;
use super::find::{ConfirmedAt, span};
use super::token::{RECORD_ONLY, WITH_COPY};
use crate::active_keys::{ActiveKeys, TokenKeys};
use crate::content::Content;
use crate::sessions::Outcome;
use crate::{Error, Revision, SessionId, Timestamp};

/// What a token is made of, beside its keys.
pub(super) struct Minting<'a> {
    pub(super) id: &'a SessionId,
    pub(super) revision: &'a Revision,
    pub(super) content: &'a Content,
    pub(super) created: Timestamp,
    pub(super) absolute_end: Timestamp,
    pub(super) confirm: ConfirmedAt,
}

impl Server {
    /// The token of a session whose state the store has confirmed in this request. Its sealed time is the confirm's.
    pub(super) fn mint(&self, ring: &ActiveKeys, minting: &Minting<'_>) -> Result<Outcome, Error> {
        let Minting { id, revision, content, created, absolute_end, confirm } = *minting;
        let limits = self.lifetimes.of(content.permanent);
        let sealed = confirm.at().as_secs();
        let token = match ring.tokens() {
            TokenKeys::Signed(tokens) => tokens.sign(id.as_bytes(), sealed)?,
            TokenKeys::Sealed(sealer) => {
                // A session begun by a clock ahead of ours must not be sealed later than it was confirmed.
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
        let end = confirm.at().after(span(limits.idle)).min(absolute_end);
        Ok(Outcome::Set { token, expires: content.permanent.then(|| end.into()) })
    }
}
