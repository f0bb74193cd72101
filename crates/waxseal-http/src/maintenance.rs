//! Rounds of maintenance for a session store.

use std::error::Error as StdError;
use std::time::Duration;

use tokio::runtime::Handle;
use waxseal_manager::Error;

use crate::carrier::{Carrier, WeakCarrier};
use crate::maintainer::MaintainedBy;

/// The time between two rounds of maintenance, and between two log lines about failed rounds.
const ROUND_INTERVAL: Duration = Duration::from_secs(60);
/// The longest time for a round or an attempt. A round takes a minute if much has expired, and calls have their own limits in
/// our stores; those of another store may wait for ever.
const LONGEST: Duration = Duration::from_secs(90);
/// The time between two attempts to tell the store about sign-outs that it missed.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Starts a task that maintains the store until the last carrier is dropped. Does nothing if the store is already
/// maintained, or outside of a tokio runtime.
pub(crate) fn begin(carrier: &Carrier) {
    let maintainer = carrier.maintainer();
    if maintainer.is_on() {
        return;
    }
    let Ok(runtime) = Handle::try_current() else { return };
    // In state `cookie` without a list there is nothing to do, now or later.
    if maintainer.change(MaintainedBy::Nobody, MaintainedBy::Task) && carrier.sessions().needs_maintenance() {
        maintainer
            .set_task(Some(runtime.spawn(rounds(carrier.downgrade(), MaintainedBy::Task)).abort_handle()));
    }
}

/// Maintains the store for as long as it is polled, instead of the task that [`begin`] starts.
pub(crate) async fn maintain(carrier: &Carrier) {
    if !carrier.sessions().needs_maintenance() {
        return std::future::pending().await;
    }
    carrier.maintainer().pass_to_app();
    rounds(carrier.downgrade(), MaintainedBy::App).await;
}

async fn rounds(carrier: WeakCarrier, by: MaintainedBy) {
    let _end = End { carrier: carrier.clone(), by };
    // Both run concurrently, so that a sign-out that the store missed does not wait for a long round.
    let rounds = every(ROUND_INTERVAL, &carrier, |carrier| async move {
        carrier.sessions().maintain(|| carrier.now()).await.map(drop)
    });
    let ends = every(RETRY_INTERVAL, &carrier, |carrier| async move {
        carrier.sessions().finish_ends(carrier.now()).await.map(drop)
    });
    tokio::join!(rounds, ends);
}

/// Does `work` at once and after each `span`, for as long as it is polled and the session manager exists.
async fn every<F>(span: Duration, carrier: &WeakCarrier, work: impl Fn(Carrier) -> F)
where
    F: Future<Output = Result<(), Error>>,
{
    let mut ticks = tokio::time::interval(span);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // A failure that repeats each second is logged once a minute.
    let mut said: Option<tokio::time::Instant> = None;
    loop {
        ticks.tick().await;
        let Some(carrier) = carrier.upgrade() else { return };
        let error: Box<dyn StdError> = match tokio::time::timeout(LONGEST, work(carrier)).await {
            Ok(Ok(())) => {
                said = None;
                continue;
            }
            Ok(Err(error)) => error.into(),
            Err(_) => format!("it was not done within {LONGEST:?}").into(),
        };
        if said.is_none_or(|at| at.elapsed() >= ROUND_INTERVAL) {
            said = Some(tokio::time::Instant::now());
            tracing::warn!(error = &*error, "the session store was not looked after");
        }
    }
}

/// If the runtime of a task has ended, lets the next request start a new one. A round that panicked would do so again,
/// so a panic ends maintenance.
struct End {
    carrier: WeakCarrier,
    by: MaintainedBy,
}

impl Drop for End {
    fn drop(&mut self) {
        if let Some(carrier) = self.carrier.upgrade()
            && !std::thread::panicking()
        {
            carrier.maintainer().change(self.by, MaintainedBy::Nobody);
        }
    }
}
