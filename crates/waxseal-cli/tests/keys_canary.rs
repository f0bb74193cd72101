//! Secrets that must be seen nowhere in what the `waxseal` program prints.

#[path = "../../waxseal/tests/app/support/canary.rs"]
mod canary;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use waxseal_crypto::{Keyring, SecretKey};
use waxseal_manager::{Outcome, SessionManager};

use canary::{PASSPHRASE, ROOT, Said, ids};

/// Runs the `waxseal` program and keeps what it prints.
fn run(said: &mut Said, arguments: &[&str], input: &str, expected: i32) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_waxseal"))
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that asks for no input may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(output.status.code(), Some(expected), "{arguments:?}: {text}");
    said.text(&arguments.join(" "), text.clone());
    text
}

fn commands(said: &mut Said, path: &Path, cookie: &str) {
    let file = path.to_str().unwrap();
    let [generated, passphrase] = ids();
    let (generated, passphrase) = (&*generated.to_string(), &*passphrase.to_string());
    for json in [&[][..], &["--json"]] {
        let mut run = |arguments: &[&str], input: &str, code: i32| {
            run(said, &[arguments, &["--file", file, "--app", "demo"], json].concat(), input, code)
        };
        assert!(run(&["keys", "list"], "", 0).contains(passphrase));
        run(&["keys", "add"], "", 0);
        run(&["keys", "promote", passphrase], "", 0);
        run(&["keys", "promote", generated], "", 0);
        run(&["keys", "retire", generated], "", 3);
        run(&["keys", "retire", passphrase], "", 3);
        run(&["keys", "promote", "0badcafe"], "", 1);
        run(&["keys", "promote", PASSPHRASE], "", 1);
        assert!(run(&["inspect"], cookie, 0).contains("Merlin"));
        run(&["inspect"], "AU57", 4);
        run(&["inspect", "--cookie-name", "other"], cookie.split_once('=').unwrap().1, 4);
        run(&["gen-secret", "--rotate"], "", 0);
        run(&["keys", "promote", generated], "", 0);
    }
    run(said, &["keys", "list", "--file", file], "", 1);
    let damaged = path.with_file_name("damaged");
    for text in [
        format!("{PASSPHRASE}\n\n"),
        format!("\u{feff}{PASSPHRASE}"),
        SecretKey::from_bytes(ROOT).to_text()[..50].to_owned(),
    ] {
        fs::write(&damaged, text).unwrap();
        for command in [&["keys", "list"][..], &["keys", "add"], &["inspect", "AU57"]] {
            run(said, &[command, &["--app", "demo", "--file", damaged.to_str().unwrap()]].concat(), "", 1);
        }
    }
    run(said, &["keys", "retire", passphrase, "--revoke", "--app", "demo", "--file", file], "", 0);
    said.text("the record", fs::read_to_string(path.with_file_name("secret.rotation")).unwrap());
}

/// A cookie of the app `demo`, sealed by the first key.
fn cookie() -> String {
    let keyring = Keyring::new(SecretKey::from_bytes(ROOT));
    let sessions = SessionManager::cookie(&keyring, "__Host-session", "demo").unwrap();
    let session = sessions.create();
    session.insert("name", "Merlin").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    match runtime.block_on(sessions.commit(&session, SystemTime::now())).unwrap() {
        Outcome::Set { token, .. } => format!("__Host-session={token}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_canary_is_seen_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, format!("{}\n{PASSPHRASE}\n", *SecretKey::from_bytes(ROOT).to_text())).unwrap();
    let mut said = Said::default();
    commands(&mut said, &path, &cookie());
    said.search();
}
