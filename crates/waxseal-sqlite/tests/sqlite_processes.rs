//! More than one process on a file, and the end of one.
//!
//! The long versions: `cargo test -p waxseal-sqlite --test sqlite_processes --release -- --ignored`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use rusqlite::Connection;
use store_tests::records::{
    NOW, increment_on_threads, load, new_key, number, read_key, record, wait, write_key,
};
use waxseal_sqlite::SqliteStore;
use waxseal_store::{MemoryStore, Record, SessionStore, Swap};

const PATH: &str = "WAXSEAL_TEST_CHILD_PATH";
const WORK: &str = "WAXSEAL_TEST_CHILD_WORK";

/// What this program does as a child; as a test it does nothing.
#[test]
fn child() {
    let (Some(path), Ok(work)) = (std::env::var_os(PATH), std::env::var(WORK)) else { return };
    let store = open(Path::new(&path));
    match *work.split(' ').collect::<Vec<_>>() {
        ["write"] => write_for_ever(&store),
        ["increment", key, tasks, times] => {
            increment_on_threads(&store, &read_key(key), tasks.parse().unwrap(), times.parse().unwrap());
        }
        _ => panic!("unknown work"),
    }
}

/// Patient: another process may hold the lock for long on a busy machine.
fn open(path: &Path) -> SqliteStore {
    SqliteStore::options(path).busy_timeout(Duration::from_secs(60)).open().unwrap()
}

/// This program once more, as a child.
fn spawn(path: &Path, work: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads", "1"])
        .env(PATH, path)
        .env(WORK, work)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (child, output)
}

/// Creates, updates and deletes, and says what was acknowledged: `+ key` for a session that was made and then
/// updated to the bytes `after`, `- key` for one that was made and then ended.
fn write_for_ever(store: &SqliteStore) {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for round in 0.. {
                    let (key, first) = (new_key(), record(b"before"));
                    _ = wait(store.create(&key, &first, NOW)).unwrap();
                    let said = if round % 4 == 0 {
                        assert!(wait(store.delete(&key, NOW)).unwrap());
                        "-"
                    } else {
                        let after = Record { revision: first.revision.next().unwrap(), ..record(b"after") };
                        assert_eq!(
                            wait(store.update(&key, &first.revision, &after, NOW)).unwrap(),
                            Swap::Done
                        );
                        "+"
                    };
                    writeln!(std::io::stdout().lock(), "{said} {}", write_key(&key)).unwrap();
                }
            });
        }
    });
}

fn kill_the_writer(rounds: usize) {
    const ACKNOWLEDGED: usize = 500;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        let (mut child, output) = spawn(&path, "write");
        let mut heard = 0;
        // Up to the end of the output: what it said before it died, and was heard after.
        for line in output.lines() {
            let line = line.unwrap();
            // The last line may have been cut.
            if let Some((said @ ("+" | "-"), key)) = line.split_once(' ').filter(|(_, key)| key.len() == 81) {
                acknowledged.push((said.to_owned(), read_key(key)));
                heard += 1;
                if heard == ACKNOWLEDGED {
                    child.kill().unwrap(); // SIGKILL
                }
            }
        }
        assert!(!child.wait().unwrap().success(), "round {round}: it was killed");
        assert!(heard >= ACKNOWLEDGED, "round {round}: {heard}");
        let said: String = Connection::open(&path)
            .unwrap()
            .query_row("PRAGMA integrity_check", (), |row| row.get(0))
            .unwrap();
        assert_eq!(said, "ok", "round {round}");
        let store = open(&path);
        for (said, key) in &acknowledged {
            let found = wait(load(&store, key)).map(|record| record.sealed);
            let expected = (said == "+").then(|| b"after".to_vec());
            assert_eq!(found, expected, "round {round}: {said} {key:?}");
        }
    }
}

#[test]
fn a_killed_writer_loses_no_acknowledged_write() {
    kill_the_writer(2);
}

#[test]
#[ignore = "20 rounds"]
fn a_writer_killed_twenty_times_loses_no_acknowledged_write() {
    kill_the_writer(20);
}

fn increments_from_two_processes(tasks: usize, times: u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let store = open(&path);
    let key = new_key();
    _ = wait(store.create(&key, &record(&[0; 8]), NOW)).unwrap();
    let half = tasks / 2;
    let (mut child, output) = spawn(&path, &format!("increment {} {half} {times}", write_key(&key)));
    increment_on_threads(&store, &key, half, times);
    output.lines().for_each(drop);
    assert!(child.wait().unwrap().success());
    assert_eq!(wait(number(&store, &key)), 2 * u64::try_from(half).unwrap() * times);
}

#[test]
fn increments_from_two_processes_sum_exactly() {
    increments_from_two_processes(8, 25);
}

#[test]
#[ignore = "64,000 increments"]
fn sixty_four_thousand_increments_from_two_processes_sum_exactly() {
    increments_from_two_processes(64, 1_000);
}

fn increments<S: SessionStore>(store: &S, tasks: usize, times: u64) {
    let key = new_key();
    _ = wait(store.create(&key, &record(&[0; 8]), NOW)).unwrap();
    increment_on_threads(store, &key, tasks, times);
    assert_eq!(wait(number(store, &key)), u64::try_from(tasks).unwrap() * times);
}

#[test]
#[ignore = "64,000 increments"]
fn sixty_four_thousand_increments_in_one_process_sum_exactly() {
    let folder = tempfile::tempdir().unwrap();
    increments(&open(&folder.path().join("sessions.db")), 64, 1_000);
}

#[test]
#[ignore = "64,000 increments"]
fn sixty_four_thousand_increments_in_memory_sum_exactly() {
    increments(&MemoryStore::new(), 64, 1_000);
}

#[test]
fn increments_from_sixty_four_tasks_sum_exactly() {
    let folder = tempfile::tempdir().unwrap();
    increments(&open(&folder.path().join("sessions.db")), 64, 4);
    increments(&MemoryStore::new(), 64, 50);
}
