//! What is really in the store, looked at after every call that arrived there.

use super::clock::Clock;
use super::wire::ByKey;
use crate::record::{Found, Record};
use crate::{PublicId, RecordKey, Revision};

#[derive(Default)]
pub(super) struct Truth {
    keys: ByKey<State>,
    /// What no call may do, and one did.
    pub(super) broken: Option<(&'static str, RecordKey)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// When, and by which call.
    ended: Option<(u64, usize)>,
    /// The last that was seen there.
    revision: Option<Revision>,
}

impl Truth {
    pub(super) fn made(&mut self, key: RecordKey) {
        self.keys.entry(key).or_default();
    }

    pub(super) fn look(
        &mut self,
        call: usize,
        writes: bool,
        clock: &Clock,
        load: impl Fn(&RecordKey) -> Option<Found<Record>>,
    ) {
        for (key, state) in &mut self.keys {
            match load(key) {
                Some(Found::Living(record)) => {
                    if state.ended.is_some() {
                        self.broken = Some(("nothing is ever made again", *key));
                    }
                    let now = record.revision;
                    let before = state.revision.replace(now).unwrap_or(now);
                    let counts_on = writes && before.counter() + 1 == now.counter();
                    if before != now && !counts_on {
                        self.broken = Some(("a revision changes by saving alone, and counts on", *key));
                    }
                }
                Some(Found::Renewed) | None => _ = state.ended.get_or_insert((clock.true_millis(), call)),
            }
        }
    }

    /// When the session that had this id ended, or left the id behind.
    pub(super) fn ended(&self, key: &RecordKey) -> Option<u64> {
        self.keys.get(key)?.ended.map(|(at, _)| at)
    }

    /// The ids that ended by this call.
    pub(super) fn ended_by(&self, call: usize) -> Vec<RecordKey> {
        let by_it = |state: &State| state.ended.is_some_and(|(_, by)| by == call);
        self.keys.iter().filter(|(_, state)| by_it(state)).map(|(key, _)| *key).collect()
    }

    /// Since when this id is an old one of a session that lives under another, and by which call.
    pub(super) fn left_behind(&self, key: &RecordKey) -> Option<(u64, usize)> {
        self.lives_at(key.public_id()).and(self.keys.get(key)?.ended)
    }

    /// Where the session of this public id lives, if it does.
    pub(super) fn lives_at(&self, public_id: PublicId) -> Option<RecordKey> {
        self.keys
            .iter()
            .find(|(key, state)| key.public_id() == public_id && state.ended.is_none())
            .map(|(key, _)| *key)
    }
}
