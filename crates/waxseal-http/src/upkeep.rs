//! The task that maintains a manager's store.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::task::AbortHandle;

/// The keeper of a store, if it has one. A task of ours ends when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    keeper: AtomicU8,
    task: Mutex<Option<AbortHandle>>,
}

/// Whoever maintains a store.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(crate) enum Keeper {
    Nobody = 0,
    /// A task that the first request began.
    Task,
    /// The app, which polls a future of ours.
    App,
}

impl Upkeep {
    /// Returns `true` if the store is maintained already, or needs nothing.
    pub(crate) fn is_on(&self) -> bool {
        self.keeper.load(Ordering::Relaxed) != Keeper::Nobody as u8
    }

    /// Makes `new` the keeper if `old` is. Returns `false` if not.
    pub(crate) fn change(&self, old: Keeper, new: Keeper) -> bool {
        let (old, new) = (old as u8, new as u8);
        self.keeper.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Makes the app the keeper, and ends a task of ours.
    pub(crate) fn pass_to_app(&self) {
        self.keeper.store(Keeper::App as u8, Ordering::Relaxed);
        self.set_task(None);
    }

    /// Keeps the task, and ends the one before.
    pub(crate) fn set_task(&self, task: Option<AbortHandle>) {
        let before = std::mem::replace(&mut *self.task.lock().unwrap_or_else(PoisonError::into_inner), task);
        if let Some(before) = before {
            before.abort();
        }
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.set_task(None);
    }
}
