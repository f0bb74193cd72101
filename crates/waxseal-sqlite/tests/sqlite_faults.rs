//! What goes wrong with a file, told clearly, harming nothing, and over when its cause is.

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use rusqlite::Connection;
use store_tests::records::{NOW, load, new_key, record, wait};
use tempfile::TempDir;
use waxseal_sqlite::{SqliteError, SqliteStore};
use waxseal_store::{Creation, Fault, Lifespan, Record, RecordKey, SessionStore};

const PATIENT: Duration = Duration::from_secs(60);

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    (folder, path)
}

/// For tests in which the lock is held, however slow the machine is.
fn open_patiently(path: &Path) -> SqliteStore {
    SqliteStore::options(path).busy_timeout(PATIENT).open().unwrap()
}

fn create(store: &SqliteStore, record: &Record) -> Result<RecordKey, SqliteError> {
    let key = new_key();
    wait(store.create(&key, record, NOW)).map(|creation| {
        assert_eq!(creation, Creation::Created);
        key
    })
}

fn lives(store: &SqliteStore, key: &RecordKey) -> bool {
    wait(load(store, key)).is_some()
}

fn outage<T: std::fmt::Debug>(outcome: Result<T, SqliteError>) -> SqliteError {
    let error = outcome.unwrap_err();
    assert_ne!(SqliteStore::fault(&error), Fault::Defect, "{error}");
    error
}

/// By a connection that has nothing to do with the store.
fn assert_sound(path: &Path) {
    let connection = Connection::open(path).unwrap();
    let said: String = connection.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(said, "ok");
}

/// The message with the folder's name, which differs from run to run, taken out.
fn told(error: &SqliteError, folder: &TempDir) -> String {
    error.to_string().replace(folder.path().to_str().unwrap(), "data")
}

/// By the command of docs/stores.md, where everybody may read what a program makes unless it says otherwise.
#[cfg(unix)]
#[test]
fn a_backup_taken_as_documented_is_this_users_alone() {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;
    if Command::new("sqlite3").arg("-version").output().is_err() {
        store_tests::skip("no sqlite3 on the PATH");
        return;
    }
    let (folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let key = create(&store, &record(b"x")).unwrap();
    let page = include_str!("../../../docs/stores.md");
    let backup = page.lines().find(|line| line.contains(".backup copy.db")).expect("the page says how");
    let shell =
        Command::new("sh").args(["-c", &format!("umask 022; {backup}")]).current_dir(&folder).status();
    assert!(shell.unwrap().success());
    let copy = folder.path().join("copy.db");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(lives(&SqliteStore::open(&copy).unwrap(), &key));
}

#[cfg(unix)]
#[test]
fn a_new_file_and_its_folders_are_this_users_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("a/b");
    let store = SqliteStore::open(data.join("sessions.db")).unwrap();
    create(&store, &record(b"x")).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder.path().join("a")), mode(&data)), (0o700, 0o700));
    let files: Vec<_> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 3, "the database, its log and the log's index: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn what_was_written_is_there_when_the_file_is_opened_again() {
    let (_folder, path) = folder();
    let record = record(b"x");
    let key = create(&SqliteStore::open(&path).unwrap(), &record).unwrap();
    assert_eq!(wait(load(&SqliteStore::open(&path).unwrap(), &key)), Some(record));
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let (folder, path) = folder();
    let text = "Dear diary, ".repeat(1_000);
    fs::write(&path, &text).unwrap();
    let error = outage(SqliteStore::open(&path));
    insta::assert_snapshot!(told(&error, &folder), @"data/sessions.db is not an SQLite database, or damaged; move it away and a new one is made, or put back a backup");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_folder_is_refused() {
    let (folder, path) = folder();
    fs::create_dir(&path).unwrap();
    let error = outage(SqliteStore::open(&path));
    insta::assert_snapshot!(told(&error, &folder), @"the session database data/sessions.db could not be opened; check that this user may read and write it and its folder");
}

#[test]
fn another_programs_database_is_refused_and_left_as_it_is() {
    let (folder, path) = folder();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("CREATE TABLE sessions (x)").unwrap();
    let error = outage(SqliteStore::open(&path));
    insta::assert_snapshot!(told(&error, &folder), @"data/sessions.db is another program's database; give the sessions a file of their own");
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0)).unwrap();
    let mode: String = connection.query_row("PRAGMA journal_mode", (), |row| row.get(0)).unwrap();
    assert_eq!((tables, mode.as_str()), (1, "delete"));
}

#[test]
fn a_newer_schema_is_refused() {
    let (folder, path) = folder();
    drop(SqliteStore::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
    let error = outage(SqliteStore::open(&path));
    insta::assert_snapshot!(told(&error, &folder), @"the session database data/sessions.db has schema 7, and this release knows up to 2; run the newer release");
}

#[test]
fn an_empty_file_is_made_a_database() {
    let (_folder, path) = folder();
    fs::write(&path, "").unwrap();
    create(&SqliteStore::open(&path).unwrap(), &record(b"x")).unwrap();
    assert_sound(&path);
}

#[test]
fn twenty_stores_may_open_one_new_file_at_once() {
    let (_folder, path) = folder();
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| create(&open_patiently(&path), &record(b"x")).unwrap());
        }
    });
    let count: i64 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM sessions", (), |row| row.get(0))
        .unwrap();
    assert_eq!(count, 20);
    assert_sound(&path);
}

#[test]
fn while_another_process_holds_the_lock_writes_fail_and_reads_go_on() {
    let (_folder, path) = folder();
    let store = SqliteStore::options(&path).busy_timeout(Duration::from_millis(20)).open().unwrap();
    let key = create(&store, &record(b"x")).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = outage(create(&store, &record(b"y")));
    insta::assert_snapshot!(error, @"the session database was locked by another process for 20ms");
    assert!(lives(&store, &key));
    other.execute_batch("ROLLBACK").unwrap();
    create(&store, &record(b"y")).unwrap();
}

#[test]
fn more_writes_than_may_wait_fail_at_once_and_the_others_are_done() {
    let (_folder, path) = folder();
    let store = SqliteStore::options(&path).queue(1).busy_timeout(PATIENT).open().unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let writes: Vec<_> = (0..8).map(|_| scope.spawn(|| create(&store, &record(b"x")))).collect();
        // The writer waits for the lock with a few of them, one more waits for the writer.
        while writes.iter().all(|write| !write.is_finished()) {
            std::thread::yield_now();
        }
        other.execute_batch("ROLLBACK").unwrap();
        writes.into_iter().map(|write| write.join().unwrap()).collect()
    });
    assert!(outcomes.iter().any(Result::is_ok));
    for outcome in outcomes {
        match outcome {
            Ok(key) => assert!(lives(&store, &key)),
            error => assert!(matches!(outage(error), SqliteError::Queue(1))),
        }
    }
}

#[test]
fn a_full_database_keeps_what_it_has_and_takes_more_when_there_is_room() {
    let (_folder, path) = folder();
    let store = SqliteStore::options(&path).max_bytes(512 << 10).open().unwrap();
    let large = Record { owner: Some("albus".to_owned()), ..record(&[7; 10_000]) };
    let mut keys = Vec::new();
    let mut fill = |record: &Record| loop {
        match create(&store, record) {
            Ok(key) => keys.push(key),
            error => break outage(error),
        }
    };
    fill(&large);
    // Until the last page is taken.
    let error = fill(&Record { owner: Some("albus".to_owned()), ..record(&[7; 100]) });
    insta::assert_snapshot!(error, @"no room for the session database; free disk space or allow it to be larger");
    assert!(keys.len() > 10 && keys.iter().all(|key| lives(&store, key)), "{} records", keys.len());
    assert!(matches!(outage(wait(store.ready())), SqliteError::Full));
    assert_sound(&path);

    for key in &keys[..3] {
        assert!(wait(store.delete(key, NOW)).unwrap(), "what is full can be emptied");
    }
    create(&store, &large).unwrap();
    for _ in 0..100 {
        wait(store.ready()).unwrap();
    }
    assert_sound(&path);
}

#[test]
fn a_file_that_is_replaced_is_noticed_and_so_is_its_return() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let key = create(&store, &record(b"x")).unwrap();
    let aside = |name: &str| path.with_file_name(format!("sessions.db{name}"));
    let suffixes = ["", "-wal", "-shm"];
    for suffix in suffixes {
        fs::rename(aside(suffix), aside(&format!("{suffix}.aside"))).unwrap();
    }
    let error = outage(create(&store, &record(b"y")));
    assert!(matches!(error, SqliteError::Open { .. }), "{error}");
    fs::write(&path, "Dear diary, ".repeat(1_000)).unwrap();
    let error = outage(create(&store, &record(b"y")));
    assert!(matches!(error, SqliteError::NotADatabase { .. }), "{error}");
    outage(wait(store.load(&key, NOW)));

    for suffix in suffixes {
        fs::rename(aside(&format!("{suffix}.aside")), aside(suffix)).unwrap();
    }
    create(&store, &record(b"y")).unwrap();
    assert!(lives(&store, &key));
    drop(store);
    assert_sound(&path);
}

/// SQLite would read the log of the former file into it.
#[cfg(unix)]
#[test]
fn a_backup_that_is_moved_to_the_files_place_is_taken_as_it_is() {
    let (_folder, path) = folder();
    let stores = [(); 3].map(|()| SqliteStore::open(&path).unwrap());
    let [store, other, idle] = &stores;
    let fill = |count, byte| -> Vec<_> {
        (0..count).map(|_| create(store, &record(&[byte; 900])).unwrap()).collect()
    };
    let early = fill(300, 1);
    let backup = path.with_file_name("backup.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    // From here on the log has some of the pages, and not all.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())).unwrap();
    drop(connection);
    let late = fill(20, 2);
    for key in &early[..200] {
        assert!(wait(store.delete(key, NOW)).unwrap());
    }
    assert!(lives(other, &late[0]));
    fs::rename(&backup, &path).unwrap();
    let newest = create(store, &record(b"x")).unwrap();
    // The others have the former file open, also if they have not read so far, and know better with their next write.
    for store in [other, idle] {
        assert!(!lives(store, &newest) && lives(store, &late[0]));
    }
    let last = create(other, &record(b"y")).unwrap();
    assert!(wait(idle.touch(&last, NOW, NOW)).unwrap());
    for store in &stores {
        let alive = |keys: &[RecordKey]| keys.iter().filter(|key| lives(store, key)).count();
        assert_eq!((alive(&early), alive(&late), alive(&[newest, last])), (300, 0, 2));
    }
    assert_sound(&path);
    drop(stores);
    assert_sound(&path);
    assert!(lives(&SqliteStore::open(&path).unwrap(), &last));
    assert!(path.with_file_name("sessions.db.replaced-wal").exists());
}

#[cfg(unix)]
#[test]
fn a_read_only_file_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = folder();
    drop(SqliteStore::open(&path).unwrap());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    if fs::OpenOptions::new().write(true).open(&path).is_ok() {
        store_tests::skip("this user may write what is read-only, as the superuser may");
        return;
    }
    let error = outage(SqliteStore::open(&path));
    assert!(matches!(error, SqliteError::ReadOnly | SqliteError::Open { .. }), "{error}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    create(&SqliteStore::open(&path).unwrap(), &record(b"x")).unwrap();
}

type Write<'a, T> = Pin<Box<dyn Future<Output = Result<T, SqliteError>> + 'a>>;

fn ask<T>(write: &mut Write<'_, T>) {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(write.as_mut().poll(&mut context).is_pending());
}

/// Does writes in one transaction, in this order. While another process holds the lock the writer waits with a write of its
/// own, and these wait behind that one.
fn together<T>(
    path: &Path,
    store: &SqliteStore,
    mut writes: Vec<Write<'_, T>>,
) -> Vec<Result<T, SqliteError>> {
    let other = Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let nobody = new_key();
    let mut first: Write<'_, bool> = Box::pin(store.touch(&nobody, NOW, NOW));
    ask(&mut first);
    // For the writer to take it. If it takes longer, they share the transaction of the first.
    std::thread::sleep(Duration::from_millis(50));
    writes.iter_mut().for_each(ask);
    other.execute_batch("ROLLBACK").unwrap();
    wait(first).unwrap();
    writes.into_iter().map(wait).collect()
}

#[test]
fn a_write_that_fails_takes_no_other_with_it() {
    let (_folder, path) = folder();
    let store = open_patiently(&path);
    let trigger = "CREATE TRIGGER t BEFORE INSERT ON sessions WHEN new.device = 'poison' \
                   BEGIN SELECT RAISE(ABORT, 'no'); END";
    Connection::open(&path).unwrap().execute_batch(trigger).unwrap();
    let creations: Vec<_> = (0..8)
        .map(|n| {
            let device = if n == 3 { "poison" } else { "owl" }.to_owned();
            (new_key(), Record { device, ..record(b"x") })
        })
        .collect();
    let writes =
        creations.iter().map(|(key, record)| -> Write<'_, _> { Box::pin(store.create(key, record, NOW)) });
    let outcomes = together(&path, &store, writes.collect());
    for (n, (outcome, (key, _))) in outcomes.into_iter().zip(&creations).enumerate() {
        match outcome {
            Ok(_) => assert!(n != 3 && lives(&store, key), "{n}"),
            Err(error) => assert_eq!((n, SqliteStore::fault(&error)), (3, Fault::Defect), "{error}"),
        }
    }
}

#[test]
fn a_creation_without_room_takes_no_sign_out_with_it() {
    let (_folder, path) = folder();
    let store = SqliteStore::options(&path).max_bytes(512 << 10).busy_timeout(PATIENT).open().unwrap();
    let end = NOW.after(Duration::from_secs(3_600));
    let large = Record { life: Lifespan::new(NOW, NOW, end, end), ..record(&[7; 10_000]) };
    let keys: Vec<_> = std::iter::from_fn(|| create(&store, &large).ok()).collect();
    // Until the last page is taken: how many pages a creation needs depends on its key.
    while create(&store, &Record { sealed: vec![7; 100], ..large.clone() }).is_ok() {}
    let new = new_key();
    let writes: Vec<Write<'_, usize>> = vec![
        Box::pin(async { store.create(&new, &large, NOW).await.map(|_| 0) }),
        Box::pin(async { store.delete(&keys[0], NOW).await.map(usize::from) }),
        Box::pin(store.purge(end.after(Duration::from_secs(3_600)), 1)),
    ];
    let [creation, sign_out, purge] = &together(&path, &store, writes)[..] else { panic!() };
    assert!(matches!(creation, Err(SqliteError::Full)), "{creation:?}");
    assert!(matches!(sign_out, Ok(1)) && !lives(&store, &keys[0]), "{sign_out:?}");
    assert!(matches!(purge, Ok(1)), "{purge:?}");
}

#[test]
fn a_write_nobody_waits_for_is_done_all_the_same() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let (key, record) = (create(&store, &record(b"x")).unwrap(), record(b"y"));
    {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        // Asked for, and dropped before its answer.
        let _ = std::pin::pin!(store.delete(&key, NOW)).as_mut().poll(&mut context);
    }
    create(&store, &record).unwrap();
    assert!(!lives(&store, &key), "writes are done in the order of asking");
}

/// In a process of its own, of which every descriptor is taken after the store was opened.
#[cfg(unix)]
#[test]
fn a_store_that_was_opened_reads_and_writes_without_a_free_descriptor() {
    const CHILD: &str = "WAXSEAL_WITHOUT_DESCRIPTORS";
    const NAME: &str = "a_store_that_was_opened_reads_and_writes_without_a_free_descriptor";
    if std::env::var_os(CHILD).is_none() {
        let command = format!("ulimit -n 64 && exec \"$0\" --exact {NAME} --nocapture");
        let program = std::env::current_exe().unwrap();
        let child =
            std::process::Command::new("sh").arg("-c").arg(command).arg(program).env(CHILD, "1").output();
        let child = child.unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
        return;
    }
    let (_folder, path) = folder();
    let key = create(&SqliteStore::open(&path).unwrap(), &record(b"x")).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    let held: Vec<_> = std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect();
    assert!(held.len() > 10 && fs::File::open("/dev/null").is_err(), "there is none left");
    assert!(lives(&store, &key), "the first read");
    let fails = || match wait(store.load(&key, NOW)) {
        Ok(found) => {
            assert!(found.is_some());
            false
        }
        Err(error) => {
            assert_eq!(SqliteStore::fault(&error), Fault::Outage, "{error}");
            true
        }
    };
    let failed: usize = std::thread::scope(|scope| {
        let reads = [(); 16].map(|()| scope.spawn(|| (0..100).filter(|_| fails()).count()));
        reads.map(|read| read.join().unwrap()).iter().sum()
    });
    // A read waits a quarter of a second for the one connection, in which a busy machine may let nobody go on.
    assert!(failed <= 160, "{failed} of 1600, many at once");
    let made = create(&store, &record(b"y")).unwrap();
    assert!(lives(&store, &made));
    assert!(wait(store.touch(&made, NOW, NOW)).unwrap());
    wait(store.ready()).unwrap();
    assert_eq!(wait(store.purge(NOW, 100)).unwrap(), 0);
    drop(held);
    assert!(lives(&store, &made));
}
