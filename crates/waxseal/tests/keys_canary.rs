//! Secrets that must be seen nowhere: not in a log, a `Debug`, a page, or what the `waxseal` program prints.

mod support;

use std::fmt::{Debug, Display};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use http::{HeaderValue, Method};
use waxseal::{Body, KeyFile, Secrets, Settings};
use waxseal_crypto::{Context, KeyId, SecretKey};

const PASSPHRASE: &str = "canary bird in a passphrase of a decent length";
const ROOT: [u8; 32] = *b"canary root of a generated key!!";

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// All that was said, to be searched once.
#[derive(Default)]
struct Said(Vec<(String, String)>);

impl Said {
    fn debug(&mut self, what: &str, value: &impl Debug) {
        self.0.push((what.to_owned(), format!("{value:?} {value:#?}")));
    }

    fn display(&mut self, what: &str, value: &(impl Debug + Display)) {
        self.0.push((what.to_owned(), format!("{value} {value:?}")));
    }

    fn text(&mut self, what: &str, text: impl Into<String>) {
        self.0.push((what.to_owned(), text.into()));
    }

    fn search(&self) {
        for (what, text) in &self.0 {
            assert!(!text.is_empty(), "{what} said nothing");
            for needle in needles() {
                assert!(!text.contains(&needle), "{what} shows {needle:?}: {text}");
            }
        }
    }
}

/// The secrets as they are, and in every way in which bytes get printed.
fn needles() -> Vec<String> {
    let generated = SecretKey::from_bytes(ROOT).to_text();
    let body = generated.strip_prefix("waxseal1_").unwrap();
    let mut needles = vec![body[..20].to_owned(), body[20..].to_owned(), "canary bird".to_owned()];
    for bytes in [&ROOT[..], PASSPHRASE.as_bytes(), generated.as_bytes()] {
        let hex = |byte: &u8| format!("{byte:02x}");
        let decimal: Vec<_> = bytes[..8].iter().map(u8::to_string).collect();
        needles.push(bytes[..8].iter().map(hex).collect());
        needles.push(bytes[..8].iter().map(hex).collect::<String>().to_uppercase());
        needles.push(decimal.join(", "));
        needles.push(String::from_utf8(bytes[..12].to_vec()).unwrap());
    }
    // `waxseal1_` begins every key, and sentences name it.
    needles.retain(|needle| !needle.starts_with("waxseal1_"));
    needles
}

/// From the lowest level up, so from every level, of every thread.
fn record_everything() {
    struct Everything;
    impl Write for Everything {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            LOG.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
    tracing::subscriber::set_global_default(log.with_writer(|| Everything).finish()).unwrap();
}

fn request(method: &Method, path: &str, cookie: &str) -> http::Request<Body> {
    let body = if *method == Method::POST { Body::from("name=Merlin") } else { Body::empty() };
    let mut request = http::Request::new(body);
    *request.method_mut() = method.clone();
    *request.uri_mut() = path.parse().unwrap();
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("localhost"));
    headers.insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(COOKIE, HeaderValue::try_from(cookie).unwrap());
    request
}

/// Every page of the app, also those that say what went wrong, and a cookie of it.
async fn pages(said: &mut Said, settings: &Settings, secrets: &Secrets) -> String {
    let app = support::app().service(settings, secrets.keyring()).await.unwrap();
    let mode = if settings.development { "development" } else { "production" };
    said.debug("service", &app);
    let answer = app.answer(request(&Method::POST, "/name", "")).await;
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let damaged = format!("{}A", &cookie[..cookie.len() - 1]);
    for cookie in [&*cookie, &*damaged, "__Host-session=AU57", "waxseal-dev-session=AU57"] {
        for (method, path) in [
            (Method::GET, "/name"),
            (Method::GET, "/fail"),
            (Method::GET, "/panic"),
            (Method::GET, "/broken?sum"),
            (Method::GET, "/mistyped"),
            (Method::GET, "/too-large"),
            (Method::GET, "/abort/404"),
            (Method::GET, "/abort/503"),
            (Method::GET, "/nowhere"),
            (Method::GET, "/%zz"),
            (Method::POST, "/panic"),
            (Method::POST, "/sign-out"),
            (Method::DELETE, "/"),
        ] {
            let answer = app.answer(request(&method, path, cookie)).await;
            said.debug("an answer's head", answer.headers());
            let page = answer.into_body().collect(usize::MAX, Duration::from_secs(60)).await.unwrap();
            said.text(&format!("{mode} {method} {path}"), format!(" {}", String::from_utf8_lossy(&page)));
        }
    }
    cookie
}

/// Changes the file of a running server: for better, for worse, and back.
async fn reload(said: &mut Said, path: &Path) {
    let settings =
        Settings { port: 0, admin_address: Some(([127, 0, 0, 1], 0).into()), ..Settings::default() };
    let secrets = Secrets::from_file(path, &settings, "demo").unwrap();
    let server = support::app().bind(&settings, &secrets).await.unwrap();
    said.debug("server", &server);
    let before = fs::read_to_string(path).unwrap();
    let changes = async {
        let texts = [
            format!("{PASSPHRASE} of another\n"),
            format!("{before}{}", &before[..40]),
            format!("{before}\n"),
        ];
        for (text, refused) in texts.into_iter().zip(1..) {
            fs::write(path, text).unwrap();
            until_logged("secret keys not changed", refused).await;
        }
        KeyFile::new(path).with_app("demo").add(SystemTime::now()).unwrap_err();
        fs::write(path, &before).unwrap();
        KeyFile::new(path).with_app("demo").add(SystemTime::now()).unwrap();
        until_logged("secret keys changed from", 1).await;
        fs::write(path, &before).unwrap();
    };
    server.serve(changes).await.unwrap();
}

/// Waits until the log has these words so often. What is asked for takes a second or two, and as long as it likes on a
/// machine that has much else to do.
async fn until_logged(words: &str, times: usize) {
    for _ in 0..6_000 {
        let said = String::from_utf8_lossy(&LOG.lock().unwrap()).matches(words).count();
        if said >= times {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the log never had {words:?} {times} times");
}

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

fn ids() -> [KeyId; 2] {
    [SecretKey::from_bytes(ROOT).id(), SecretKey::from_passphrase(PASSPHRASE, "demo").unwrap().id()]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_is_seen_nowhere() {
    record_everything();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, format!("{}\n{PASSPHRASE}\n", *SecretKey::from_bytes(ROOT).to_text())).unwrap();
    let mut said = Said::default();
    let production = Settings::default();
    let development = Settings { development: true, ..Settings::default() };
    let secrets = Secrets::from_file(&path, &production, "demo").unwrap();
    said.display("secrets", &secrets);
    said.debug("keyring", secrets.keyring());
    said.debug("sealer", &secrets.keyring().sealer(&Context::new("session").unwrap()));
    said.debug("authenticator", &secrets.keyring().authenticator(&Context::new("csrf").unwrap()));
    said.debug("key", &SecretKey::from_bytes(ROOT));
    said.debug("warnings", &secrets.warnings());
    said.debug("file", &KeyFile::new(&path).with_app("demo").list().unwrap());
    let cookie = pages(&mut said, &production, &secrets).await;
    pages(&mut said, &development, &secrets).await;
    reload(&mut said, &path).await;
    commands(&mut said, &path, &cookie);
    let log = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    for line in
        ["secret keys not changed", "secret keys changed from", "500 Internal Server Error", "refused"]
    {
        assert!(log.contains(line), "{line}: {log}");
    }
    said.text("the log", log);
    said.search();
}

#[test]
fn the_search_finds_a_canary() {
    let mut said = Said::default();
    said.debug("bytes", &ROOT);
    assert!(std::panic::catch_unwind(|| said.search()).is_err());
    let mut said = Said::default();
    said.text("text", format!("the key is {PASSPHRASE}"));
    assert!(std::panic::catch_unwind(|| said.search()).is_err());
}
