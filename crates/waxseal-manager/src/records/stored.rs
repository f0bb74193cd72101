//! State `store`: the token is a session id, and every request asks the store.

use std::sync::Arc;

use waxseal_store::{Answers, Timestamp};

use super::record_store::RecordStore;
use super::token::Token;
use crate::access::{Access, WhenAway};
use crate::active_keys::ActiveKeys;
use crate::any_store::at_once;
use crate::error::Error;
use crate::visit::Visit;

/// Sessions in state `store`.
pub(crate) struct StoredSessions {
    pub(crate) records: RecordStore,
    pub(crate) when_away: WhenAway,
}

impl StoredSessions {
    /// Makes the visit of a token, if the store does not have to be asked or answers at once. Otherwise returns the token,
    /// which has to be [loaded](Self::load).
    pub(crate) fn ready(
        &self,
        keys: &Arc<ActiveKeys>,
        token: Token,
        access: Access,
        now: Timestamp,
    ) -> Result<Visit, Box<Token>> {
        let records = &self.records;
        if records.unfinished.has(|| token.id.key()) {
            return Ok(records.signed_out(keys));
        }
        if records.any_store().answers() != Answers::Later {
            let place = records.place(&token, access);
            if let Some(Ok(visit)) = at_once(records.visit_by_record(keys, &token, None, now)) {
                return Ok(visit.placed(place));
            }
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
        match self.records.visit_by_record(keys, &token, None, now).await {
            Ok(visit) => Ok(visit.placed(place)),
            Err(error)
                if error.fault().passes()
                    && access == Access::Read
                    && self.when_away == WhenAway::Anonymous =>
            {
                tracing::warn!(%error, "the session store does not answer; the visitor is shown as an anonymous one");
                Ok(token.unknown(keys))
            }
            Err(error) => Err(error.into()),
        }
    }
}
