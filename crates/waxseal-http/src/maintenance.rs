//! Rounds of maintenance for a session store.

use std::time::Duration;

use waxseal_manager::Error;

use crate::carrier::Carrier;

/// Time between two rounds of maintenance, and between two log lines about rounds that fail.
const ROUND_INTERVAL: Duration = Duration::from_secs(60);
/// Time between two attempts to tell the store of sign-outs that it missed.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Maintains the store for as long as it is polled.
pub(crate) async fn maintain(carrier: &Carrier) {
    let sessions = carrier.sessions();
    if !sessions.needs_maintenance() {
        return std::future::pending().await;
    }
    // Side by side: a sign-out that the store missed does not wait for a long round.
    let rounds = every(ROUND_INTERVAL, || async { sessions.maintain(|| carrier.now()).await.map(drop) });
    let ends = every(RETRY_INTERVAL, || async { sessions.finish_ends(carrier.now()).await.map(drop) });
    tokio::join!(rounds, ends);
}

/// Does `work` now and again after each `span`, for as long as it is polled.
async fn every<F: Future<Output = Result<(), Error>>>(span: Duration, work: impl Fn() -> F) {
    let mut ticks = tokio::time::interval(span);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // What fails each second is said once a minute.
    let mut said: Option<tokio::time::Instant> = None;
    loop {
        ticks.tick().await;
        let done = work().await;
        if done.is_ok() {
            said = None;
        }
        if let Err(error) = done
            && said.is_none_or(|at| at.elapsed() >= ROUND_INTERVAL)
        {
            said = Some(tokio::time::Instant::now());
            tracing::warn!(
                error = &error as &(dyn std::error::Error + 'static),
                "the session store was not looked after"
            );
        }
    }
}
