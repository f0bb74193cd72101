//! What has to be so when all is done.

use super::Broken;
use crate::PublicId;
use crate::server::model::setup::Place;
use crate::server::model::world::World;

/// What signing out has come to.
pub(in super::super) fn judge_ends(world: &World) -> Result<(), Broken> {
    let wire = world.wire();
    for key in &world.signed_out {
        hold!("a sign-out ends the session", wire.truth.ended(key).is_some(), "{key:?}");
    }
    Ok(())
}

/// What a living session has, as its last request was shown it.
pub(in super::super) fn judge_promises(world: &World, at: usize, public_id: PublicId) -> Result<(), Broken> {
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
    // Of more than sixteen the oldest go.
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

/// What a round of upkeep has come to.
pub(in super::super) fn judge_upkeep(world: &World, process: usize, is_done: bool) -> Result<(), Broken> {
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
