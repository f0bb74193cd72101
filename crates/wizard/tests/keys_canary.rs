//! The program's output shows no secret, at any log level and if it does not start.

mod program;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use program::{Program, refused};

const PASSPHRASE: &str = "canary bird in a passphrase";
/// A part of the key that only `program::secret` has.
const BODY: &str = "BwcHBw";

fn search(said: &str, case: &str) {
    for needle in ["canary", "bird", BODY, "63616e617279", "99, 97, 110"] {
        assert!(!said.contains(needle), "{case}: {said}");
    }
}

#[test]
fn no_level_of_the_log_shows_a_secret() {
    let fallbacks = format!("[{PASSPHRASE:?}]");
    for mode in [&[][..], &["--development"]] {
        for level in ["error", "warn", "info", "debug", "trace"] {
            let variables = [("SECRET_KEY", &*program::secret()), ("SECRET_KEY_FALLBACKS", &fallbacks)];
            let folder = program::folder();
            // At levels below info it does not log its address, and a port that is chosen here may be taken by then.
            let socket = folder.path().join("socket");
            let level_flag = format!("--log={level}");
            let arguments = [&["--unix-socket=socket", &*level_flag], mode].concat();
            let program = Program::spawn(folder, &variables, &arguments);
            let mut stream = connect(&socket);
            write!(stream, "GET /nowhere HTTP/1.1\r\nHost: localhost\r\nCookie: __Host-session=AU57\r\nConnection: close\r\n\r\n").unwrap();
            let mut page = String::new();
            stream.read_to_string(&mut page).unwrap();
            assert!(page.contains("404"), "{page}");
            program.signal("HUP");
            program.signal("TERM");
            let ended = program.wait();
            search(&(page + &ended.said), level);
        }
    }
}

fn connect(socket: &Path) -> UnixStream {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return stream,
            Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn no_refusal_to_start_shows_a_secret() {
    let secret = program::secret();
    let damaged = secret.replace("kv1", "kw1");
    let two = format!("[{secret:?}, {secret:?}]");
    let unclosed = format!("[{PASSPHRASE:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let files = [
        file("empty-line", format!("{PASSPHRASE}\n\n")),
        file("mark", format!("\u{feff}{PASSPHRASE}")),
        file("twice", format!("{secret}\n{secret}\n")),
        file("damaged", damaged.clone()),
        file("weak", format!("{secret}\ncanary")),
    ];
    let mut cases = vec![
        vec![("SECRET_KEY", &*damaged)],
        vec![("SECRET_KEY", "canary")],
        vec![("SECRET_KEY", &*secret), ("SECRET_KEY_FALLBACKS", &*two)],
        vec![("SECRET_KEY", &*secret), ("SECRET_KEY_FALLBACKS", &*unclosed)],
        vec![("SECRET_KEY", &*secret), ("SECRET_KEY_FALLBACKS", PASSPHRASE)],
        vec![("SECRET_KEY", &*secret), ("WAXSEAL_SECRET_KEY", PASSPHRASE)],
        vec![("SECRET_KEY", &*secret), ("SECRET_KEY_FILE", &*files[0])],
        vec![("SECRET_KEY_FALLBACKS", &*two)],
    ];
    cases.extend(files.iter().map(|file| vec![("SECRET_KEY_FILE", &**file)]));
    for case in cases {
        let ended = refused(&case, &["--port=0", "--log=trace"]);
        assert_eq!(ended.status.code(), Some(1), "{case:?}: {}", ended.said);
        assert!(!ended.said.is_empty(), "{case:?}");
        search(&ended.said, &format!("{case:?}"));
    }
}

#[test]
fn a_password_of_the_store_is_shown_neither_when_it_is_refused_nor_in_the_help() {
    for (place, shown) in [
        (
            "redsi://app:canary@127.0.0.1",
            "invalid value 'redsi:...' for '--session-store <URL>': its scheme is unknown",
        ),
        ("app@canary", "invalid value '...' for '--session-store <URL>': it has no scheme"),
        (
            "sqlite:x?durability=canary",
            "invalid value 'sqlite:...' for '--session-store <URL>': durability is full, normal or off",
        ),
        ("redis://app:canary@bird@127.0.0.1:99999", "cannot be used; see --session-store"),
        ("postgres://app:canary@bird@127.0.0.1/db", "cannot be used; see --session-store"),
    ] {
        let said = refused(&[("SECRET_KEY", &program::secret()), ("WAXSEAL_SESSION_STORE", place)], &[]).said;
        let built = !said.contains("was built without");
        assert!(said.contains(shown) || !built, "{place}: {said}");
        search(&said, place);
    }
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_wizard"));
    let help = program.arg("--help").env("WAXSEAL_SESSION_STORE", "redis://:canary@host").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("WAXSEAL_SESSION_STORE"), "{help}");
    search(&help, "help");
}

#[test]
fn the_search_finds_a_secret() {
    assert!(program::secret().contains(BODY) && program::secret().contains("kv1"));
    assert!(std::panic::catch_unwind(|| search(PASSPHRASE, "")).is_err());
}
