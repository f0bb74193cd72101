//! The thread that writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use futures_channel::oneshot;
use rusqlite::Connection;

use crate::error::SqliteError;
use crate::file::File;
use crate::identity::Identity;
use crate::job::{Answer, Answers, Asked, Job};

/// The largest number of writes in one transaction.
///
/// It is large enough to share the cost of a commit, and small enough to let other processes write.
const MAX_BATCH: usize = 256;

/// The longest that a written transaction's answers wait for its first caller to give them.
const MAX_WAIT: Duration = Duration::from_millis(1);

/// A thread with a queue of writes.
pub(crate) struct Writer {
    /// `None` only while dropping.
    queue: Option<SyncSender<Box<dyn Job>>>,
    capacity: usize,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn start(
        connection: Connection,
        file: Arc<File>,
        epoch: Arc<AtomicU64>,
        capacity: usize,
    ) -> Result<Self, SqliteError> {
        let (queue, jobs) = sync_channel(capacity);
        let open = Some(Open { identity: file.identity()?, connection });
        let desk = Desk { file: Arc::clone(&file), epoch, open };
        let thread = std::thread::Builder::new().name("waxseal-sqlite".to_owned());
        let thread = thread.spawn(move || desk.serve(&jobs));
        let thread = thread.map_err(|error| SqliteError::open(file.path(), error))?;
        Ok(Self { queue: Some(queue), capacity, thread: Some(thread) })
    }

    /// Runs `work` in a transaction on the writing thread, and returns after the commit.
    ///
    /// It may run twice: again after a transaction that was rolled back.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, SqliteError> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(SqliteError::Stopped)?;
        match queue.try_send(Box::new(Asked::new(work, reply))) {
            Ok(()) => {
                let Answer { own, others } = answer.await.map_err(|_| SqliteError::Stopped)?;
                drop(others);
                own
            }
            Err(TrySendError::Full(_)) => Err(SqliteError::Queue(self.capacity)),
            Err(TrySendError::Disconnected(_)) => Err(SqliteError::Stopped),
        }
    }
}

/// Waits for the queued writes, so that the file can be opened again or moved afterwards.
impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked, its own message was printed.
            _ = thread.join();
        }
    }
}

/// The state of the writing thread.
struct Desk {
    file: Arc<File>,
    epoch: Arc<AtomicU64>,
    open: Option<Open>,
}

struct Open {
    identity: Identity,
    connection: Connection,
}

impl Desk {
    fn serve(mut self, jobs: &Receiver<Box<dyn Job>>) {
        // Those of the last transaction, if its first caller was to give them.
        let mut left: Option<Answers> = None;
        loop {
            let first = match &left {
                None => jobs.recv().map_err(RecvTimeoutError::from),
                Some(_) => jobs.recv_timeout(MAX_WAIT),
            };
            let first = match first {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => {
                    left = None;
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // On a processor that it shares with the callers, this thread is woken by the first write and would commit it
            // before the others are there.
            std::thread::yield_now();
            let mut batch = vec![first];
            batch.extend(jobs.try_iter().take(MAX_BATCH - 1));
            let committed = self.commit(&mut batch);
            left = None;
            match committed {
                // One write is wrong, or has no space while others need none. Each gets its own transaction, so that
                // the others are done.
                Err(SqliteError::Statement(_) | SqliteError::Full) if batch.len() > 1 => {
                    for job in batch {
                        let mut alone = [job];
                        let committed = self.commit(&mut alone);
                        let [job] = alone;
                        job.answer(committed, None);
                    }
                }
                committed => {
                    let first = batch.swap_remove(0);
                    left = (!batch.is_empty()).then(|| Answers::new(batch, committed.clone()));
                    first.answer(committed, left.clone());
                }
            }
        }
    }

    fn commit(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), SqliteError> {
        let committed = self.try_commit(batch);
        if committed.as_ref().is_err_and(|error| !error.spares_the_connection()) {
            self.close();
        }
        committed
    }

    fn try_commit(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), SqliteError> {
        let identity = self.file.identity()?;
        if self.open.as_ref().is_some_and(|open| open.identity != identity) {
            self.close();
        }
        if self.open.is_none() {
            self.open = Some(Open { identity, connection: self.file.writer()? });
        }
        let Open { connection, .. } = self.open.as_ref().expect("it was opened above");
        let outcome = transact(connection, &self.file, batch);
        if !connection.is_autocommit() {
            let undone = connection.execute_batch("ROLLBACK").map_err(|error| self.file.error(error));
            // A transaction that stays open would block all other writers.
            if undone.is_err() {
                self.close();
            }
        }
        outcome
    }

    /// Closes the connection, and makes readers close theirs as well.
    fn close(&mut self) {
        self.open = None;
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }
}

fn transact(connection: &Connection, file: &File, batch: &mut [Box<dyn Job>]) -> Result<(), SqliteError> {
    // Takes the write lock at once, because a transaction that began with a read cannot always get it later.
    file.patiently(|| connection.prepare_cached("BEGIN IMMEDIATE")?.execute(()))?;
    let mut work = || {
        batch.iter_mut().try_for_each(|job| job.run(connection))?;
        connection.prepare_cached("COMMIT")?.execute(())
    };
    work().map(drop).map_err(|error| file.error(error))
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::mpsc::channel;
    use std::task::{Context, Waker};

    use super::*;
    use crate::options::SqliteOptions;

    type Write<'a> = Pin<Box<dyn Future<Output = Result<i64, SqliteError>> + Send + 'a>>;

    /// Queues two writes while the thread is busy with another, so that they are done in one transaction.
    async fn two_of_one_transaction(check: impl AsyncFnOnce(Write<'_>, Write<'_>)) {
        let folder = tempfile::tempdir().unwrap();
        let file = Arc::new(File::new(SqliteOptions::new(&folder.path().join("sessions.db"))));
        let connection = file.create().unwrap();
        let writer = Writer::start(connection, file, Arc::default(), 16).unwrap();
        let (begun, has_begun) = channel();
        let (go, may_go) = channel();
        let mut busy: Write<'_> = Box::pin(writer.write(move |_| {
            begun.send(()).unwrap();
            may_go.recv().unwrap();
            Ok(0)
        }));
        let count =
            |connection: &Connection| connection.query_row("SELECT total_changes()", (), |row| row.get(0));
        let [mut first, mut second]: [Write<'_>; 2] =
            [Box::pin(writer.write(count)), Box::pin(writer.write(count))];
        let mut cx = Context::from_waker(Waker::noop());
        assert!(busy.as_mut().poll(&mut cx).is_pending());
        has_begun.recv().unwrap();
        for write in [&mut first, &mut second] {
            assert!(write.as_mut().poll(&mut cx).is_pending());
        }
        go.send(()).unwrap();
        assert_eq!(busy.await.unwrap(), 0);
        let limit = Duration::from_secs(30);
        tokio::time::timeout(limit, check(first, second)).await.expect("both are answered");
    }

    #[test]
    fn both_callers_of_a_transaction_are_answered_in_whichever_order_they_ask() {
        store_tests::run(async {
            two_of_one_transaction(async |first, second| {
                first.await.unwrap();
                second.await.unwrap();
            })
            .await;
            two_of_one_transaction(async |first, second| {
                second.await.unwrap();
                first.await.unwrap();
            })
            .await;
        });
    }

    #[test]
    fn a_first_caller_that_no_longer_waits_holds_up_nobody() {
        store_tests::run(two_of_one_transaction(async |first, second| {
            drop(first);
            second.await.unwrap();
        }));
    }
}
