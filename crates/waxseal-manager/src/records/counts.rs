//! Counters of sessions on the server, through the `metrics` facade.

use metrics::Counter;

pub(super) struct Counts {
    /// Sessions shown from the browser's copy, without asking the store.
    pub(super) copies: Counter,
    /// Sessions shown from a revalidated copy.
    pub(super) confirmed: Counter,
    /// Sessions shown from the record.
    pub(super) records: Counter,
    /// Sessions shown from a copy during an outage of the store (stale-if-error).
    pub(super) grace: Counter,
    /// Tokens whose session is over.
    pub(super) gone: Counter,
    /// Tokens whose session has another id by now.
    pub(super) renewed: Counter,
    /// Records that no key opens.
    pub(super) unreadable: Counter,
    /// Records listed under another owner than the one sealed in them.
    pub(super) other_owner: Counter,
    /// Saves that found the record changed and started again.
    pub(super) conflicts: Counter,
    /// Copies that are newer than their record, because the store has lost writes.
    pub(super) gone_back: Counter,
}

impl Counts {
    pub(super) fn new() -> Self {
        metrics::describe_counter!(
            "waxseal_sessions_read_total",
            "Sessions shown, by what they were read from."
        );
        metrics::describe_counter!(
            "waxseal_sessions_refused_total",
            "Good tokens without a session, by the reason."
        );
        metrics::describe_counter!("waxseal_session_conflicts_total", "Saves that met another request's.");
        metrics::describe_counter!(
            "waxseal_session_copies_newer_total",
            "Copies newer than their record: the store has gone back."
        );
        let read = |from| metrics::counter!("waxseal_sessions_read_total", "from" => from);
        let refused = |reason| metrics::counter!("waxseal_sessions_refused_total", "reason" => reason);
        Self {
            copies: read("copy"),
            confirmed: read("confirmed copy"),
            records: read("record"),
            grace: read("copy in an outage"),
            gone: refused("gone"),
            renewed: refused("renewed"),
            unreadable: refused("unreadable"),
            other_owner: refused("other owner"),
            conflicts: metrics::counter!("waxseal_session_conflicts_total"),
            gone_back: metrics::counter!("waxseal_session_copies_newer_total"),
        }
    }
}
