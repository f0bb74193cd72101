//! Cookies of real Flask, and records of real Flask-Session, made by `known_answers/make.py`: each version of Flask that
//! is listed there reads and writes them.

mod answers;
mod records;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use answers::{Answer, NOW, answers, described};
use serde_json::{Value as Json, json};
use waxseal_flask::login::{Login, read_remember_token};
use waxseal_flask::{Dict, Error, FlaskCookie, Signing, Undecodable, Value};

const MAKE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/known_answers/make.py");
const MONTH: u64 = 31 * 86_400;

#[test]
fn what_flask_signs_is_read_with_every_type() {
    let mut read = 0;
    for answer in answers().iter().filter(|answer| answer.refused().is_none()) {
        let session = answer.flask_cookie().read(&answer.cookie(), NOW, MONTH);
        let session = session.unwrap_or_else(|error| panic!("{}: {error:?}", answer.name()));
        assert_eq!(described(&Value::Dict(session.entries)), answer.content(), "{}", answer.name());
        assert_eq!((session.signed_at, session.is_fallback), (NOW, false), "{}", answer.name());
        read += 1;
    }
    assert!(read > 90, "{read} answers");
}

#[test]
fn what_is_written_is_what_flask_signs() {
    for answer in answers().iter().filter(|answer| answer.refused().is_none()) {
        let cookie = answer.flask_cookie();
        let session = cookie.read(&answer.cookie(), NOW, MONTH).expect("read above");
        let written = cookie.write(&session.entries, NOW).expect("not too deep");
        // zlib's bytes are its own, as is the length from which they help; and some keys are not sorted.
        if answer.cookie().starts_with('.') {
            assert_eq!(written.starts_with('.'), answer.name() != "flashes", "{}", answer.name());
        } else if !answer.name().starts_with("not sorted") {
            assert_eq!(written, answer.cookie(), "{}", answer.name());
        }
        let again = cookie.read(&written, NOW, MONTH).expect("just written");
        assert_eq!(described(&Value::Dict(again.entries)), answer.content(), "{}", answer.name());
    }
}

#[test]
fn what_cannot_be_kept_is_refused_and_says_why() {
    let mut refused = 0;
    for answer in answers() {
        let Some(reason) = answer.refused() else { continue };
        let why = match reason {
            "Integer" => Undecodable::Integer,
            "Surrogate" => Undecodable::Surrogate,
            "TooDeep" => Undecodable::TooDeep,
            "TooLarge" => Undecodable::TooLarge,
            other => panic!("unknown reason {other}"),
        };
        let outcome = answer.flask_cookie().read(&answer.cookie(), NOW, MONTH);
        let Err(Error::Undecodable(found)) = outcome else { panic!("{}", answer.name()) };
        assert_eq!(*found.cause(), why, "{}", answer.name());
        // What is not unpacked has no keys, and one that is no text cannot be said.
        if why != Undecodable::TooLarge && !answer.name().ends_with("in a key") {
            assert_eq!(found.to_string(), "session[\"key\"]", "{}", answer.name());
        }
        refused += 1;
    }
    assert_eq!(refused, 5);
}

#[test]
fn flask_logins_sign_in_is_read() {
    let mut logins = 0;
    for answer in answers() {
        let Some((token, user_id)) = answer.remember_token() else { continue };
        let session = answer.flask_cookie().read(&answer.cookie(), NOW, MONTH).expect("read above");
        let login = Login::of(&session.entries).expect("signed in");
        assert_eq!((login.user_id.as_str(), login.is_fresh), (user_id, true), "{}", answer.name());
        assert_eq!(read_remember_token(token, &answer.key()), Ok(user_id), "{}", answer.name());

        let (_, digits) = token.rsplit_once('|').expect("a token has a bar");
        let moved = format!("8|{digits}");
        assert_eq!(read_remember_token(&moved, &answer.key()), Err(Error::Signature), "another user");
        let upper = format!("{user_id}|{}", digits.to_uppercase());
        assert_eq!(read_remember_token(&upper, &answer.key()), Err(Error::Form), "capital digits");
        let long = format!("{token}0");
        assert_eq!(read_remember_token(&long, &answer.key()), Err(Error::Form), "a digit more");
        logins += 1;
    }
    assert_eq!(logins, 4);
}

/// Flask from PyPI, in the versions that `cargo xtask test --faults` installs: each reads what is written here, and signs
/// what is read here.
#[test]
#[ignore = "installs Flask from PyPI"]
fn each_version_of_flask_agrees() {
    let Some(folder) = std::env::var_os("FLASK_ENVIRONMENTS") else {
        return skip("FLASK_ENVIRONMENTS names no folder; `cargo xtask test --faults` makes one");
    };
    let environments = std::fs::read_dir(folder).expect("FLASK_ENVIRONMENTS is a folder");
    let mut versions = Vec::new();
    for environment in environments {
        let python = environment.expect("a folder that can be read").path().join("bin/python");
        if python.exists() {
            versions.push(agrees(&python));
        }
    }
    assert!(versions.len() >= 4, "{versions:?}");
}

/// Checks both directions with the Flask of this Python, and returns its version.
fn agrees(python: &Path) -> String {
    let signed: Json = run(python, "inside", &json!([]));
    let version = signed["flask"].as_str().expect("its version").to_owned();
    let signed = signed["cases"].as_array().expect("a list");
    assert_eq!(signed.len(), answers().len(), "Flask {version}");
    for answer in signed.iter().cloned().map(Answer).filter(|answer| answer.refused().is_none()) {
        let session = answer.flask_cookie().read(&answer.cookie(), NOW, MONTH);
        let session = session.unwrap_or_else(|error| panic!("Flask {version}, {}: {error:?}", answer.name()));
        let seen = described(&Value::Dict(session.entries));
        assert_eq!(seen, answer.content(), "Flask {version}, {}", answer.name());
    }

    // Fallback keys are known from 3.1 on.
    let knows_fallbacks = version.starts_with("3.") && !version.starts_with("3.0");
    let mut cases = written_cases();
    cases.retain(|case| knows_fallbacks || case["fallbacks"].is_null());
    let seen = run(python, "inside-read", &json!(cases));
    let seen = seen.as_array().expect("a list");
    assert_eq!(seen.len(), cases.len(), "Flask {version}");
    for (case, seen) in cases.iter().zip(seen) {
        assert_eq!(seen, &case["content"], "Flask {version}, {}", case["name"]);
    }
    version
}

/// Cookies written here, with the settings that Flask needs to read them and what it should see.
fn written_cases() -> Vec<Json> {
    let mut cases = Vec::new();
    for answer in answers().iter().filter(|answer| answer.refused().is_none()) {
        let cookie = answer.flask_cookie();
        let session = cookie.read(&answer.cookie(), NOW, MONTH).expect("read above");
        let mut case = answer.0.clone();
        case["cookie"] = json!(cookie.write(&session.entries, NOW).expect("not too deep"));
        cases.push(case.clone());
        // By a fallback key of Flask's.
        let key = case["key"].as_array().map_or(json!("dev"), |key| key[1].clone());
        if case["key"][0] != "bytes" {
            case["fallbacks"] = json!(["another", key]);
            case["key"] = json!(["str", "a new key"]);
            cases.push(case);
        }
    }
    let late = FlaskCookie::new(answers::dev()).write(&Dict::from([("user".to_owned(), Value::Int(7))]), NOW);
    let late = late.expect("not too deep");
    for (name, now, content) in [
        ("at the last second", NOW + MONTH, json!(["dict", [["user", ["int", "7"]]]])),
        ("a second too late", NOW + MONTH + 1, json!(["dict", []])),
    ] {
        cases.push(json!({"name": name, "cookie": late, "now": now, "content": content}));
    }
    cases
}

/// What the script prints when it runs inside of an environment.
fn run(python: &Path, mode: &str, input: &Json) -> Json {
    let mut command = Command::new(python);
    let mut script = command
        .args([MAKE, mode])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the environment's Python starts");
    let mut stdin = script.stdin.take().expect("it is piped");
    // The script that signs reads nothing, and may be gone.
    let _ = stdin.write_all(input.to_string().as_bytes());
    drop(stdin);
    let output = script.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{} {mode} failed", python.display());
    serde_json::from_slice(&output.stdout).expect("what the script prints is JSON")
}

fn skip(why: &str) {
    let _written = std::io::stderr().write_all(format!("skipped: {why}\n").as_bytes());
}

#[test]
fn settings_that_differ_are_refused() {
    for answer in answers().iter().filter(|answer| answer.name() == "hmac, sha256") {
        for (changed, signing) in [
            ("salt", Signing { salt: b"salt".to_vec(), ..answer.signing() }),
            ("derivation", Signing { derivation: waxseal_flask::Derivation::Concat, ..answer.signing() }),
            ("digest", Signing { digest: waxseal_flask::Digest::Sha1, ..answer.signing() }),
        ] {
            let outcome = FlaskCookie::new(answer.key()).signing(signing).read(&answer.cookie(), NOW, MONTH);
            assert_eq!(outcome, Err(Error::Signature), "{changed}");
        }
    }
}
