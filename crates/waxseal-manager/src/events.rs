//! Counters of what happened to sessions, through the `metrics` facade.

use metrics::Counter;

use crate::outcome::Outcome;

/// Counts what commits did to sessions. Each counter starts at 0.
#[derive(Debug)]
pub(crate) struct Events {
    begun: Counter,
    saved: Counter,
    renewed: Counter,
    ended: Counter,
}

/// What a request did to its session, before the commit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deed {
    pub(crate) begins: bool,
    pub(crate) changes: bool,
    pub(crate) renews: bool,
    pub(crate) ends: bool,
}

impl Events {
    pub(crate) fn new() -> Self {
        metrics::describe_counter!("waxseal_sessions_begun_total", "New sessions that were saved.");
        metrics::describe_counter!("waxseal_sessions_saved_total", "Sessions whose changes were saved.");
        metrics::describe_counter!(
            "waxseal_sessions_renewed_total",
            "Sessions that got a new id, as in a sign-in."
        );
        metrics::describe_counter!(
            "waxseal_sessions_ended_total",
            "Sessions that were ended one by one, as in a sign-out. Those that expire are not counted."
        );
        Self {
            begun: metrics::counter!("waxseal_sessions_begun_total"),
            saved: metrics::counter!("waxseal_sessions_saved_total"),
            renewed: metrics::counter!("waxseal_sessions_renewed_total"),
            ended: metrics::counter!("waxseal_sessions_ended_total"),
        }
    }

    /// Counts what a commit did. `None` if it failed; its sessions were ended before that nevertheless.
    pub(crate) fn count(&self, deed: Deed, outcome: Option<&Outcome>) {
        let Deed { begins, changes, renews, ends } = deed;
        let is_done = outcome.is_some();
        // A new session with nothing worth keeping is never saved.
        let begun = begins && matches!(outcome, Some(Outcome::Set { .. }));
        let counted = [
            (&self.begun, begun),
            (&self.saved, begun || is_done && changes && !begins),
            (&self.renewed, is_done && renews && !begins),
            (&self.ended, ends),
        ];
        counted.into_iter().filter(|(_, is_so)| *is_so).for_each(|(counter, _)| counter.increment(1));
    }

    /// Counts a session whose changes were saved.
    pub(crate) fn count_save(&self) {
        self.saved.increment(1);
    }

    /// Counts a session that was ended otherwise than by its own request's commit.
    pub(crate) fn count_end(&self) {
        self.ended.increment(1);
    }
}
