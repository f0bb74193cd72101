//! Counters of device-bound sessions. All are registered at start, with 0.

use metrics::{Counter, counter, describe_counter};
use waxseal_device::{Proof, Reason, SkipReason};

/// The result of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RegistrationResult {
    Bound,
    Repeated,
    Refused,
    Conflict,
    Unavailable,
}

/// The result of a refresh.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RefreshResult {
    Challenged,
    Proven,
    Refused,
    Ended,
}

/// Counters of device-bound sessions.
#[derive(Debug)]
pub(crate) struct DeviceMetrics {
    offers: Counter,
    registrations: [Counter; 5],
    refreshes: [Counter; 4],
    refusals: [Counter; Reason::ALL.len()],
    proofs: [Counter; 4],
    skipped: [Counter; 3],
}

impl DeviceMetrics {
    pub(crate) fn new() -> Self {
        describe_counter!("waxseal_device_offers_total", "Offers to bind a session to its device.");
        describe_counter!(
            "waxseal_device_registrations_total",
            "Registrations of devices, by what became of them."
        );
        describe_counter!("waxseal_device_refreshes_total", "Requests for a new proof, by the answer.");
        describe_counter!(
            "waxseal_device_refused_total",
            "Registrations and refreshes refused, by the reason."
        );
        describe_counter!(
            "waxseal_device_requests_total",
            "Requests of bound sessions, by their proof of the device."
        );
        describe_counter!(
            "waxseal_device_skipped_total",
            "Requests without a proof whose browser said why, by the reason."
        );
        Self {
            offers: counter!("waxseal_device_offers_total"),
            registrations: ["bound", "repeated", "refused", "conflict", "unavailable"]
                .map(|result| counter!("waxseal_device_registrations_total", "result" => result)),
            refreshes: ["challenged", "proven", "refused", "ended"]
                .map(|result| counter!("waxseal_device_refreshes_total", "result" => result)),
            refusals: Reason::ALL
                .map(|reason| counter!("waxseal_device_refused_total", "reason" => reason.word())),
            proofs: ["proven", "settling", "missing", "skipped"]
                .map(|proof| counter!("waxseal_device_requests_total", "proof" => proof)),
            skipped: [SkipReason::Unreachable, SkipReason::ServerError, SkipReason::QuotaExceeded]
                .map(|reason| counter!("waxseal_device_skipped_total", "reason" => reason.word())),
        }
    }

    pub(crate) fn offer(&self) {
        self.offers.increment(1);
    }

    pub(crate) fn registration(&self, result: RegistrationResult) {
        self.registrations[result as usize].increment(1);
    }

    pub(crate) fn refresh(&self, result: RefreshResult) {
        self.refreshes[result as usize].increment(1);
    }

    pub(crate) fn refusal(&self, reason: Reason) {
        if let Some(at) = Reason::ALL.iter().position(|known| *known == reason) {
            self.refusals[at].increment(1);
        }
    }

    /// Counts a request of a bound session.
    pub(crate) fn request(&self, proof: Proof) {
        let at = match proof {
            Proof::Unbound => return,
            Proof::Proven { .. } => 0,
            Proof::Settling { .. } => 1,
            Proof::Unproven => 2,
            Proof::Skipped(reason) => {
                let words = [SkipReason::Unreachable, SkipReason::ServerError, SkipReason::QuotaExceeded];
                if let Some(at) = words.iter().position(|known| *known == reason) {
                    self.skipped[at].increment(1);
                }
                3
            }
        };
        self.proofs[at].increment(1);
    }
}
