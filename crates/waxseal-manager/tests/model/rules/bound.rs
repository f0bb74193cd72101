//! Rules for sessions that are bound to a device.

use waxseal_store::RecordKey;

use super::{Violation, lag, may_lack};
use crate::device::{SETTLING, seconds};
use crate::visit::Shown;
use crate::world::{Bound, Request, World};

/// No page with an owner is shown to a request that is neither proven, settling, nor unbound by what the state can know.
pub(super) fn judge_bound(world: &World, request: &Request, shown: &Shown) -> Result<(), Violation> {
    let Some(bound) = world.bound(&shown.key).filter(|_| request.is_gated) else { return Ok(()) };
    let lag = lag(world, request, shown.how).unwrap_or(0);
    hold!(
        "no page is shown to a request that is neither proven, settling, nor unbound by what is known",
        is_let_in(request, &bound) || may_lack(request.begun, lag, bound.done),
        "bound at {}, begun at {}: {:?} {shown:?}",
        bound.done,
        request.begun,
        request.proof
    );
    Ok(())
}

/// Whether the session under `key` may be hidden from the request.
pub(super) fn is_hidden(world: &World, request: &Request, key: &RecordKey) -> bool {
    request.is_gated && world.bound(key).is_some_and(|bound| !is_let_in(request, &bound))
}

fn is_let_in(request: &Request, bound: &Bound) -> bool {
    let now = seconds(request.at);
    let is_proven = request.proof.is_some_and(|proof| proof.proves(&bound.binding, now));
    is_proven || now < bound.at + SETTLING
}
