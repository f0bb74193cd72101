//! The true contents of the store, recorded after every call that arrived there.

use std::collections::HashMap;

use waxseal_store::{Found, PublicId, Record, RecordKey, Revision};

use crate::clock::Clock;

#[derive(Default)]
pub(crate) struct Truth {
    keys: HashMap<RecordKey, State>,
    /// The rule that a call has broken, and the key it did that with.
    pub(crate) broken: Option<(&'static str, RecordKey)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// The true time of the end, and the call that made it.
    ended: Option<(u64, usize)>,
    /// The last revision that was seen.
    revision: Option<Revision>,
}

impl Truth {
    pub(crate) fn made(&mut self, key: RecordKey) {
        self.keys.entry(key).or_default();
    }

    pub(crate) fn look(
        &mut self,
        call: usize,
        writes: bool,
        clock: &Clock,
        load: impl Fn(&RecordKey) -> Option<Found<Record>>,
    ) {
        for (key, state) in &mut self.keys {
            let Some(Found::Living(record)) = load(key) else {
                state.ended.get_or_insert((clock.true_millis(), call));
                continue;
            };
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
    }

    /// The true time at which the session under this id ended, or left the id behind.
    pub(crate) fn ended(&self, key: &RecordKey) -> Option<u64> {
        self.keys.get(key)?.ended.map(|(at, _)| at)
    }

    /// The ids that ended by this call.
    pub(crate) fn ended_by(&self, call: usize) -> Vec<RecordKey> {
        let by_it = |state: &State| state.ended.is_some_and(|(_, by)| by == call);
        self.keys.iter().filter(|(_, state)| by_it(state)).map(|(key, _)| *key).collect()
    }

    /// The true time at which a living session left this id behind, and the call that did it.
    pub(crate) fn left_behind(&self, key: &RecordKey) -> Option<(u64, usize)> {
        self.lives_at(key.public_id()).and(self.keys.get(key)?.ended)
    }

    /// The key of the session with this public id, while it lives.
    pub(crate) fn lives_at(&self, public_id: PublicId) -> Option<RecordKey> {
        let mut keys = self.keys.iter();
        keys.find(|(key, state)| key.public_id() == public_id && state.ended.is_none()).map(|(key, _)| *key)
    }
}
