//! The thread that writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use futures_channel::oneshot;
use rusqlite::Connection;

use crate::error::SqliteError;
use crate::file::File;
use crate::identity::Identity;

/// The largest number of writes in one transaction.
///
/// It is large enough to share the cost of a commit, and small enough to let other processes write.
const MAX_BATCH: usize = 256;

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
        match queue.try_send(Box::new(Asked { work, done: None, reply })) {
            Ok(()) => answer.await.unwrap_or(Err(SqliteError::Stopped)),
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

/// A queued write.
trait Job: Send {
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, committed: Result<(), SqliteError>);
}

struct Asked<W, T> {
    work: W,
    done: Option<T>,
    reply: oneshot::Sender<Result<T, SqliteError>>,
}

impl<T: Send, W: FnMut(&Connection) -> rusqlite::Result<T> + Send> Job for Asked<W, T> {
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.done = Some((self.work)(connection)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), SqliteError>) {
        let Self { done, reply, .. } = *self;
        // The caller may no longer wait; the write is done nevertheless.
        _ = reply.send(committed.and_then(|()| done.ok_or(SqliteError::Stopped)));
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
        while let Ok(first) = jobs.recv() {
            // On a processor that it shares with the callers, this thread is woken by the first write and would commit it
            // before the others are there.
            std::thread::yield_now();
            let mut batch = vec![first];
            batch.extend(jobs.try_iter().take(MAX_BATCH - 1));
            match self.commit(&mut batch) {
                // One write is wrong, or has no space while others need none. Each gets its own transaction, so that
                // the others are done.
                Err(SqliteError::Statement(_) | SqliteError::Full) if batch.len() > 1 => {
                    for job in batch {
                        let mut alone = [job];
                        let committed = self.commit(&mut alone);
                        let [job] = alone;
                        job.answer(committed);
                    }
                }
                committed => batch.into_iter().for_each(|job| job.answer(committed.clone())),
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
