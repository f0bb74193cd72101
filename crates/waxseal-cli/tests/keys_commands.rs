//! What the `waxseal` program shows, and how it ends.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use waxseal_crypto::{Keyring, SecretKey};
use waxseal_manager::{Lifetimes, Outcome, SessionManager};

const HOUR: Duration = Duration::from_secs(3_600);

struct Folder {
    folder: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
}

/// How a command ended: its exit code, standard output, standard error.
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Folder {
    /// With a secret file of these keys, the first of which seals.
    fn with_keys(keys: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text: String = keys.iter().map(|&key| format!("{}\n", *secret(key).to_text())).collect();
        fs::write(folder.path().join("secret"), text).unwrap();
        Self { folder, variables: vec![("SECRET_KEY_FILE", "secret".to_owned())] }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str], input: &str) -> Done {
        let mut child = Command::new(env!("CARGO_BIN_EXE_waxseal"))
            .args(arguments)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        Done { code: output.status.code().unwrap(), out, err }
    }

    fn json(&self, arguments: &[&str], input: &str, code: i32) -> Value {
        let done = self.run(&[arguments, &["--json"]].concat(), input);
        assert_eq!(done.code, code, "{arguments:?}: {} {}", done.out, done.err);
        serde_json::from_str(&done.out).unwrap()
    }
}

fn secret(byte: u8) -> SecretKey {
    SecretKey::from_bytes([byte; 32])
}

fn id(byte: u8) -> String {
    secret(byte).id().to_string()
}

/// A cookie of the app `demo`, sealed by that key so long ago.
fn cookie(key: u8, name: &str, age: Duration, permanent: bool) -> String {
    let sessions =
        SessionManager::cookie(&Keyring::new(secret(key)), name, "demo").unwrap().lifetimes(Lifetimes::new());
    let session = sessions.create();
    session.insert("name", "Merlin").unwrap();
    session.insert("odd", f64::NAN).unwrap();
    session.set_permanent(permanent).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    match runtime.block_on(sessions.commit(&session, SystemTime::now() - age)).unwrap() {
        Outcome::Set { token, .. } => token,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cookie_is_shown_with_its_key_times_and_contents() {
    let folder = Folder::with_keys(&[1, 2]);
    let value = cookie(2, "__Host-session", Duration::from_secs(330), false);
    let header = format!("Set-Cookie: __Host-session={value}; HttpOnly; SameSite=Lax; Secure; Path=/\n");
    let done = folder.run(&["inspect", "--app", "demo"], &header);
    assert_eq!((done.code, &*done.err), (0, ""));
    // On a busy machine more than half a minute may have gone by.
    let out =
        done.out.replace(", 6 minutes ago", ", 5 minutes ago").replace(", in 23 minutes", ", in 24 minutes");
    for part in [
        "cookie        __Host-session\n",
        &format!("size          {} of 4096 bytes, name and value\n", value.len() + 14),
        "version       1\n",
        &format!(
            "key           {}, number 2 of 2: it opens, and the next answer seals with number 1\n",
            id(2)
        ),
        "class         ordinary\n",
        " UTC, 5 minutes ago\n",
        "idle end      ",
        " UTC, in 24 minutes\n",
        " UTC, in 11 hours\n",
        "opens         yes\n",
        "contents      {\n  \"name\": \"Merlin\",\n  \"odd\": {\n    \"$number\": \"NaN\"\n  }\n}\n",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    for input in
        [&*value, &format!("__Host-session={value}"), &format!("Cookie: a=b; __Host-session={value}; c=d")]
    {
        assert_eq!(folder.run(&["inspect", "--app=demo", input], "").code, 0);
        assert_eq!(folder.run(&["inspect", "--app=demo", "-"], input).code, 0);
    }
    let development = cookie(1, "waxseal-dev-session", Duration::ZERO, true);
    let seen = folder.json(&["inspect", "--app=demo"], &development, 0);
    assert_eq!(
        (seen["cookie"].as_str(), seen["class"].as_str(), seen["position"].as_u64()),
        (Some("waxseal-dev-session"), Some("permanent"), Some(0))
    );
    assert_eq!(seen["idle_end"].as_u64().unwrap() - seen["last_sealed"].as_u64().unwrap(), 31 * 24 * 3_600);
}

#[test]
fn integers_of_128_bits_are_shown_as_numbers() {
    let folder = Folder::with_keys(&[1]);
    let sessions = SessionManager::cookie(&Keyring::new(secret(1)), "__Host-session", "demo").unwrap();
    let session = sessions.create();
    session.insert("most", u128::MAX).unwrap();
    session.insert("least", vec![i128::MIN, 7]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outcome = runtime.block_on(sessions.commit(&session, SystemTime::now())).unwrap();
    let Outcome::Set { token, .. } = outcome else { panic!("{outcome:?}") };
    for arguments in [&["inspect", "--app=demo"][..], &["inspect", "--app=demo", "--json"]] {
        let done = folder.run(arguments, &token);
        let shown: String = done.out.split_whitespace().collect();
        assert!(
            shown.contains(&format!("\"most\":{},\"least\":[{},7]", u128::MAX, i128::MIN)),
            "{} {}",
            done.out,
            done.err
        );
    }
}

#[test]
fn a_cookie_that_does_not_open_says_at_which_step_and_why() {
    let folder = Folder::with_keys(&[1]);
    let good = cookie(1, "__Host-session", Duration::ZERO, false);
    let flipped = |at: usize| {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    for (case, input, step, word) in [
        ("too long", "A".repeat(5_000), Some(1), "too_long"),
        ("white space amid", good.replacen(&good[20..21], " ", 1), Some(1), "alphabet"),
        ("cut", good[..200].to_owned(), Some(2), "length"),
        ("version", format!("B{}", &good[1..]), Some(3), "version"),
        ("another key", cookie(3, "__Host-session", Duration::ZERO, false), Some(4), "unknown_key"),
        ("another name", cookie(1, "shop", Duration::ZERO, false), Some(5), "commitment"),
        ("damaged", flipped(100), Some(6), "tag"),
        ("idle", cookie(1, "__Host-session", HOUR, false), Some(8), "idle"),
        ("old", cookie(1, "__Host-session", 24 * HOUR, false), Some(8), "idle"),
    ] {
        let seen = folder.json(&["inspect", "--app", "demo"], &input, 4);
        assert_eq!(seen["refused"]["step"].as_u64(), step, "{case}: {seen}");
        assert_eq!(seen["refused"]["reason"], word, "{case}");
        let done = folder.run(&["inspect", "--app", "demo"], &input);
        assert_eq!(done.code, 4, "{case}");
        let said = format!("refused at    step {} of 8, ", step.unwrap());
        assert!(done.out.contains(&said), "{case}: {}", done.out);
        // The times are shown even when they are over, and then so are the contents.
        assert_eq!(done.out.contains("idle end"), step == Some(8), "{case}: {}", done.out);
        assert_eq!(done.out.contains("Merlin"), step == Some(8), "{case}: {}", done.out);
    }
    let done = folder.run(&["inspect", "--app", "another"], &good);
    assert!(done.out.contains("check --app and --cookie-name"), "{}", done.out);
    let done = folder.run(&["inspect", "--app", "demo"], &cookie(3, "__Host-session", Duration::ZERO, false));
    assert!(
        done.out.contains(&format!("key           {}, which is not configured here", id(3))),
        "{}",
        done.out
    );
    assert!(done.out.contains(&format!("configured    {}", id(1))), "{}", done.out);
}

#[test]
fn cookies_of_every_state_are_known_by_themselves() {
    use waxseal_store::MemoryStore;
    let folder = Folder::with_keys(&[1]);
    let (ring, name) = (Keyring::new(secret(1)), "__Host-session");
    for (state, sessions, shown) in [
        (
            "store",
            SessionManager::store(&ring, name, "demo", MemoryStore::new()),
            "the session is in the store alone",
        ),
        (
            "mirrored",
            SessionManager::mirrored(&ring, name, "demo", MemoryStore::new()),
            "revision      1, with a copy of it",
        ),
    ] {
        let sessions = sessions.unwrap();
        let session = sessions.create();
        session.insert("name", "Merlin").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let value = match runtime.block_on(sessions.commit(&session, SystemTime::now())).unwrap() {
            Outcome::Set { token, .. } => token,
            other => panic!("{other:?}"),
        };
        let done = folder.run(&["inspect", "--app", "demo"], &value);
        assert_eq!(done.code, 0, "{state}: {}", done.out);
        assert!(
            done.out.contains(&format!("state         {state}\n")) && done.out.contains(shown),
            "{}",
            done.out
        );
        assert!(!done.out.contains("idle end") && done.out.contains("absolute end"), "{}", done.out);
        assert_eq!(done.out.contains("Merlin"), state == "mirrored", "{}", done.out);
        let seen = folder.json(&["inspect", "--app=demo", "--session-state", state], &value, 0);
        assert_eq!(
            (seen["state"].as_str(), seen["public_id"].as_str().map(str::len)),
            (Some(state), Some(16))
        );
        let other = folder.json(&["inspect", "--app=demo", "--session-state=cookie"], &value, 4);
        assert_eq!(other["refused"]["reason"], "commitment", "{state}");
    }
}

#[test]
fn the_servers_own_settings_count() {
    let mut folder = Folder::with_keys(&[1]);
    folder.variables.push(("WAXSEAL_SESSION_LIFETIME", "60".to_owned()));
    folder.variables.push(("WAXSEAL_SESSION_COOKIE_NAME", "shop".to_owned()));
    let value = cookie(1, "shop", Duration::from_secs(90), false);
    let seen = folder.json(&["inspect", "--app", "demo"], &value, 4);
    assert_eq!((seen["cookie"].as_str(), seen["refused"]["reason"].as_str()), (Some("shop"), Some("idle")));
}

#[test]
fn keys_are_where_a_server_would_find_them() {
    let mut folder = Folder::with_keys(&[1]);
    let value = cookie(2, "__Host-session", Duration::ZERO, false);
    assert_eq!(folder.run(&["inspect", "--app=demo"], &value).code, 4);
    folder.variables = vec![("SECRET_KEY", secret(2).to_text().to_string())];
    assert_eq!(folder.run(&["inspect", "--app=demo"], &value).code, 0);
    assert_eq!(
        folder.run(&["inspect", "--app=demo", "--file=secret"], &value).code,
        4,
        "the file was asked for"
    );
    folder.variables.clear();
    assert_eq!(folder.run(&["inspect", "--app=demo"], &value).code, 1, "no key anywhere");
    assert_eq!(folder.run(&["gen-secret", "--write"], "").code, 0);
    assert_eq!(folder.run(&["inspect", "--app=demo"], &value).code, 4, "development's");
}

#[test]
fn a_new_secret_key_knows_a_slip() {
    let folder = Folder::with_keys(&[1]);
    let out = folder.run(&["gen-secret"], "").out;
    let text = out.strip_suffix('\n').expect("one line");
    SecretKey::from_text(text).unwrap();
    let slip = if &text[20..21] == "A" { "B" } else { "A" };
    let error = SecretKey::from_text(&format!("{}{slip}{}", &text[..20], &text[21..])).unwrap_err();
    assert!(error.to_string().contains("does not match its own checksum"), "{error}");
}

#[test]
fn exit_codes_mean_something() {
    let mut folder = Folder::with_keys(&[1, 2]);
    let (one, two) = (id(1), id(2));
    for (arguments, code, said) in [
        (&["keys", "list"][..], 0, ""),
        (&["keys", "promote", "0badcafe"], 1, "there is no key 0badcafe in the file"),
        (&["keys", "list", "--file", "nowhere"], 1, "nowhere cannot be read"),
        (&["keys", "add", "--file", "nowhere"], 1, "nowhere cannot be read"),
        (&["gen-secret", "--rotate", "--file", "nowhere"], 1, "there is no nowhere"),
        (&["keys"], 2, "Usage"),
        (&["keys", "retire"], 2, "Usage"),
        (&["inspect", "AU57"], 2, "--app"),
        (&["inspect", "--app=demo", "a=1; b=2"], 2, "give --cookie-name. It has: a, b"),
        (&["gen-secret", "--write", "--rotate"], 2, "cannot be used with"),
        (&["keys", "retire", &one], 3, "seals; promote another one first"),
        (&["keys", "retire", &one, "--revoke"], 3, "if it leaked `waxseal keys revoke-all`"),
        (&["keys", "retire", &two], 3, "not on record when key"),
        (&["keys", "retire", &two], 3, "may live for 179 days more"),
        (&["keys", "retire", &two, "--absolute-lifetime=0"], 0, ""),
        (&["keys", "retire", "0badcafe", "--revoke"], 5, ""),
        (&["gen-secret", "--write"], 0, "a new secret key is in"),
        (&["gen-secret", "--write"], 3, "is there already"),
        (&["gen-secret", "--write", "secret"], 3, "secret is there already"),
        (&["gen-secret", "--write", "new/secret"], 0, "a new secret key is in new/secret"),
        (&["inspect", "--app=demo", "AU57"], 4, ""),
    ] {
        let done = folder.run(arguments, "");
        assert_eq!(done.code, code, "{arguments:?}: {} {}", done.out, done.err);
        assert!(done.err.contains(said), "{arguments:?}: {}", done.err);
        assert!(
            matches!(code, 0 | 2 | 4 | 5) || done.err.starts_with("error: "),
            "{arguments:?}: {}",
            done.err
        );
    }
    assert_eq!(
        fs::read_dir(&folder.folder).unwrap().count(),
        4,
        "secret, its record, .waxseal, new: nothing left over"
    );
    assert_eq!(fs::read_dir(folder.path("new")).unwrap().count(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(folder.path("new/secret")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    folder.variables = vec![("SECRET_KEY", "a passphrase of a decent length".to_owned())];
    let done = folder.run(&["keys", "add"], "");
    assert!(done.code == 2 && done.err.contains("the keys are in SECRET_KEY"), "{}", done.err);
}

/// What `cargo install` without features gives.
#[test]
#[cfg(not(any(feature = "redis", feature = "postgres")))]
fn an_engine_that_was_not_built_is_named_with_its_feature() {
    let folder = Folder::with_keys(&[1]);
    for (engine, place) in [("redis", "redis://127.0.0.1"), ("postgres", "postgres://shop@127.0.0.1/shop")] {
        let place = format!("--session-store={place}");
        for command in [
            &["keys", "rewrap", "--app=demo", &place][..],
            &["keys", "retire", "0badcafe", "--app=demo", &place],
        ] {
            let done = folder.run(command, "");
            let said = format!(
                "error: this program was built without {engine}; build it with the feature `{engine}`"
            );
            assert!(done.code == 1 && done.err.starts_with(&said), "{command:?}: {}", done.err);
        }
    }
    let done = folder.run(&["schema", "--session-store=postgres://shop@127.0.0.1/shop"], "");
    assert!(done.code == 1 && done.err.contains("feature `postgres`"), "{}", done.err);
}

#[test]
fn a_rotation_is_told_in_json() {
    let folder = Folder::with_keys(&[1]);
    let one = id(1);
    let added = folder.json(&["keys", "add"], "", 0)["added"].as_str().unwrap().to_owned();
    let promoted = folder.json(&["keys", "promote", &added], "", 0);
    assert_eq!((&promoted["seals"], &promoted["replaced"]), (&Value::from(&*added), &Value::from(&*one)));
    let listed = folder.json(&["keys", "list", "--absolute-lifetime=100"], "", 0);
    let keys = listed["keys"].as_array().unwrap();
    assert_eq!((keys[0]["role"].as_str(), keys[1]["role"].as_str()), (Some("seals"), Some("opens")));
    let replaced = keys[1]["replaced"].as_u64().unwrap();
    assert_eq!(keys[1]["may_be_retired_from"].as_u64(), Some(replaced + 100));
    let rotated = folder.json(&["gen-secret", "--rotate"], "", 0);
    assert_eq!(rotated["replaced"], Value::from(&*added));
    let revoked = folder.json(&["keys", "retire", &one, "--revoke"], "", 0);
    assert_eq!((&revoked["retired"], &revoked["revoked"]), (&Value::from(&*one), &Value::from(true)));
    assert_eq!((&revoked["was_in_file"], &revoked["was_known"]), (&Value::from(true), &Value::from(true)));
    let again = folder.json(&["keys", "retire", &one, "--revoke"], "", 0);
    assert_eq!((&again["was_in_file"], &again["was_known"]), (&Value::from(false), &Value::from(true)));
    let wrong = folder.json(&["keys", "retire", "0badcafe", "--revoke"], "", 5);
    assert_eq!((&wrong["was_in_file"], &wrong["was_known"]), (&Value::from(false), &Value::from(false)));
    assert_eq!(wrong["opens"], serde_json::json!([rotated["seals"], added]));
    assert!(same_mode(&folder.path("secret"), &folder.path("secret.rotation")));
}

/// As in `waxseal keys promote KID | grep -q seals`.
#[test]
fn a_reader_that_closes_the_pipe_is_no_failure() {
    let folder = Folder::with_keys(&[1, 2]);
    for arguments in [&["keys", "promote", &id(2)][..], &["keys", "list"], &["keys", "list", "--json"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let done = Command::new(env!("CARGO_BIN_EXE_waxseal"))
            .args(arguments)
            .env_clear()
            .env("SECRET_KEY_FILE", "secret")
            .current_dir(&folder.folder)
            .stdout(writer)
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&done.stderr);
        assert_eq!((done.status.code(), &*err), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn lifetimes_are_those_of_the_server() {
    let mut folder = Folder::with_keys(&[1]);
    folder.json(&["gen-secret", "--rotate"], "", 0);
    let seconds = |folder: &Folder| {
        let old = &folder.json(&["keys", "list"], "", 0)["keys"][1];
        old["may_be_retired_from"].as_u64().unwrap() - old["replaced"].as_u64().unwrap()
    };
    const DAY: u64 = 24 * 3_600;
    folder.variables.push(("WAXSEAL_SESSION_ABSOLUTE_LIFETIME", String::new()));
    assert_eq!(seconds(&folder), 180 * DAY, "an empty variable is none");
    let longer = format!("WAXSEAL_PERMANENT_SESSION_ABSOLUTE_LIFETIME={}\n", 400 * DAY);
    fs::write(folder.path("settings"), longer).unwrap();
    folder.variables.push(("WAXSEAL_CONFIG", "settings".to_owned()));
    assert_eq!(seconds(&folder), 400 * DAY, "of the configuration file");
    // And for where the keys are.
    let variables = std::mem::replace(&mut folder.variables, vec![("WAXSEAL_CONFIG", "place".to_owned())]);
    fs::write(folder.path("place"), "SECRET_KEY_FILE=secret\n").unwrap();
    assert_eq!(folder.json(&["keys", "list"], "", 0)["file"], "secret");
    folder.variables = variables;
    folder.variables.push(("WAXSEAL_SESSION_ABSOLUTE_LIFETIME", "half a year".to_owned()));
    let done = folder.run(&["keys", "list"], "");
    assert!(done.code == 2 && done.err.contains("half a year"), "{} {}", done.code, done.err);
    assert_eq!(folder.run(&["keys", "retire", &id(1), "--revoke"], "").code, 0, "it needs none");
}

#[test]
fn a_revocation_with_a_wrong_id_says_which_keys_still_open() {
    let folder = Folder::with_keys(&[1, 2]);
    let done = folder.run(&["keys", "retire", "0badcafe", "--revoke"], "");
    assert_eq!(done.code, 5, "{}", done.out);
    for said in [
        "0badcafe was neither in secret nor on record; is the id right",
        &format!("still open: {}, {}\n", id(1), id(2)),
    ] {
        assert!(done.out.contains(said), "{said} in {}", done.out);
    }
}

/// As the warning of a server says that has such a file: it stands there after an old copy was put back.
#[test]
fn a_revoked_key_that_seals_is_allowed_again() {
    let folder = Folder::with_keys(&[1]);
    let old = fs::read(folder.path("secret")).unwrap();
    folder.json(&["keys", "revoke-all"], "", 0);
    fs::write(folder.path("secret"), &old).unwrap();
    let done = folder.run(&["keys", "promote", &id(1)], "");
    let said = format!("key {0} seals as before\n{0} was revoked and is no longer: bring secret", id(1));
    assert!(done.code == 0 && done.out.starts_with(&said), "{} {}", done.out, done.err);
    let again = folder.run(&["keys", "promote", &id(1)], "").out;
    assert!(again.contains("seals already; secret was not changed\na server that refuses it"), "{again}");
    fs::remove_file(folder.path("secret.rotation")).unwrap();
    folder.json(&["keys", "revoke-all"], "", 0);
    fs::write(folder.path("secret"), old).unwrap();
    let told = folder.json(&["keys", "promote", &id(1)], "", 0);
    assert_eq!((&told["replaced"], &told["was_revoked"]), (&Value::Null, &Value::from(true)));
}

#[test]
fn keys_that_leaked_are_revoked_and_replaced_in_one_step() {
    let folder = Folder::with_keys(&[1, 2]);
    let done = folder.run(&["keys", "revoke-all"], "");
    let new = folder.json(&["keys", "list"], "", 0)["keys"][0]["kid"].as_str().unwrap().to_owned();
    assert!(
        done.out.starts_with(&format!(
            "key {new} seals now and is alone in secret; revoked: {}, {}\nnext: bring secret and secret.rotation",
            id(1),
            id(2)
        )),
        "{} {}",
        done.out,
        done.err
    );
    let told = folder.json(&["keys", "revoke-all"], "", 0);
    assert_eq!(told["revoked"], serde_json::json!([new]));
    let listed = folder.json(&["keys", "list"], "", 0);
    assert_eq!((&listed["keys"][0]["kid"], listed["keys"].as_array().unwrap().len()), (&told["seals"], 1));
    assert!(same_mode(&folder.path("secret"), &folder.path("secret.rotation")));
    assert_eq!(folder.run(&["keys", "revoke-all", "--file", "nowhere"], "").code, 1);
}

#[test]
fn a_leaked_passphrase_is_revoked_under_one_name_and_a_wrong_one_is_an_exit_code() {
    let folder = Folder::with_keys(&[]);
    let written = || fs::write(folder.path("secret"), "a passphrase of a decent length\n").unwrap();
    let id = |app| {
        let listed = folder.json(&["keys", "list", app], "", 0);
        listed["keys"][0]["kid"].as_str().unwrap().to_owned()
    };
    written();
    let (demo, other) = (id("--app=demo"), id("--app=other"));
    let told = folder.json(&["keys", "revoke-all", "--app=demo"], "", 0);
    assert_eq!(
        (&told["passphrases"], &told["unknown"]),
        (&serde_json::json!([demo]), &serde_json::json!([]))
    );
    // Another app's server has said in its log which id it misses.
    assert_eq!(folder.run(&["keys", "retire", &other, "--revoke"], "").code, 5);

    written();
    let record = serde_json::json!({ "version": 1, "seals": demo });
    fs::write(folder.path("secret.rotation"), record.to_string()).unwrap();
    let done = folder.run(&["keys", "revoke-all", "--app=other"], "");
    assert_eq!(done.code, 5, "{}", done.err);
    for said in [
        &format!("revoked: {other}, {demo}\n"),
        &format!("{other} is the id of a passphrase in the app other; an app of another name"),
        &format!("{other} was not on record: is --app right?"),
    ] {
        assert!(done.out.contains(said), "{said} in {}", done.out);
    }
}

#[test]
fn a_cookie_of_flask_is_shown_with_the_key_that_signed_it() {
    use waxseal_flask::{Derivation, Dict, Digest, FlaskCookie, FlaskKey, Signing, Value as FlaskValue};

    let key = |text| FlaskKey::from_text(text).unwrap();
    let tuple = FlaskValue::Tuple(vec![FlaskValue::Int(1), FlaskValue::Bytes(vec![255])]);
    let entries = Dict::from([("cart".to_owned(), tuple), ("user_id".to_owned(), FlaskValue::Int(7))]);
    let value = FlaskCookie::new(key("an owl's secret")).write(&entries, 1_700_000_000).unwrap();
    let header = format!("Cookie: theme=dark; session={value}");

    let mut folder = Folder::with_keys(&[1]);
    let done = folder.run(&["inspect", "--flask"], &header);
    assert_eq!(done.code, 0, "{}", done.err);
    for text in ["not checked; give", "FLASK_SECRET_KEY", "2023-11-14", "\"user_id\": 7", "$tuple", "ff"] {
        assert!(done.out.contains(text), "{text}: {}", done.out);
    }
    folder.variables.push(("FLASK_SECRET_KEY", "an owl's secret".to_owned()));
    let seen = folder.json(&["inspect", "--flask"], &value, 0);
    assert_eq!((&seen["signature_holds"], &seen["key"]), (&Value::from(true), &Value::from(1)));
    assert_eq!(seen["signed_at"], 1_700_000_000);
    assert_eq!(seen["contents"]["cart"]["$tuple"][0], 1);

    fs::write(folder.path("keys"), "a newer secret\nan owl's secret\n").unwrap();
    let done = folder.run(&["inspect", "--flask", "--file=keys"], &value);
    assert!(done.code == 0 && done.out.contains("holds, with key number 2 of 2"), "{}", done.out);
    assert!(!done.out.contains("secret"), "{}", done.out);
    folder.variables.push(("FLASK_SECRET_KEY", "another secret".to_owned()));
    let done = folder.run(&["inspect", "--flask"], &format!("other={value}"));
    assert!(done.code == 4 && done.out.contains("does not hold with the key"), "{}", done.out);
    assert!(!done.out.contains("secret"), "{}", done.out);
    // An app that signs in a way of its own.
    let signing = Signing { salt: b"owls".to_vec(), derivation: Derivation::Concat, digest: Digest::Sha256 };
    let own =
        FlaskCookie::new(key("another secret")).signing(signing).write(&entries, 1_700_000_000).unwrap();
    let done = folder.run(&["inspect", "--flask"], &own);
    assert!(done.code == 4 && done.out.contains("--flask-salt"), "{}", done.out);
    let signed = ["--flask-salt=owls", "--flask-derivation=concat", "--flask-digest=sha256"];
    let all: Vec<_> = ["inspect", "--flask"].into_iter().chain(signed).collect();
    assert!(folder.run(&all, &own).out.contains("holds, with key number 1 of 1"));
    for left_out in 0..3 {
        let some = ["inspect", "--flask"]
            .into_iter()
            .chain(signed.into_iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, flag)| flag));
        assert_eq!(folder.run(&some.collect::<Vec<_>>(), &own).code, 4, "{left_out}");
    }
    assert_eq!(folder.run(&["inspect", "--app=demo", signed[0]], &own).code, 2, "of Flask alone");
    for junk in ["e30.AAAA", "junk", "e30..x"] {
        assert_eq!(folder.run(&["inspect", "--flask"], junk).code, 4, "{junk}");
    }
    assert_eq!(folder.run(&["inspect", "--flask", "--file=none"], &value).code, 1);
}

#[test]
fn every_command_shows_examples() {
    let folder = Folder::with_keys(&[1]);
    for command in ["gen-secret", "keys", "inspect", "schema", "sessions"] {
        let done = folder.run(&[command, "--help"], "");
        assert!(done.code == 0 && done.out.contains("Examples"), "{}", done.out);
    }
    assert!(folder.run(&["--help"], "").out.contains("Exit codes:"));
}

#[cfg(unix)]
fn same_mode(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let [one, other] = [one, other].map(|path| fs::metadata(path).unwrap().permissions().mode());
    one == other
}

#[cfg(not(unix))]
fn same_mode(_: &Path, _: &Path) -> bool {
    true
}

#[cfg(feature = "sqlite")]
#[test]
fn records_are_sealed_anew_before_their_key_may_go() {
    const STORE: &str = "sqlite:sessions.db";
    let folder = Folder::with_keys(&[2, 1]);
    let path = folder.path("sessions.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sessions = |keys: Keyring| {
        let store = waxseal_sqlite::SqliteStore::options(&path).open().unwrap();
        SessionManager::store(&keys, "__Host-session", "demo", store).unwrap()
    };
    let tokens: Vec<String> = runtime.block_on(async {
        let (sessions, mut tokens, now) = (sessions(Keyring::new(secret(1))), Vec::new(), SystemTime::now());
        for number in 0..1_200 {
            let session = sessions.create();
            session.insert("number", number).unwrap();
            let Outcome::Set { token, .. } = sessions.commit(&session, now).await.unwrap() else { panic!() };
            tokens.push(token);
        }
        tokens
    });

    let retire =
        ["keys", "retire", &id(1), "--app", "demo", "--session-store", STORE, "--absolute-lifetime", "0"];
    let refused = folder.run(&retire, "");
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(refused.err.contains("1200 records in sqlite:sessions.db are sealed with"), "{}", refused.err);
    let rewrapped = folder.json(&["keys", "rewrap", "--app", "demo", "--session-store", STORE], "", 0);
    assert_eq!(rewrapped["rewrapped"], 1_200);
    // With the keys in variables, too: it changes none.
    let in_variables = Folder {
        folder: tempfile::tempdir().unwrap(),
        variables: vec![
            ("SECRET_KEY", secret(2).to_text().to_string()),
            ("SECRET_KEY_FALLBACKS", format!("[{:?}]", secret(1).to_text().as_str())),
            ("WAXSEAL_SESSION_STORE", format!("sqlite:{}", path.display())),
        ],
    };
    let again = in_variables.json(&["keys", "rewrap", "--app", "demo"], "", 0);
    assert_eq!(again["rewrapped"], 0);
    // Nobody knows since when the key seals nothing: the first try notes it, and the wait here is none.
    assert!(folder.run(&retire, "").err.contains("retire it in 0 seconds"));
    let gone = folder.run(&retire, "");
    assert_eq!((gone.code, &*gone.err), (0, ""), "{}", gone.out);

    // Records are under the new key alone; tokens are sealed anew when their visitors come.
    runtime.block_on(async {
        let sessions = sessions(Keyring::new(secret(2)).with_fallback(secret(1)).unwrap());
        let now = SystemTime::now();
        for (number, token) in tokens.iter().enumerate().step_by(100) {
            let opened = sessions.open(token.as_bytes(), waxseal_manager::Access::Read, now).unwrap();
            assert_eq!(opened.load(now).await.unwrap().get("number").unwrap(), Some(number));
        }
    });
}

/// In each state, as a server sees it that runs meanwhile.
#[cfg(feature = "sqlite")]
#[test]
fn an_operator_ends_the_sessions_of_one_owner() {
    use waxseal_manager::{Access, Mirrored, Revocable, State, Stored};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for state in ["cookie", "store", "mirrored"] {
        let mut folder = Folder::with_keys(&[1]);
        // As on a machine that has no key, or that has the app's environment.
        folder.variables.clear();
        if state == "mirrored" {
            folder.variables.push(("SECRET_KEY", "a passphrase of a decent length".to_owned()));
        }
        let store = waxseal_sqlite::SqliteStore::options(folder.path("sessions.db")).open().unwrap();
        let over: State = match state {
            "cookie" => Revocable::new(store).into(),
            "store" => Stored::new(store).into(),
            _ => Mirrored::new(store).into(),
        };
        let sessions = SessionManager::new(&Keyring::new(secret(1)), "__Host-session", "demo", over).unwrap();
        let sign_in = async |owner: &str| {
            let session = sessions.create();
            session.sign_in(owner, SystemTime::now()).unwrap();
            let Outcome::Set { token, .. } = sessions.commit(&session, SystemTime::now()).await.unwrap()
            else {
                panic!()
            };
            token
        };
        let owner = async |token: &str| {
            // Beyond the time for which a copy is shown without a question.
            let now = SystemTime::now() + Duration::from_secs(59);
            let opened = sessions.open(token.as_bytes(), Access::Read, now).unwrap();
            opened.load(now).await.unwrap().session().owner()
        };
        let tokens: Vec<_> = runtime.block_on(async {
            [sign_in("merlin").await, sign_in("merlin").await, sign_in("morgana").await].into()
        });
        let command = |verb| {
            let place = ["--app=demo", "--owner=merlin", "--session-store=sqlite:sessions.db"];
            [&["sessions", verb][..], &place, &["--session-state", state]].concat()
        };
        if state == "cookie" {
            let done = folder.run(&command("list"), "");
            assert!(done.code == 1 && done.err.contains("kept nowhere"), "{state}: {}", done.err);
        } else {
            let listed = folder.json(&command("list"), "", 0);
            assert_eq!(listed.as_array().unwrap().len(), 2, "{state}: {listed}");
            let shown = folder.run(&command("list"), "").out;
            assert!(shown.starts_with("sessions of merlin, in sqlite:sessions.db: 2\n"), "{state}: {shown}");
            let id = listed[0]["public_id"].as_str().unwrap();
            assert!(shown.contains(id) && shown.contains("begun 20"), "{state}: {shown}");
        }
        let ended = folder.run(&command("end-all"), "");
        assert_eq!(
            ended.out, "all sessions of merlin are ended, in sqlite:sessions.db\n",
            "{state}: {}",
            ended.err
        );
        if state != "cookie" {
            let slip =
                command("end-all").iter().map(|word| word.replace("merlin", "merlyn")).collect::<Vec<_>>();
            let slip = folder.run(&slip.iter().map(String::as_str).collect::<Vec<_>>(), "");
            assert!(
                slip.code == 0 && slip.out.contains("none was listed there: are --owner"),
                "{}",
                slip.out
            );
        }
        let owners = runtime
            .block_on(async { [owner(&tokens[0]).await, owner(&tokens[1]).await, owner(&tokens[2]).await] });
        assert_eq!(owners, [None, None, Some("morgana".to_owned())], "{state}");
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn a_tool_makes_no_store_where_there_is_none() {
    let folder = Folder::with_keys(&[2, 1]);
    let place = ["--app=demo", "--session-store=sqlite:nowhere/sessions.db"];
    for command in [
        &["keys", "rewrap"][..],
        &["keys", "retire", &id(1)],
        &["sessions", "end-all", "--owner=merlin", "--session-state=store"],
    ] {
        let done = folder.run(&[command, &place].concat(), "");
        assert!(
            done.code == 1 && done.err.contains("no session store at nowhere"),
            "{command:?}: {}",
            done.err
        );
        assert!(!folder.path("nowhere").exists());
        // Nor tables where there is a file.
        fs::write(folder.path("empty.db"), "").unwrap();
        let empty = ["--app=demo", "--session-store=sqlite:empty.db"];
        let done = folder.run(&[command, &empty].concat(), "");
        assert!(
            done.code == 1 && done.err.contains("has schema 0, and this program needs"),
            "{command:?}: {}",
            done.err
        );
        assert_eq!(fs::metadata(folder.path("empty.db")).unwrap().len(), 0);
    }
    let both = folder.run(&[&["keys", "retire", &id(1), "--revoke"][..], &place].concat(), "");
    assert_eq!(both.code, 2, "{}", both.err);
}
