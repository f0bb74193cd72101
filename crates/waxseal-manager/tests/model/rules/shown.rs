//! Rules for the session that a request was shown.

use waxseal_manager::Access;

use super::bound::{is_hidden, judge_bound};
use super::{Violation, is_within, lag, may_lack, millis};
use crate::setup::Setup;
use crate::tokens::Sent;
use crate::visit::{How, Shown};
use crate::wire::{Kind, Wire};
use crate::world::{Request, World};

pub(crate) fn judge_load(world: &World, at: usize) -> Result<(), Violation> {
    let request = &world.requests[at];
    let notes = request.notes.lock().unwrap();
    match notes.loaded.expect("it is judged after it was loaded") {
        Some(shown) => judge_shown(world, request, &shown),
        None => judge_new_session(world, request),
    }
}

fn judge_shown(world: &World, request: &Request, shown: &Shown) -> Result<(), Violation> {
    let token = request.token.as_ref().expect("a session is shown to whoever brings a token");
    let wire = world.wire();
    let Some(lag) = lag(world, request, shown.how) else {
        return Err(Violation::new(
            "an unsafe method asks first, and state `store` always",
            format!("{shown:?}"),
        ));
    };
    if shown.how == How::Blind {
        hold!("nobody is shown what is not known", shown.is_empty, "{shown:?}");
        return Ok(());
    }
    hold!(
        "a process refuses at once what it ended",
        !request.refused_before.contains(&shown.key),
        "{shown:?}"
    );
    let was_told = wire.calls.iter().find(|call| {
        call.process == request.process
            && call.is_loading
            && call.key == Some(shown.key)
            && call.heard.is_some_and(|(heard, answered)| answered && heard < request.begun)
            && call.told.is_some_and(|told| told.is_absent)
    });
    hold!("a process refuses what it was told is gone", was_told.is_none(), "{shown:?}");
    if let Some(ended) = wire.truth.ended(&token.key) {
        let since = request.begun.saturating_sub(ended);
        let holds = may_lack(request.begun, lag, ended);
        match shown.how {
            How::Copy => {
                hold!(
                    "an ended session's copy is shown up to its freshness lifetime",
                    holds,
                    "{since} ms: {shown:?}"
                )
            }
            How::Outage => {
                hold!(
                    "an ended session's copy is read in an outage up to the grace",
                    holds,
                    "{since} ms: {shown:?}"
                );
            }
            _ => hold!("who asks is not shown an ended session", holds, "{since} ms: {shown:?}"),
        }
    }
    match shown.how {
        How::Copy => judge_copy(world, &wire, request, token, shown)?,
        How::Outage => {
            let grace = millis(Setup::GRACE);
            hold!(
                "the grace counts from the last revalidation",
                is_within(shown.at, grace, token.sealed) || knows(&wire, request, token, shown, grace),
                "sealed at {}: {shown:?}",
                token.sealed
            );
            hold!("an outage shows nothing that only the record has", token.entries.is_some(), "{shown:?}");
        }
        How::Asked | How::Blind => {}
    }
    drop(wire);
    judge_bound(world, request, shown)?;
    judge_writes(world, request, shown, lag)
}

fn judge_copy(
    world: &World,
    wire: &Wire,
    request: &Request,
    token: &Sent,
    shown: &Shown,
) -> Result<(), Violation> {
    let fresh = millis(world.setup.freshness);
    hold!(
        "a copy is shown without asking only while it is fresh",
        (request.trusts_copies && is_within(shown.at, fresh, token.sealed))
            || knows(wire, request, token, shown, fresh),
        "sealed at {}: {shown:?}",
        token.sealed
    );
    let newer = wire.calls.iter().find(|call| {
        // A revalidation after a lost write is about that write alone. A record that was sealed more than a minute in the
        // future does not open: by another's clock, while this was slow.
        let begun = world.requests.get(call.request).map(|request| request.begun);
        let slow = call.done.zip(begun).map_or(0, |(done, begun)| done - begun);
        let opens = call.kind != Kind::Load || world.setup.apart_millis() + slow <= 60_000;
        let is_noted = call.kind != Kind::Confirm && opens && call.process == request.process;
        call.told.filter(|_| is_noted && call.was_answered()).is_some_and(|told| {
            told.key.is_some_and(|key| key.public_id() == shown.key.public_id())
                && told.revision.map(|revision| revision.counter())
                    > shown.revision.map(|revision| revision.counter())
        })
    });
    // A small near cache may forget a newer revision; an end it may not.
    let remembers = world.setup.near_cache.is_none();
    hold!("a process that knows a newer revision asks", newer.is_none() || !remembers, "{shown:?}");
    Ok(())
}

/// Whether this process was told of exactly this revision within the span.
fn knows(wire: &Wire, request: &Request, token: &Sent, shown: &Shown, span_millis: u64) -> bool {
    wire.calls.iter().any(|call| {
        let told = call.told.filter(|_| call.was_answered() && call.process == request.process);
        let is_same = told.is_some_and(|told| told.key == Some(token.key) && told.revision == token.revision);
        is_same && is_within(shown.at, span_millis, call.asked)
    })
}

/// Additions that were acknowledged before are seen.
fn judge_writes(world: &World, request: &Request, shown: &Shown, lag: u64) -> Result<(), Violation> {
    let promises = world.promises.get(&shown.key.public_id());
    if let Some(promises) = promises.filter(|promises| !promises.is_emptied) {
        let before = promises.additions.iter().take(request.acknowledged_before);
        let due = if lag == 0 {
            request.acknowledged_before
        } else {
            before.filter(|done| !may_lack(request.begun, lag, **done)).count()
        };
        let sees = usize::try_from(shown.sum).is_ok_and(|sum| sum >= due);
        match request.access {
            Access::Change => {
                hold!("an unsafe method sees what was acknowledged before", sees, "{due}: {shown:?}")
            }
            Access::Read => hold!("a page lacks nothing older than a copy may be", sees, "{due}: {shown:?}"),
        }
        if let Some(browser) = request.browser.filter(|_| request.is_serial)
            && let Some((public_id, wrote)) = world.browsers[browser].wrote
        {
            hold!(
                "one browser's serial requests read their own writes",
                public_id != shown.key.public_id() || shown.sum >= wrote,
                "it wrote {wrote}: {shown:?}"
            );
        }
    }
    Ok(())
}

fn judge_new_session(world: &World, request: &Request) -> Result<(), Violation> {
    let Some(token) = &request.token else { return Ok(()) };
    let is_hidden = is_hidden(world, request, &token.key);
    let wire = world.wire();
    // A token that was sealed more than a minute in the future does not open: by another's clock, while this was slow.
    let is_future = world.setup.apart_millis() + world.clock.true_millis() - request.begun > 60_000;
    let public_id = token.key.public_id();
    let signed_out = world.signed_out.iter().any(|key| key.public_id() == public_id)
        || world.may_be_ended_unproven(public_id);
    hold!(
        "a living session's visitor is shown it",
        wire.truth.ended(&token.key).is_some() || signed_out || is_future || is_hidden,
        "process {}, sealed at {}: {:?}",
        request.process,
        token.sealed,
        token.key
    );
    Ok(())
}
