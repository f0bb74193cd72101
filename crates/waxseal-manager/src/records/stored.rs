//! State `store`: the token is a session id, and every request asks the store.

use std::sync::Arc;

use waxseal_store::Timestamp;

use super::record_store::RecordStore;
use super::token::Token;
use crate::access::{Access, WhenAway};
use crate::active_keys::ActiveKeys;
use crate::error::Error;
use crate::visit::Visit;

/// Sessions in state `store`.
pub(crate) struct StoredSessions {
    pub(crate) records: RecordStore,
    pub(crate) when_away: WhenAway,
}

impl StoredSessions {
    /// Makes the visit of a token if the store does not have to be asked. Otherwise returns the token, which has to be
    /// [loaded](Self::load).
    pub(crate) fn ready(&self, keys: &Arc<ActiveKeys>, token: Token) -> Result<Visit, Box<Token>> {
        if self.records.unfinished.has(|| token.id.key()) {
            return Ok(self.records.signed_out(keys));
        }
        Err(Box::new(token))
    }

    /// Makes the visit of a token from the store's answer.
    pub(crate) async fn load(
        &self,
        keys: &Arc<ActiveKeys>,
        token: Box<Token>,
        access: Access,
        now: Timestamp,
    ) -> Result<Visit, Error> {
        let place = self.records.place(&token, access);
        match self.records.visit_by_record(keys, token, None, now).await {
            Ok(visit) => Ok(visit.placed(place)),
            Err((error, token))
                if error.fault().passes()
                    && access == Access::Read
                    && self.when_away == WhenAway::Anonymous =>
            {
                tracing::warn!(%error, "the session store does not answer; the visitor is shown as an anonymous one");
                Ok(token.unknown(keys))
            }
            Err((error, _)) => Err(error.into()),
        }
    }
}
