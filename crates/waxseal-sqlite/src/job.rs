//! A queued write, and its answer.

use std::sync::{Arc, Mutex, PoisonError};

use futures_channel::oneshot;
use rusqlite::Connection;

use crate::error::SqliteError;

/// A queued write.
pub(crate) trait Job: Send {
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, committed: Result<(), SqliteError>, others: Option<Answers>);
}

/// A write that a caller waits for.
pub(crate) struct Asked<W, T> {
    work: W,
    done: Option<T>,
    reply: oneshot::Sender<Answer<T>>,
}

/// What a caller receives.
pub(crate) struct Answer<T> {
    pub(crate) own: Result<T, SqliteError>,
    /// Those to the other writes of the transaction, if this caller is to give them.
    pub(crate) others: Option<Answers>,
}

impl<W, T> Asked<W, T> {
    pub(crate) fn new(work: W, reply: oneshot::Sender<Answer<T>>) -> Self {
        Self { work, done: None, reply }
    }
}

impl<T: Send, W: FnMut(&Connection) -> rusqlite::Result<T> + Send> Job for Asked<W, T> {
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.done = Some((self.work)(connection)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), SqliteError>, others: Option<Answers>) {
        let Self { done, reply, .. } = *self;
        // The caller may no longer wait; the write is done nevertheless.
        _ = reply.send(Answer { own: committed.and_then(|()| done.ok_or(SqliteError::Stopped)), others });
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_caller_answers_the_others() {
        store_tests::run(async {
            let (own, others) = (oneshot::channel(), oneshot::channel());
            let job = |reply| Box::new(Asked { work: |_: &Connection| Ok(1), done: Some(1), reply });
            let rest: Vec<Box<dyn Job>> = vec![job(others.0)];
            let answers = Answers::new(rest, Ok(()));
            job(own.0).answer(Ok(()), Some(answers.clone()));
            let mut other = others.1;
            assert!(other.try_recv().unwrap().is_none(), "not before the first has its own");
            let Answer { own, others } = own.1.await.unwrap();
            assert_eq!(own.unwrap(), 1);
            drop(others);
            assert_eq!(other.try_recv().unwrap().unwrap().own.unwrap(), 1);
        });
    }
}
