//! The rules of `docs/states-rules.md`, each under a name.

macro_rules! hold {
    ($rule:literal, $holds:expr, $($found:tt)+) => {
        if !$holds {
            return Err(Violation::new($rule, format!($($found)+)));
        }
    };
}

mod answer;
mod bound;
mod kept;
mod shown;

pub(crate) use self::answer::judge_answer;
pub(crate) use self::kept::{judge_ends, judge_maintenance, judge_promises};
pub(crate) use self::shown::judge_load;

use waxseal_manager::Access;
use waxseal_store::Timestamp;

use crate::setup::{Place, Setup};
use crate::visit::How;
use crate::world::{Request, World};

/// A rule that did not hold.
#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) rule: &'static str,
    pub(crate) found: String,
}

impl Violation {
    pub(crate) fn new(rule: &'static str, found: String) -> Self {
        Self { rule, found }
    }
}

/// Milliseconds by which a shown session may lag behind the truth of the request's beginning: here the states differ.
/// `None` if nothing may be shown in this way.
fn lag(world: &World, request: &Request, how: How) -> Option<u64> {
    let (fresh, apart) = (millis(world.setup.freshness), world.setup.apart_millis());
    match (world.setup.place, request.access, how) {
        (_, _, How::Blind) => Some(0),
        (Place::Store, _, How::Asked) | (Place::Mirrored, Access::Change, How::Asked) => Some(0),
        (Place::Store, ..) | (Place::Mirrored, Access::Change, _) => None,
        // A request that shares another's read began while that was fresh.
        (Place::Mirrored, Access::Read, How::Asked) => Some(fresh),
        // Copies carry the time of their process's clock. Where that is not trusted, this process's own questions count.
        (Place::Mirrored, Access::Read, How::Copy) if request.trusts_copies => Some(fresh + apart),
        (Place::Mirrored, Access::Read, How::Copy) => Some(fresh),
        (Place::Mirrored, Access::Read, How::Outage) => Some(millis(Setup::GRACE) + apart),
    }
}

/// Whether a request that began at `begun` may be shown a session without a change that was done at `done`.
fn may_lack(begun: u64, lag: u64, done: u64) -> bool {
    begun <= done || begun < done + lag
}

fn is_within(now: Timestamp, span_millis: u64, since: Timestamp) -> bool {
    now.as_millis().checked_sub(since.as_millis()).is_some_and(|age| age < span_millis)
}

pub(crate) fn millis(span: std::time::Duration) -> u64 {
    span.as_secs() * 1_000
}
