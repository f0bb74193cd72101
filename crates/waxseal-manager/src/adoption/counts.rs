//! Counters of foreign sessions, through the `metrics` facade.

use metrics::Counter;

use super::refusal::ForeignRefusal;

/// What became of a foreign session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Adopted,
    /// A parallel request had just taken it over, and this one got the same session.
    Joined,
    Refused(ForeignRefusal),
}

/// Counts foreign sessions by their outcome. Each counter starts at 0.
#[derive(Debug)]
pub(crate) struct Counts(Vec<(Outcome, Counter)>);

impl Counts {
    pub(crate) fn new() -> Self {
        use ForeignRefusal::{AfterSwitch, Expired, OwnerEnded, Replayed, Several, TooLarge, Unreadable};
        metrics::describe_counter!(
            "waxseal_foreign_sessions_total",
            "Sessions of another framework or state that came in a cookie, by what became of them."
        );
        let refusals = [Unreadable, Several, AfterSwitch, Expired, Replayed, OwnerEnded, TooLarge];
        let outcomes = [Outcome::Adopted, Outcome::Joined].into_iter().chain(refusals.map(Outcome::Refused));
        Self(outcomes.map(|outcome| (outcome, counter(outcome))).collect())
    }

    pub(crate) fn count(&self, outcome: Outcome) {
        if let Some((_, counter)) = self.0.iter().find(|(known, _)| *known == outcome) {
            counter.increment(1);
        }
        match outcome {
            Outcome::Adopted => tracing::debug!("a foreign session was taken over"),
            Outcome::Joined => tracing::debug!("a parallel request joined a foreign session"),
            Outcome::Refused(why) => tracing::info!(reason = why.word(), "foreign session refused"),
        }
    }
}

fn counter(outcome: Outcome) -> Counter {
    let word = match outcome {
        Outcome::Adopted => "adopted",
        Outcome::Joined => "joined",
        Outcome::Refused(why) => why.word(),
    };
    metrics::counter!("waxseal_foreign_sessions_total", "outcome" => word)
}
