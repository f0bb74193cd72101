//! The wizard with an SQLite file that has faults: what its visitors see, and what is refused at start.
#![cfg(unix)]

mod outage;
mod program;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use outage::{Answer, Policy, Visitor, assert_counted, exchange};
use program::{Program, folder, refused_store, secret, why_not};
use rusqlite::Connection;

const PLACE: &str = "sqlite:sessions.db";

fn file(visitor: &Visitor) -> PathBuf {
    visitor.program().folder().join("sessions.db")
}

/// Checks the file's integrity, with a connection that is separate from the app.
fn assert_sound(path: &Path) {
    let said: String = Connection::open(path)
        .and_then(|connection| connection.query_row("PRAGMA integrity_check", (), |row| row.get(0)))
        .unwrap();
    assert_eq!(said, "ok");
}

/// Copies the database, including what is only in its write-ahead log.
fn back_up(path: &Path, name: &str) -> PathBuf {
    let copy = path.with_file_name(name);
    let connection = Connection::open(path).unwrap();
    connection.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    copy
}

/// Moves the file with its write-ahead log and the log's index.
fn move_all(from: &Path, to: &Path) {
    for end in ["", "-wal", "-shm"] {
        let with = |path: &Path| format!("{}{end}", path.display());
        fs::rename(with(from), with(to)).unwrap();
    }
}

/// Asserts that everything works again, with the session from before.
#[track_caller]
fn assert_back(visitor: &Visitor) {
    let (page, form) = (visitor.session_page(), visitor.post_form());
    assert!(page.knows_merlin() && form.status == 303, "{page:?} {form:?}");
    assert_eq!(visitor.ready().status, 200);
}

/// A command under which even the superuser may access a file only as its mode allows.
fn without_privileges() -> &'static [&'static str] {
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if root { &["setpriv", "--bounding-set=-dac_override,-dac_read_search"] } else { &[] }
}

/// Sends a form while another process holds the lock, until the form is answered or for `held_for`. Returns also how long
/// the lock was held, which on a busy machine may be longer.
fn send_into_a_lock(held_for: Duration) -> (Visitor, Answer, Duration) {
    let visitor = Visitor::new(PLACE, Policy::Refuse);
    let other = Connection::open(file(&visitor)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let start = Instant::now();
    let (answer, held) = thread::scope(|scope| {
        let form = scope.spawn(|| visitor.post_form());
        while !form.is_finished() && start.elapsed() < held_for {
            visitor.assert_plain_pages();
            let page = visitor.session_page();
            assert!(page.knows_merlin(), "{page:?}");
            thread::sleep(Duration::from_millis(100));
        }
        other.execute_batch("ROLLBACK").unwrap();
        let held = start.elapsed();
        (form.join().unwrap(), held)
    });
    (visitor, answer, held)
}

#[test]
fn a_lock_that_another_process_holds_for_a_moment_makes_forms_wait_and_refuses_none() {
    // A form waits for five seconds.
    let mut tries = (0..5).map(|_| send_into_a_lock(Duration::from_secs(1)));
    let of_a_moment = tries.find(|(.., held)| *held < Duration::from_secs(4));
    let (visitor, form, _) = of_a_moment.expect("the machine is not that busy five times in a row");
    assert_eq!(form.status, 303, "{form:?}");
    assert_sound(&file(&visitor));
}

#[test]
fn a_lock_that_another_process_holds_for_long_stops_forms_alone() {
    let (visitor, form, _) = send_into_a_lock(Duration::from_secs(60));
    form.assert_refused();
    assert_back(&visitor);
    assert_sound(&file(&visitor));
    let said = visitor.end().said;
    assert!(said.contains("the session database was locked by another process for 5s"), "{said}");
}

#[test]
fn a_file_that_is_moved_away_or_damaged_is_an_outage_until_it_is_back() {
    let visitor = Visitor::new(PLACE, Policy::Refuse);
    let path = file(&visitor);
    let aside = path.with_file_name("aside.db");
    for (case, text) in [("gone", None), ("a diary", Some("Dear diary, "))] {
        move_all(&path, &aside);
        if let Some(text) = text {
            fs::write(&path, text.repeat(1_000)).unwrap();
        }
        visitor.post_form().assert_refused();
        visitor.session_page().assert_refused();
        assert_eq!(visitor.ready().status, 503, "{case}");
        visitor.assert_plain_pages();
        move_all(&aside, &path);
        let page = visitor.session_page();
        assert!(page.knows_merlin(), "{case}: {page:?}");
    }
    assert_back(&visitor);
    assert_sound(&path);
    let said = visitor.end().said;
    for line in [
        "could not be opened; check that this user may read and write it and its folder",
        "is not an SQLite database, or damaged; move it away",
    ] {
        assert!(said.contains(line), "{said}");
    }
}

#[test]
fn a_backup_that_is_put_back_while_the_app_runs_counts_from_the_next_form_on() {
    let visitor = Visitor::new(PLACE, Policy::Refuse);
    let path = file(&visitor);
    let backup = back_up(&path, "backup.db");
    let later = visitor.sign_in();
    fs::rename(backup, &path).unwrap();
    let newest = visitor.sign_in();
    assert!(visitor.session_page_of(&later).is_a_strangers(), "a session that began after the backup");
    assert!(visitor.session_page_of(&newest).knows_merlin());
    assert_back(&visitor);
    assert_sound(&path);
    let said = visitor.end().said;
    assert!(
        said.contains("another file took the place of sessions.db; the former one's log lies in"),
        "{said}"
    );
}

#[test]
fn a_file_that_may_only_be_read_stops_forms_alone_and_is_refused_at_start() {
    let visitor = Visitor::under(without_privileges(), PLACE, Policy::Refuse);
    let path = file(&visitor);
    let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    fs::rename(back_up(&path, "backup.db"), &path).unwrap();
    mode(0o400);
    visitor.post_form().assert_refused();
    visitor.assert_plain_pages();
    assert_eq!(visitor.ready().status, 503);

    let other = Program::spawn_under(
        without_privileges(),
        folder(),
        &[("SECRET_KEY", &*secret()), ("WAXSEAL_SESSION_STORE", &format!("sqlite:{}", path.display()))],
        &["--port=0", "--session-state=store"],
    );
    let said = other.wait().said;
    let read_only = "the session database is read-only; check its permissions, its folder's and the disk's";
    assert!(why_not(&said).starts_with(read_only), "{said}");

    mode(0o600);
    assert_back(&visitor);
    assert_sound(&path);
    let said = visitor.end().said;
    assert!(said.contains(read_only), "{said}");
}

/// Runs the wizard with a separate disk of `bytes` bytes, in the folder `disk`. It is mounted in a namespace that
/// nobody else sees, and disappears with it. `None` if the system does not allow everybody to make such a mount; a line
/// says so.
#[cfg(target_os = "linux")]
fn with_a_disk(bytes: u32) -> Option<[String; 6]> {
    let under = |then: &str| {
        let script = format!("mkdir disk && mount -t tmpfs -o size={bytes} tmpfs disk && {then}");
        ["unshare", "--map-root-user", "--mount", "sh", "-c", &script].map(str::to_owned)
    };
    let [unshare, arguments @ ..] = under("true");
    let elsewhere = tempfile::tempdir().unwrap();
    let may = Command::new(unshare).args(arguments).current_dir(&elsewhere).output();
    if !may.is_ok_and(|output| output.status.success()) {
        store_tests::skip("this user may not mount a disk (unshare --map-root-user --mount)");
        return None;
    }
    Some(under(r#"exec "$0" "$@""#))
}

/// Sends the form until it is refused because there is no room, and then several times more. Asserts that the metrics and
/// the readiness say so, and that the log has the first refusal, and only the count of the others.
#[test]
fn a_full_store_shows_in_metrics_in_readiness_and_in_one_line() {
    let visitor = Visitor::new("sqlite:sessions.db?max_bytes=40KiB", Policy::Refuse);
    let sum = |name: &str, label: &str| {
        let page = exchange(visitor.admin_address(), "GET /metrics", "", "");
        let samples = page.body().lines().filter(|line| line.starts_with(name) && line.contains(label));
        samples.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum::<f64>()
    };
    let refused = || sum("waxseal_store_calls_total{", "outcome=\"full\"");
    assert_eq!((refused(), visitor.ready().status), (0.0, 200));
    let forms = (0..1_000).map(|_| visitor.post_form()).find(|form| form.status != 303);
    forms.expect("the store is bounded").assert_refused();
    for _ in 0..5 {
        visitor.post_form().assert_refused();
    }
    assert!(refused() >= 6.0, "{}", refused());
    let ready = visitor.ready();
    assert!(ready.status == 503 && ready.shows("no room for the session database"), "{ready:?}");
    assert_eq!(sum("waxseal_ready ", ""), 0.0);
    let said = visitor.end().said;
    // The first, and the count of the others.
    let lines: Vec<_> =
        said.lines().filter(|line| line.contains("no room for the session database")).collect();
    assert!(lines.len() == 2 && lines[1].contains("repeated=5 "), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_stops_forms_alone_until_there_is_room() {
    let begin = Instant::now();
    let Some(under) = with_a_disk(2 << 20) else { return };
    let under = under.each_ref().map(String::as_str);
    let visitor = Visitor::under(&under, "sqlite:disk/sessions.db", Policy::Refuse);
    let program = visitor.program();
    // The folder as the app sees it.
    let folder = program.folder().strip_prefix("/").unwrap();
    let disk = Path::new("/proc").join(program.id().to_string()).join("root").join(folder).join("disk");
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![0; 4 << 20]).unwrap_err();
    for _ in 0..3 {
        visitor.post_form().assert_refused();
        visitor.assert_plain_pages();
        let page = visitor.session_page();
        assert!(page.knows_merlin(), "{page:?}");
    }
    assert_eq!(visitor.ready().status, 503);
    fs::remove_file(&ballast).unwrap();
    assert_back(&visitor);
    let elsewhere = tempfile::tempdir().unwrap();
    for name in ["sessions.db", "sessions.db-wal"] {
        fs::copy(disk.join(name), elsewhere.path().join(name)).unwrap();
    }
    assert_sound(&elsewhere.path().join("sessions.db"));
    let said = visitor.end().said;
    let words = "503 Service Unavailable: the session store does not answer; try again in some seconds: ";
    assert!(said.contains("no room for the session database; free disk space"), "{said}");
    assert_counted(&said, words, 3, begin);
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_too_small_is_refused_at_start() {
    let Some(under) = with_a_disk(8 << 10) else { return };
    let under = under.each_ref().map(String::as_str);
    let variables = [("SECRET_KEY", &*secret()), ("WAXSEAL_SESSION_STORE", "sqlite:disk/sessions.db")];
    let arguments = ["--port=0", "--session-state=store"];
    let said = Program::spawn_under(&under, folder(), &variables, &arguments).wait().said;
    assert!(why_not(&said).starts_with("no room for the session database; free disk space"), "{said}");
}

#[test]
fn what_is_wrong_with_a_file_is_said_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("diary"), "Dear diary, ".repeat(1_000)).unwrap();
    let database = |name: &str, sql: &str| Connection::open(path(name)).unwrap().execute_batch(sql).unwrap();
    database("other", "CREATE TABLE sessions (x)");
    database(
        "newer",
        "PRAGMA application_id = 0x57617853; PRAGMA user_version = 7; CREATE TABLE sessions (x)",
    );
    for (name, reason) in [
        ("diary", "is not an SQLite database, or damaged; move it away and a new one is made"),
        ("diary/below", "could not be opened; check that this user may read and write it and its folder"),
        ("other", "is another program's database; give the sessions a file of their own"),
        ("newer", "has schema 7, and this release knows up to 2; run the newer release"),
    ] {
        let told = refused_store(&format!("sqlite:{}", path(name).display()), "Dear diary");
        assert!(told.contains(reason), "{name}: {told}");
    }
}
