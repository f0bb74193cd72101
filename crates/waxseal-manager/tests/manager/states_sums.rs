//! Sums that many requests write at once, and that a lost answer leaves exact.
//!
//! The figures: `cargo test -p waxseal-manager --test states_sums --release -- --include-ignored`.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::states_support::{BOTH, Place, at, change, commit, new_store, sessions, visitor};
use waxseal_manager::{Error, SessionManager};
use waxseal_sqlite::SqliteStore;
use waxseal_store::testing::{FaultyStore, Operation, Turn};
use waxseal_store::{MemoryStore, SessionStore};

const PATH: &str = "WAXSEAL_TEST_SUMS_PATH";
const WORK: &str = "WAXSEAL_TEST_SUMS_WORK";

/// One more, by a closure; begun anew for as long as other requests are too many.
async fn increment(sessions: &SessionManager, token: &str) {
    loop {
        let session = change(sessions, token, at(1)).await;
        session.update("sum", |sum: &mut u64| *sum += 1).unwrap();
        match sessions.commit(&session, at(1)).await {
            Ok(_) => return,
            // Nothing was saved, as an answer of 409 says.
            Err(Error::Contended) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn increments(sessions: &Arc<SessionManager>, token: &str, tasks: u64, times: u64) {
    let task = |_| {
        let (sessions, token) = (sessions.clone(), token.to_owned());
        tokio::spawn(async move {
            for _ in 0..times {
                increment(&sessions, &token).await;
            }
        })
    };
    for task in (0..tasks).map(task).collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

async fn sum(sessions: &SessionManager, token: &str) -> Option<u64> {
    change(sessions, token, at(2)).await.get("sum").unwrap()
}

/// Patient: the other process may hold the lock for long on a busy machine.
fn open(path: &Path) -> SqliteStore {
    SqliteStore::options(path).busy_timeout(Duration::from_secs(60)).open().unwrap()
}

fn paused(place: Place, store: impl SessionStore) -> Arc<SessionManager> {
    Arc::new(sessions(place, store).with_pause(tokio::time::sleep))
}

async fn sums_in_one_process(tasks: u64, times: u64) {
    for place in BOTH {
        let folder = tempfile::tempdir().unwrap();
        let file = SqliteStore::open(folder.path().join("sessions.db")).unwrap();
        for (store, sessions) in
            [("memory", paused(place, MemoryStore::new())), ("SQLite", paused(place, file))]
        {
            let token = visitor(&sessions, at(0), |session| session.insert("sum", 0).unwrap()).await;
            increments(&sessions, &token, tasks, times).await;
            assert_eq!(sum(&sessions, &token).await, Some(tasks * times), "{store}, {place:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_from_sixty_four_tasks_sum_exactly() {
    sums_in_one_process(64, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "64,000 increments of each"]
async fn sixty_four_thousand_increments_sum_exactly() {
    sums_in_one_process(64, 1_000).await;
}

/// What this program does as a child; as a test it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let (Some(path), Ok(work)) = (std::env::var_os(PATH), std::env::var(WORK)) else { return };
    let [token, tasks, times] = work.split(' ').collect::<Vec<_>>()[..] else { panic!("unknown work") };
    let sessions = paused(Place::Mirrored, open(Path::new(&path)));
    increments(&sessions, token, tasks.parse().unwrap(), times.parse().unwrap()).await;
}

async fn sums_in_two_processes(tasks: u64, times: u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let sessions = paused(Place::Mirrored, open(&path));
    let token = visitor(&sessions, at(0), |session| session.insert("sum", 0).unwrap()).await;
    let half = tasks / 2;
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "states_sums::child", "--test-threads", "1"])
        .env(PATH, &path)
        .env(WORK, format!("{token} {half} {times}"))
        .spawn()
        .unwrap();
    increments(&sessions, &token, half, times).await;
    let ended = tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
    assert!(ended.success());
    assert_eq!(sum(&sessions, &token).await, Some(2 * half * times));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_from_two_processes_sum_exactly() {
    sums_in_two_processes(8, 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "64,000 increments"]
async fn sixty_four_thousand_increments_from_two_processes_sum_exactly() {
    sums_in_two_processes(64, 1_000).await;
}

/// A number that nobody can guess and every run repeats.
fn dice(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_additions_whose_answers_are_lost_at_random_sum_exactly() {
    for place in BOTH {
        let store = new_store();
        let sessions = sessions(place, store.clone());
        let token = visitor(&sessions, at(0), |session| session.insert("sum", 0).unwrap()).await;
        let mut roll = dice(11);
        store.decide_with(move |operation| match operation {
            Operation::Update if roll().is_multiple_of(2) => Turn::LoseReply,
            _ => Turn::Work,
        });
        for _ in 0..1_000 {
            let session = change(&sessions, &token, at(1)).await;
            session.add("sum", 1).unwrap();
            sessions.commit(&session, at(1)).await.unwrap();
        }
        assert_eq!(sum(&sessions, &token).await, Some(1_000), "{place:?}");
    }
}

/// A third of all writes lose their answer or do not arrive, and so does a tenth of the questions about them: what was
/// acknowledged is in the sum once, and what nobody could tell once at most.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn additions_of_which_nobody_can_tell_count_once_or_not_at_all() {
    for place in BOTH {
        for tasks in [1, 8] {
            let store: FaultyStore<_> = new_store();
            let sessions = Arc::new(sessions(place, store.clone()));
            let token = visitor(&sessions, at(0), |session| session.insert("sum", 0).unwrap()).await;
            let mut roll = dice(7);
            store.decide_with(move |operation| match (operation, roll() % 30) {
                (Operation::Update, 0..=5) | (Operation::Revalidate, 0..=2) => Turn::LoseReply,
                (Operation::Update, 6..=9) => Turn::Fail,
                _ => Turn::Work,
            });
            let task = |_| {
                let (sessions, token) = (sessions.clone(), token.clone());
                tokio::spawn(async move {
                    let (mut done, mut unknown) = (0, 0);
                    for _ in 0..1_000 / tasks {
                        let Ok(session) = crate::states_support::open(
                            &sessions,
                            &token,
                            waxseal_manager::Access::Change,
                            at(1),
                        )
                        .await
                        else {
                            continue;
                        };
                        session.add("sum", 1).unwrap();
                        match commit(&sessions, &session, "", at(1)).await {
                            Ok(_) => done += 1,
                            Err(Error::Unavailable(_)) => unknown += 1,
                            Err(Error::Contended) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                    (done, unknown)
                })
            };
            let (mut done, mut unknown) = (0, 0);
            for task in (0..tasks).map(task).collect::<Vec<_>>() {
                let (some, lost) = task.await.unwrap();
                (done, unknown) = (done + some, unknown + lost);
            }
            store.decide_with(|_| Turn::Work);
            let sum = sum(&sessions, &token).await.unwrap();
            assert!(
                (done..=done + unknown).contains(&sum),
                "{place:?}, {tasks} tasks: {sum} of {done} + {unknown}"
            );
            assert!(done > 300, "{place:?}, {tasks} tasks: {done}");
        }
    }
}
