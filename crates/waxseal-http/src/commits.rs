//! Commits that run in tasks of their own.

use tokio::sync::watch;

/// The commits of a session manager that wait for its store, each in a task that goes on when its request is dropped.
#[derive(Debug)]
pub(crate) struct Commits(watch::Sender<()>);

/// Counts as a commit until it is dropped.
#[derive(Debug)]
pub(crate) struct Underway(#[expect(dead_code, reason = "it is counted")] watch::Receiver<()>);

impl Commits {
    pub(crate) fn begin(&self) -> Underway {
        Underway(self.0.subscribe())
    }

    /// How many are under way.
    pub(crate) fn len(&self) -> usize {
        self.0.receiver_count()
    }

    /// Resolves when none is under way.
    pub(crate) async fn done(&self) {
        self.0.closed().await;
    }
}

impl Default for Commits {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}
