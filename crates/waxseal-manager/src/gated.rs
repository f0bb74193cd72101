//! Visits as a device gate lets them through.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use waxseal_session::backend::{Content, ReadOnly, SEED_BYTES, Seed};
use waxseal_store::Fault;

use crate::access::{Access, WhenAway};
use crate::active_keys::ActiveKeys;
use crate::device_gate::{DeviceGate, DeviceQuestion, DeviceVerdict};
use crate::error::Error;
use crate::origin::Origin;
use crate::store_error::StoreError;
use crate::visit::Visit;

/// A visit, judged.
pub(crate) enum Gated {
    Through(Visit),
    /// Let through unless an offer of this series was taken up.
    Asking(Visit, [u8; 12]),
    /// Answered as if the store were away. The visit can end the session, and shows nothing of it.
    Away(Visit),
}

impl Gated {
    /// Judges the session that a token led to. A visit without a session passes.
    pub(crate) fn new(gate: Option<&dyn DeviceGate>, visit: Visit, is_strict: bool) -> Self {
        let (Some(gate), Some(tokens)) = (gate, visit.keys.device()) else { return Self::Through(visit) };
        if visit.home().origin.is_none() {
            return Self::Through(visit);
        }
        let content = visit.session().content();
        let question = DeviceQuestion {
            tokens,
            state: content.device_state(),
            is_owned: content.is_owned(),
            signed_in: content.signed_in(),
        };
        match gate.judge(question) {
            DeviceVerdict::AsItIs => Self::Through(visit),
            DeviceVerdict::UnlessTakenUp(series) => Self::Asking(visit, series),
            DeviceVerdict::Heal(state) => Self::Through(healed(visit, content, &state)),
            DeviceVerdict::Anonymous => Self::Through(anonymous(visit, is_strict)),
            DeviceVerdict::Kept => Self::Through(anonymous(visit, is_strict).read_only(ReadOnly::Unproven)),
            DeviceVerdict::Away => Self::Away(anonymous(visit, is_strict).read_only(ReadOnly::Outage)),
        }
    }

    /// The visit, or the error of a store that is away; by its policy, an empty page.
    pub(crate) fn visit(self, access: Access, when_away: WhenAway) -> Result<Visit, Error> {
        match self {
            Self::Through(visit) | Self::Asking(visit, _) => Ok(visit),
            Self::Away(visit) if access == Access::Read && when_away == WhenAway::Anonymous => Ok(visit),
            Self::Away(_) => Err(StoreError::new(Fault::Outage, NotProven).into()),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the browser says that it could not prove its device for the moment")]
struct NotProven;

/// The visit of a request that is not known to be its session's: a new session, with the other to be ended if need be.
pub(crate) fn anonymous(visit: Visit, is_strict: bool) -> Visit {
    let keys: Arc<ActiveKeys> = visit.keys.clone();
    let origin = visit.home().origin.take();
    let seed = origin.as_ref().map(seed_of);
    Visit::new(keys, is_strict).unproven(origin.into_iter().collect(), seed)
}

/// The visit with a state of the tie that its token has lost.
fn healed(visit: Visit, content: Arc<Content>, state: &[u8]) -> Visit {
    let origin = {
        let mut home = visit.home();
        match home.origin.take() {
            Some(origin @ (Origin::Cookie(_) | Origin::Foreign(_))) => origin,
            other => {
                home.origin = other;
                drop(home);
                return visit;
            }
        }
    };
    let keys = visit.keys.clone();
    drop(visit);
    let mut content = Arc::unwrap_or_clone(content);
    content.put_device_state(state);
    Visit::restored(content, origin, keys, false).outdated()
}

/// The seed of form tokens for an anonymous visitor who is to keep the token that came.
fn seed_of(origin: &Origin) -> Seed {
    let id: &[u8] = match origin {
        Origin::Cookie(token) => &token.id,
        Origin::Record(record) => record.id.as_bytes(),
        Origin::Foreign(foreign) => &foreign.replay_id,
    };
    let digest: [u8; 32] =
        Sha256::new().chain_update("form without a proof").chain_update(id).finalize().into();
    *digest.first_chunk::<SEED_BYTES>().expect("a hash is longer than a seed")
}
