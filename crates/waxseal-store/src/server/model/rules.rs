//! The rules of `docs/states.md`, each by its name.

use super::setup::Setup;
use super::visit::{Act, How, Shown};
use super::wire::Kind;
use super::world::{Sent, Sum, World};
use crate::{Access, Error, Moment, Outcome};

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

macro_rules! hold {
    ($rule:literal, $holds:expr, $($found:tt)+) => {
        if !$holds {
            return Err(Broken::new($rule, format!($($found)+)));
        }
    };
}

/// What a request was shown.
pub(super) fn judge_load(world: &World, at: usize) -> Result<(), Broken> {
    let request = &world.requests[at];
    let notes = request.notes.lock().unwrap();
    match notes.loaded.expect("it is judged after it was loaded") {
        Some(shown) => judge_shown(world, at, &shown),
        None => judge_stranger(world, at, notes.is_renewed),
    }
}

fn judge_shown(world: &World, at: usize, shown: &Shown) -> Result<(), Broken> {
    let request = &world.requests[at];
    let token = request.token.as_ref().expect("a session is shown to whoever brings a token");
    let window = millis(world.setup.window);
    let wire = world.wire();
    hold!(
        "a process refuses at once what it ended",
        !request.refused_before.contains(&shown.key),
        "{shown:?}"
    );
    if let Some(ended) = wire.truth.ended(&token.key) {
        // Copies are stamped by their process's clock. Where they are not trusted, what this process asked counts.
        let apart =
            if request.trusts_copies || shown.how == How::Outage { world.setup.apart_millis() } else { 0 };
        let (begun, grace) = (request.begun, millis(Setup::GRACE));
        match shown.how {
            How::Outage => hold!(
                "an ended session's copy is read in an outage up to the grace",
                begun < ended + grace + apart,
                "{} ms after its end: {shown:?}",
                begun - ended
            ),
            How::Copy => hold!(
                "an ended session's copy is shown up to the window",
                begun < ended + window + apart,
                "{} ms after its end: {shown:?}",
                begun - ended
            ),
            // Whoever joins another's read began while that was fresh.
            How::Asked => hold!(
                "an ended session is shown only to who began before its end, or within the window",
                begun < ended + window + apart || begun <= ended,
                "{} ms after its end: {shown:?}",
                begun - ended
            ),
        }
    }
    // What this process knows of exactly this revision.
    let knows = |span: u64| {
        wire.calls.iter().any(|call| {
            let told = call.told.filter(|_| call.was_answered() && call.process == request.process);
            let same =
                told.is_some_and(|told| told.key == Some(token.key) && told.revision == Some(token.revision));
            same && is_within(shown.at, span, call.asked)
        })
    };
    match shown.how {
        How::Copy => {
            hold!(
                "a copy is shown without asking only while it is fresh",
                (request.trusts_copies && is_within(shown.at, window, token.sealed)) || knows(window),
                "sealed at {}: {shown:?}",
                token.sealed
            );
            hold!("an unsafe method asks first", request.access == Access::Read, "{shown:?}");
            let newer = wire.calls.iter().find(|call| {
                // What became of a lost write is asked about that write alone.
                let is_noted = call.kind != Kind::Confirm && call.process == request.process;
                call.told.filter(|_| is_noted && call.was_answered()).is_some_and(|told| {
                    told.key.is_some_and(|key| key.handle() == shown.key.handle())
                        && told.revision.is_some_and(|revision| revision.counter() > shown.revision.counter())
                })
            });
            hold!("a process that knows a newer revision asks", newer.is_none(), "{shown:?}");
        }
        How::Outage => {
            let grace = millis(Setup::GRACE);
            hold!(
                "the grace counts from the last confirm",
                is_within(shown.at, grace, token.sealed) || knows(grace),
                "sealed at {}: {shown:?}",
                token.sealed
            );
            hold!("an unsafe method asks first", request.access == Access::Read, "{shown:?}");
        }
        How::Asked => {}
    }
    hold!(
        "an unsafe method sees what was acknowledged before",
        request.access == Access::Read || shown.sum >= request.acknowledged_before,
        "{} were acknowledged: {shown:?}",
        request.acknowledged_before
    );
    if let Some(browser) = request.browser.filter(|_| request.is_serial)
        && let Some((handle, wrote)) = world.browsers[browser].wrote
    {
        hold!(
            "one browser's serial requests read their own writes",
            handle != shown.key.handle() || shown.sum >= wrote,
            "it wrote {wrote}: {shown:?}"
        );
    }
    Ok(())
}

fn judge_stranger(world: &World, at: usize, is_renewed: bool) -> Result<(), Broken> {
    let request = &world.requests[at];
    let Some(token) = &request.token else { return Ok(()) };
    let wire = world.wire();
    // For so long an old id leads to the new one, since the renewal was sent.
    let followed = |moved| is_within(request.at, 20_000, moved);
    let is_followed = wire.truth.moved(&token.key).is_none_or(followed);
    let signed_out = world.signed_out.iter().any(|key| key.handle() == token.key.handle());
    hold!(
        "a living session's visitor is no stranger",
        wire.truth.ended(&token.key).is_some() || signed_out || !is_followed,
        "renewed: {is_renewed}, process {}, sealed at {}: {:?}",
        request.process,
        token.sealed,
        token.key
    );
    Ok(())
}

/// What a request was answered.
pub(super) fn judge_answer(
    world: &World,
    at: usize,
    result: &Result<Outcome, Error>,
    sent: Option<&Sent>,
) -> Result<(), Broken> {
    let request = &world.requests[at];
    let notes = request.notes.lock().unwrap();
    let wire = world.wire();
    let shared = world.shared(at);
    if let Some(sent) = sent {
        let confirms = wire.calls.iter().filter(|call| {
            shared(call) && call.was_answered() && call.told.is_some_and(|told| told.revision.is_some())
                || call.request == at && call.kind.writes() && call.told.is_some()
        });
        let last = confirms.map(|call| call.asked).max();
        hold!(
            "no token is minted by a request that did not confirm",
            last.is_some(),
            "{:?} {:?}",
            request.act,
            sent.key
        );
        hold!(
            "a token's sealed time is a confirm's, never later",
            last.is_some_and(|last| sent.sealed <= last),
            "sealed at {}, asked at {last:?}",
            sent.sealed
        );
        if let Some(token) = request.token.as_ref().filter(|_| notes.loaded == Some(None)) {
            // There is a marker that says so, for a minute since it was sent, by the clock of whoever left it.
            let since = wire.truth.left_behind(&token.key);
            let most = 45_000_u64.saturating_sub(world.setup.apart_millis());
            let is_marked = since.is_some_and(|since| (since + 1..since + most).contains(&request.begun));
            hold!("a stranger by an old id gets no cookie", !is_marked, "{:?} after {since:?}", request.act);
        }
    }
    if matches!(result, Ok(Outcome::Remove)) {
        hold!("only destroy() removes the cookie", request.act == Act::Destroy, "{:?}", request.act);
    }
    if let Err(Error::Unavailable(error)) = result {
        let lost = wire.calls.iter().any(|call| shared(call) && !call.was_answered());
        hold!("a store that answers gives no 503", lost || wire.is_away, "{:?}: {error}", request.act);
    }
    hold!(
        "a failed request saves nothing",
        request.act != Act::AddAndFail
            || wire.calls.iter().all(|call| call.request != at || !call.kind.writes()),
        "{result:?}"
    );
    Ok(())
}

/// What signing out has come to, when all is done.
pub(super) fn judge_ends(world: &World) -> Result<(), Broken> {
    let wire = world.wire();
    for key in &world.signed_out {
        hold!("a sign-out ends the session", wire.truth.ended(key).is_some(), "{key:?}");
    }
    Ok(())
}

/// What was counted, when all is done.
pub(super) fn judge_sum(world: &World, at: usize, sum: Sum) -> Result<(), Broken> {
    let shown = world.requests[at].notes.lock().unwrap().loaded.flatten();
    let shown = shown.map(|shown| shown.sum);
    let most = sum.acknowledged + sum.unknown;
    hold!(
        "additions sum exactly",
        shown.is_some_and(|shown| (sum.acknowledged..=most).contains(&shown)),
        "{shown:?} of {sum:?}"
    );
    Ok(())
}

fn is_within(now: Moment, span_millis: u64, since: Moment) -> bool {
    now.as_millis().checked_sub(since.as_millis()).is_some_and(|age| age < span_millis)
}

fn millis(span: std::time::Duration) -> u64 {
    span.as_secs() * 1_000
}
