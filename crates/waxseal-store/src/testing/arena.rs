//! The environment of a case.

use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::{panic, thread};

use super::run::caught;
use super::task::Task;

/// One store opened twice, and a way to run tasks at the same time.
pub(super) struct Arena<S> {
    stores: [Arc<S>; 2],
    spawn: Arc<dyn Fn(Task) + Send + Sync>,
    rounds: usize,
}

impl<S: Send + Sync + 'static> Arena<S> {
    pub(super) fn new(stores: [S; 2], spawn: Arc<dyn Fn(Task) + Send + Sync>, rounds: usize) -> Self {
        Self { stores: stores.map(Arc::new), spawn, rounds }
    }

    /// Both handles to the store.
    pub(super) fn both(&self) -> [&S; 2] {
        [&self.stores[0], &self.stores[1]]
    }

    /// The number of runs of each race.
    pub(super) fn rounds(&self) -> usize {
        self.rounds
    }

    /// Runs `count` tasks at the same time, alternately on the two handles. `task` gets the task's number. If a task
    /// panics, the case panics.
    pub(super) async fn race<T, F>(&self, count: usize, task: impl Fn(Arc<S>, usize) -> F) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let results = Arc::new(Mutex::new(Results { done: Vec::new(), waker: None }));
        for number in 0..count {
            let work = task(Arc::clone(&self.stores[number % 2]), number);
            let results = Arc::clone(&results);
            (self.spawn)(Box::pin(async move {
                let result = caught(work).await;
                let mut results = results.lock().expect("nothing panics with it locked");
                results.done.push((number, result));
                results.waker.as_ref().inspect(|waker| waker.wake_by_ref());
            }));
        }
        let mut done = std::future::poll_fn(|context| {
            let mut results = results.lock().expect("nothing panics with it locked");
            results.waker = Some(context.waker().clone());
            if results.done.len() < count {
                Poll::Pending
            } else {
                Poll::Ready(std::mem::take(&mut results.done))
            }
        })
        .await;
        done.sort_by_key(|(number, _)| *number);
        let result =
            |(_, result): (_, thread::Result<T>)| result.unwrap_or_else(|found| panic::resume_unwind(found));
        done.into_iter().map(result).collect()
    }
}

struct Results<T> {
    done: Vec<(usize, thread::Result<T>)>,
    waker: Option<Waker>,
}
