//! The answers to the writes of one transaction.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::SqliteError;
use crate::writer::Job;

/// The answers to all writes of a transaction but the first. They are given when the first of the clones is dropped.
///
/// One clone goes to the first caller, with its own answer, and one stays with the writing thread. If that thread gave
/// each answer at once, each would wake the callers' thread, which would give one response and sleep again: with all of
/// them on one processor a third of a request's time. So that nobody depends on the first caller, which may not be
/// polled, the writing thread drops its clone soon.
#[derive(Clone)]
pub(crate) struct Answers {
    jobs: Arc<Mutex<Vec<Box<dyn Job>>>>,
    committed: Result<(), SqliteError>,
}

impl Answers {
    pub(crate) fn new(jobs: Vec<Box<dyn Job>>, committed: Result<(), SqliteError>) -> Self {
        Self { jobs: Arc::new(Mutex::new(jobs)), committed }
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        let jobs = std::mem::take(&mut *self.jobs.lock().unwrap_or_else(PoisonError::into_inner));
        jobs.into_iter().for_each(|job| job.answer(self.committed.clone(), None));
    }
}
