//! Who runs the maintenance of a manager's store.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::task::AbortHandle;

/// Who runs the store's maintenance: nobody yet, a background task of this crate, or the app. The task ends when this is
/// dropped.
#[derive(Debug, Default)]
pub(crate) struct Maintainer {
    current: AtomicU8,
    task: Mutex<Option<AbortHandle>>,
}

/// Who runs a store's maintenance.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(crate) enum MaintainedBy {
    Nobody = 0,
    /// A task that the first request started.
    Task,
    /// The app, which polls this crate's future.
    App,
}

impl Maintainer {
    /// Returns `true` if the store is already maintained, or needs no maintenance.
    pub(crate) fn is_on(&self) -> bool {
        self.current.load(Ordering::Relaxed) != MaintainedBy::Nobody as u8
    }

    /// Makes `new` the maintainer if `old` is the present one. Returns `false` if it is not.
    pub(crate) fn change(&self, old: MaintainedBy, new: MaintainedBy) -> bool {
        let (old, new) = (old as u8, new as u8);
        self.current.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Makes the app the maintainer, and ends this crate's task.
    pub(crate) fn pass_to_app(&self) {
        self.current.store(MaintainedBy::App as u8, Ordering::Relaxed);
        self.set_task(None);
    }

    /// Keeps the task, and ends the previous one.
    pub(crate) fn set_task(&self, task: Option<AbortHandle>) {
        let before = std::mem::replace(&mut *self.task.lock().unwrap_or_else(PoisonError::into_inner), task);
        if let Some(before) = before {
            before.abort();
        }
    }
}

impl Drop for Maintainer {
    fn drop(&mut self) {
        self.set_task(None);
    }
}
