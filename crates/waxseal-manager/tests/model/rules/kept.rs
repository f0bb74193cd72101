//! Rules for the end of a case.

use waxseal_store::PublicId;

use super::Violation;
use crate::setup::Place;
use crate::world::World;

/// Sign-outs.
pub(crate) fn judge_ends(world: &World) -> Result<(), Violation> {
    let wire = world.wire();
    for key in &world.signed_out {
        hold!("a sign-out ends the session", wire.truth.ended(key).is_some(), "{key:?}");
    }
    Ok(())
}

/// A living session, as its last request was shown it.
pub(crate) fn judge_promises(world: &World, at: usize, public_id: PublicId) -> Result<(), Violation> {
    let promises = &world.promises[&public_id];
    if promises.is_emptied {
        return Ok(());
    }
    let notes = world.requests[at].notes.lock().unwrap();
    let sum = notes.loaded.flatten().and_then(|shown| usize::try_from(shown.sum).ok());
    let (least, most) = (promises.additions.len(), promises.additions.len() + promises.unknown);
    hold!(
        "additions sum exactly",
        sum.is_some_and(|sum| (least..=most).contains(&sum)),
        "{sum:?} of {least} to {most}"
    );
    // A session keeps sixteen messages, and drops the oldest.
    for message in promises.messages.iter().filter(|_| promises.messages.len() <= 16) {
        let waits = notes.messages.contains(&message.number);
        let taken = world.taken(message.number, at);
        hold!(
            "a message waits until a page has shown it",
            waits || !message.is_sure || taken.is_some(),
            "message {}",
            message.number
        );
        hold!("a message that was shown is gone", !waits || taken.is_none(), "message {}", message.number);
    }
    Ok(())
}

/// A round of maintenance.
pub(crate) fn judge_maintenance(world: &World, process: usize, is_done: bool) -> Result<(), Violation> {
    let ahead = world.setup.ahead_millis[process];
    let has_copies = world.setup.place == Place::Mirrored;
    let agrees = !has_copies || !world.setup.tells_time || ahead.abs() <= 1_000;
    hold!(
        "copies are trusted by their time only where the clocks agree",
        !is_done || world.processes[process].sessions.clocks_agree() == agrees,
        "process {process} is {ahead} ms ahead"
    );
    Ok(())
}
