//! What is really in the store, looked at after every call that arrived there.

use super::clock::Clock;
use super::wire::ByKey;
use crate::record::{Found, Record};
use crate::{PublicId, RecordKey, Revision, Timestamp};

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
    moved: Option<(RecordKey, Timestamp)>,
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
                    if state.ended.is_some() || state.moved.is_some() {
                        self.broken = Some(("nothing is ever made again", *key));
                    }
                    let now = record.revision;
                    let before = state.revision.replace(now).unwrap_or(now);
                    let counts_on = writes && before.counter() + 1 == now.counter();
                    if before != now && !counts_on {
                        self.broken = Some(("a revision changes by saving alone, and counts on", *key));
                    }
                }
                Some(Found::Renewed(trace)) if trace.pointer.is_some() => {
                    let to = trace.pointer.expect("it was just looked at").to;
                    state.moved.get_or_insert((to, trace.renewed));
                }
                // Where it moved to, it may have ended.
                None if state.moved.is_some() => {}
                Some(Found::Renewed(_)) | None => _ = state.ended.get_or_insert((clock.true_millis(), call)),
            }
        }
    }

    /// When the session that had this id ended, wherever it moved, or left the id behind for good.
    pub(super) fn ended(&self, key: &RecordKey) -> Option<u64> {
        self.ending(key).map(|(at, _)| at)
    }

    fn ending(&self, key: &RecordKey) -> Option<(u64, usize)> {
        let state = self.keys.get(key)?;
        match state.moved {
            Some((to, _)) => self.ending(&to),
            None => state.ended,
        }
    }

    /// When the session moved on from this id, or from one that it moved to: the first time, as it was sent.
    pub(super) fn moved(&self, key: &RecordKey) -> Option<Timestamp> {
        let (to, at) = self.keys.get(key)?.moved?;
        Some(self.moved(&to).map_or(at, |next| next.min(at)))
    }

    /// Whether periodic renewals lead from one id to the other, or both are the same.
    pub(super) fn leads(&self, from: &RecordKey, to: &RecordKey) -> bool {
        let next = || self.keys.get(from)?.moved.map(|(next, _)| next);
        from == to || next().is_some_and(|next| self.leads(&next, to))
    }

    /// The ids that ended by this call.
    pub(super) fn ended_by(&self, call: usize) -> Vec<RecordKey> {
        let by_it = |key: &&RecordKey| self.ending(key).is_some_and(|(_, by)| by == call);
        self.keys.keys().filter(by_it).copied().collect()
    }

    /// Since when this id is an old one of a session that lives under another, by a sign-in, and by which call.
    pub(super) fn left_behind(&self, key: &RecordKey) -> Option<(u64, usize)> {
        self.lives_at(key.public_id()).and(self.keys.get(key)?.ended)
    }

    /// Where the session of this handle lives, if it does.
    pub(super) fn lives_at(&self, public_id: PublicId) -> Option<RecordKey> {
        let lives = |state: &State| state.ended.is_none() && state.moved.is_none();
        self.keys
            .iter()
            .find(|(key, state)| key.public_id() == public_id && lives(state))
            .map(|(key, _)| *key)
    }
}
