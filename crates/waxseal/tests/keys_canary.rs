//! Secrets that must be seen nowhere: not in a log, a `Debug` or a page. `waxseal-cli` has the same for its program.

#[path = "app/support/mod.rs"]
mod support;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use http::{HeaderValue, Method};
use waxseal::{Body, KeyFile, Secrets, Settings};
use waxseal_crypto::{Context, SecretKey};

use support::canary::{PASSPHRASE, ROOT, Said};

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

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

/// Every page of the app, also those that say what went wrong.
async fn pages(said: &mut Said, settings: &Settings, secrets: &Secrets) {
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
    pages(&mut said, &production, &secrets).await;
    pages(&mut said, &development, &secrets).await;
    reload(&mut said, &path).await;
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
