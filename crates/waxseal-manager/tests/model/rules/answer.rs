//! Rules for the answer of a request.

use waxseal_manager::{Error, Outcome};
use waxseal_store::Timestamp;

use super::{Violation, lag, may_lack, millis};
use crate::setup::{Place, Setup};
use crate::tokens::Sent;
use crate::visit::{Act, How, Notes, Shown};
use crate::wire::{Call, Kind};
use crate::world::{Request, World};

/// A token under an old key is sealed anew once it is so old.
const RESEAL_MILLIS: u64 = 60_000;

pub(crate) fn judge_answer(
    world: &World,
    at: usize,
    result: &Result<Outcome, Error>,
    sent: Option<&Sent>,
) -> Result<(), Violation> {
    let request = &world.requests[at];
    let notes = request.notes.lock().unwrap();
    let shown = notes.loaded.flatten();
    if let Some(sent) = sent {
        judge_token(world, at, &notes, sent)?;
    }
    judge_calls(world, at, shown, result)?;
    if matches!(result, Ok(Outcome::Remove)) {
        let destroys = request.act.destroys() || notes.has_met_another;
        hold!("only destroy() removes the cookie", destroys, "{:?}", request.act);
    }
    if let Err(Error::Unavailable(error)) = result {
        let (wire, shared) = (world.wire(), world.shared(at));
        let lost = wire.calls.iter().any(|call| shared(call) && !call.was_answered());
        hold!("a store that answers gives no 503", lost || wire.is_away(), "{:?}: {error}", request.act);
    }
    if let Some(shown) = shown.filter(|_| notes.is_confirmed) {
        let ended = world.wire().truth.ended(&shown.key);
        hold!(
            "a session is revalidated only while it lives",
            ended.is_none_or(|ended| request.begun <= ended),
            "it ended at {ended:?}: {shown:?}"
        );
    }
    if let Some(coupon) = notes.took.filter(|_| result.is_ok()) {
        hold!("nobody takes what was taken", !world.coupons.contains(&coupon), "coupon {coupon}");
    }
    judge_messages(world, at, &notes)?;
    judge_forms(world, request, &notes)?;
    if let Some(shown) = shown {
        judge_unchanged(world, at, &shown, result, sent)?;
    }
    Ok(())
}

fn judge_token(world: &World, at: usize, notes: &Notes, sent: &Sent) -> Result<(), Violation> {
    let (wire, shared, request) = (world.wire(), world.shared(at), &world.requests[at]);
    let confirms = wire.calls.iter().filter(|call| {
        shared(call) && call.was_answered() && call.told.is_some_and(|told| told.revision.is_some())
            || call.request == at && call.kind.writes() && call.told.is_some()
    });
    let last = confirms.map(|call| call.asked).max();
    hold!(
        "no token is minted by a request that did not revalidate",
        last.is_some(),
        "{:?} {:?}",
        request.act,
        sent.key
    );
    hold!(
        "a token's sealed time is a revalidation's, never later",
        last.is_some_and(|last| sent.sealed <= last),
        "sealed at {}, asked at {last:?}",
        sent.sealed
    );
    // The browser may have the answer of whoever renewed it.
    let is_of_before = request.token.as_ref().is_some_and(|token| token.key == sent.key);
    hold!(
        "no token is sent of an id that was over when the handler was done",
        !(is_of_before && notes.was_over),
        "{:?} {:?}",
        request.act,
        sent.key
    );
    // A sign-in by an id that was left behind begins another session.
    let is_left = request.token.as_ref().is_some_and(|token| wire.truth.ended(&token.key).is_some());
    match notes.loaded.flatten() {
        None => {
            let Some(token) = &request.token else { return Ok(()) };
            // Who proves no device begins a session of their own, as anybody may.
            if begins(request.act) || notes.is_unproven {
                return Ok(());
            }
            // A tombstone says so for a minute since it was sent, by the clock of the process that left it.
            let since = wire.truth.left_behind(&token.key);
            let most = 45_000_u64.saturating_sub(world.setup.apart_millis());
            let is_marked = since.is_some_and(|(since, call)| {
                (since + 1..wire.calls[call].sent + most).contains(&request.begun)
            });
            hold!("a visitor by an old id gets no cookie", !is_marked, "{:?} after {since:?}", request.act);
        }
        Some(shown) => {
            hold!(
                "a session keeps its public id",
                sent.key.public_id() == shown.key.public_id() || (is_left && request.act == Act::SignIn),
                "{:?} {:?}",
                sent.key,
                shown.key
            );
            let renews = matches!(request.act, Act::SignIn | Act::Renew | Act::RenewEmpty);
            hold!("renewing draws a new id", !renews || sent.key != shown.key, "{:?}", sent.key);
        }
    }
    let is_empty = sent.entries.is_none_or(|entries| entries == 0);
    hold!("renew_empty() keeps nothing", request.act != Act::RenewEmpty || is_empty, "{:?}", sent.entries);
    Ok(())
}

fn begins(act: Act) -> bool {
    matches!(act, Act::SignIn | Act::RenewEmpty)
}

/// The calls of a request.
fn judge_calls(
    world: &World,
    at: usize,
    shown: Option<Shown>,
    result: &Result<Outcome, Error>,
) -> Result<(), Violation> {
    let (wire, request) = (world.wire(), &world.requests[at]);
    let mine = |call: &&Call| call.request == at;
    let saves = wire.calls.iter().filter(mine).filter(|call| call.kind.writes()).count();
    hold!("a failed request saves nothing", request.act != Act::AddAndFail || saves == 0, "{result:?}");
    hold!(
        "a page that nobody sees saves nothing",
        request.act != Act::UnseenPage || saves == 0,
        "{result:?}"
    );
    let is_away = shown.is_some_and(|shown| matches!(shown.how, How::Outage | How::Blind));
    let is_kept = matches!(result, Ok(Outcome::Keep | Outcome::Remove) | Err(_));
    hold!("a copy shown in an outage changes nothing", !is_away || saves == 0 && is_kept, "{result:?}");
    let creates = wire.calls.iter().filter(mine).any(|call| call.kind == Kind::Create);
    let is_left = request.token.as_ref().is_some_and(|token| wire.truth.ended(&token.key).is_some());
    let may_create = (shown.is_none() && (!request.act.only_shows() || request.act == Act::Form))
        || (is_left && request.act == Act::SignIn);
    hold!("only who writes without a session begins one", may_create || !creates, "{:?}", request.act);
    for touch in wire.calls.iter().filter(mine).filter(|call| call.kind == Kind::Touch) {
        let is_due = wire.calls.iter().filter(mine).filter(|call| call.was_answered()).any(|call| {
            let last_seen = call.told.and_then(|told| told.last_seen);
            last_seen.is_some_and(|last_seen| touch.asked >= last_seen.after(Setup::TOUCH))
        });
        hold!(
            "a touch follows a request's own revalidation, once in a twentieth of the idle time",
            is_due,
            "{:?}",
            touch.asked
        );
    }
    Ok(())
}

/// Messages that were taken out are shown no more.
fn judge_messages(world: &World, at: usize, notes: &Notes) -> Result<(), Violation> {
    let request = &world.requests[at];
    let Some(shown) = notes.loaded.flatten() else { return Ok(()) };
    let lag = lag(world, request, shown.how).unwrap_or(0);
    for message in &notes.messages {
        let taken = world.taken(*message, at);
        hold!(
            "no message is shown after it was taken out",
            taken.is_none_or(|taken| may_lack(request.begun, lag, taken)),
            "message {message} was taken out at {taken:?}: {shown:?}"
        );
        if let Some(browser) = request.browser.filter(|_| request.is_serial) {
            let read = &world.browsers[browser].read;
            hold!(
                "one browser's serial requests show no message twice",
                !read.contains(message),
                "{shown:?}"
            );
        }
    }
    Ok(())
}

/// A session knows exactly the forms of its id.
fn judge_forms(world: &World, request: &Request, notes: &Notes) -> Result<(), Violation> {
    let Some(shown) = notes.loaded.flatten() else {
        hold!(
            "forms without a session are refused",
            !notes.knows.contains(&true),
            "{:?}",
            request.token.is_some()
        );
        return Ok(());
    };
    if lag(world, request, shown.how) != Some(0) || shown.how == How::Blind {
        return Ok(());
    }
    // More than four seeds are not kept.
    let seeds = world.promises.get(&shown.key.public_id()).map_or(0, |promises| promises.seeds);
    for (form, is_known) in request.forms.iter().zip(&notes.knows) {
        let leads = form.key == shown.key;
        hold!(
            "a form is good until its session's id changes by a sign-in",
            *is_known || !leads || !form.is_good || seeds > 4,
            "of {:?}: {shown:?}",
            form.key
        );
        hold!("a form from before a sign-in is refused", !*is_known || leads, "of {:?}: {shown:?}", form.key);
    }
    Ok(())
}

/// A token is sent without a change only when it is due, and then it is.
fn judge_unchanged(
    world: &World,
    at: usize,
    shown: &Shown,
    result: &Result<Outcome, Error>,
    sent: Option<&Sent>,
) -> Result<(), Violation> {
    let request = &world.requests[at];
    let token = request.token.as_ref().expect("a session is shown to whoever brings a token");
    if request.act != Act::Look || token.revision.is_some() && shown.revision != token.revision {
        return Ok(());
    }
    let now = world.processes[request.process].clock.now();
    let age = |now: Timestamp| now.as_millis().saturating_sub(token.sealed.as_millis());
    let half = millis(Setup::GRACE) / 2;
    let is_mirrored = world.setup.place == Place::Mirrored;
    if let Some(sent) = sent.filter(|sent| sent.key == token.key && sent.revision == token.revision) {
        let is_due = (world.promotions > 0 && age(now) >= RESEAL_MILLIS) || (is_mirrored && age(now) >= half);
        hold!("no cookie is sent merely for freshness", is_due, "after {} ms: {:?}", age(now), sent.key);
    }
    let is_due = is_mirrored && shown.how == How::Asked && age(request.at) >= half + 1_000;
    // Unless the process has ended the session meanwhile, or the last question, after the handler, had no answer, or found
    // another revision or none.
    let is_over = world.refused.contains(&(request.process, shown.key));
    let wire = world.wire();
    let last =
        wire.calls.iter().rfind(|call| call.request == at && call.kind == Kind::Confirm && !call.is_loading);
    let told = last.and_then(|call| call.told.filter(|_| call.was_answered()));
    let is_the_same = told.is_some_and(|told| told.revision == shown.revision);
    hold!(
        "who asks replaces a copy older than half of the grace",
        !is_due || is_over || sent.is_some() || result.is_err() || last.is_some() && !is_the_same,
        "after {} ms: {shown:?}",
        age(request.at)
    );
    Ok(())
}
