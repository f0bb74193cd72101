//! The rules of `docs/states.md`, each by its name.

macro_rules! hold {
    ($rule:literal, $holds:expr, $($found:tt)+) => {
        if !$holds {
            return Err(Broken::new($rule, format!($($found)+)));
        }
    };
}

mod answer;
mod kept;
mod shown;

pub(super) use self::answer::judge_answer;
pub(super) use self::kept::{judge_ends, judge_promises, judge_upkeep};
pub(super) use self::shown::judge_load;

use super::setup::{Place, Setup};
use super::visit::How;
use super::world::{Request, World};
use crate::{Access, Timestamp};

/// A rule that did not hold.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) rule: &'static str,
    pub(super) found: String,
}

impl Broken {
    pub(super) fn new(rule: &'static str, found: String) -> Self {
        Self { rule, found }
    }
}

/// By how much what a request is shown may lag behind the truth of its beginning, in milliseconds: where the states
/// differ. `None` if it must not be shown anything in this way.
fn lag(world: &World, request: &Request, how: How) -> Option<u64> {
    let (window, apart) = (millis(world.setup.window), world.setup.apart_millis());
    match (world.setup.place, request.access, how) {
        (_, _, How::Blind) => Some(0),
        (Place::Store, _, How::Asked) | (Place::Mirrored, Access::Change, How::Asked) => Some(0),
        (Place::Store, ..) | (Place::Mirrored, Access::Change, _) => None,
        // Whoever joins another's read began while that was fresh.
        (Place::Mirrored, Access::Read, How::Asked) => Some(window),
        // Copies are stamped by their process's clock. Where they are not trusted, what this process asked counts.
        (Place::Mirrored, Access::Read, How::Copy) if request.trusts_copies => Some(window + apart),
        (Place::Mirrored, Access::Read, How::Copy) => Some(window),
        (Place::Mirrored, Access::Read, How::Outage) => Some(millis(Setup::GRACE) + apart),
    }
}

/// Whether what was done at `done` may be missing from what is shown to a request that began at `begun`.
fn may_lack(begun: u64, lag: u64, done: u64) -> bool {
    begun <= done || begun < done + lag
}

fn is_within(now: Timestamp, span_millis: u64, since: Timestamp) -> bool {
    now.as_millis().checked_sub(since.as_millis()).is_some_and(|age| age < span_millis)
}

pub(super) fn millis(span: std::time::Duration) -> u64 {
    span.as_secs() * 1_000
}
