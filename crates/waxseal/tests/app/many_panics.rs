//! Panics by the thousand, among requests that are well.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use tracing_subscriber::layer::SubscriberExt;
use waxseal::testing::Client;
use waxseal::{App, RepeatLimit, Request, Response, Result, Settings, html};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn count(request: Request) -> Result<Response> {
    let session = request.session().await?;
    session.add("visits", 1)?;
    Ok(html(session.get::<i64>("visits")?.unwrap_or_default().to_string()))
}

async fn fail(request: Request) -> Result<Response> {
    request.session().await?.add("visits", 1)?;
    tokio::task::yield_now().await;
    panic!("out of ink, deliberately")
}

#[tokio::test]
async fn a_thousand_panics_are_a_thousand_answers_and_a_short_log() {
    let log = Log::default();
    let written = log.clone();
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).map_event_format(RepeatLimit::new);
    let lines = lines.with_writer(move || written.clone());
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines));
    let app = App::new("demo").get("/count", count).get("/fail", fail);
    let client = Client::with_settings(app, &Settings::default()).unwrap();
    assert_eq!(client.get("/count").await.text(), "1");

    for visits in 2..102 {
        let failing = join_all((0..10).map(|_| client.get("/fail")));
        let (failed, good) = tokio::join!(failing, client.get("/count"));
        assert!(failed.iter().all(|answer| answer.status() == 500));
        // What a request changed that panicked is dropped.
        assert_eq!((good.status().as_u16(), good.text()), (200, visits.to_string()));
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("out of ink") && log.len() < 2_000, "{} bytes: {log}", log.len());
}

/// A program that ends with its test.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs itself as a program of its own, which serves until SIGTERM. Rust's message about a panic comes from the hook of
/// the whole process, and each line of it is beside the log.
#[cfg(unix)]
#[tokio::test]
async fn a_program_prints_the_message_of_a_panic_that_repeats_once() {
    if std::env::var_os("WAXSEAL_TEST_OF_PANICS").is_some() {
        let app = App::new("demo").get("/count", count).get("/fail", fail);
        return app.run_with(Settings { port: 0, ..Settings::default() }).await.unwrap();
    }
    let mut program = Command::new(std::env::current_exe().unwrap());
    let name = "many_panics::a_program_prints_the_message_of_a_panic_that_repeats_once";
    program.args(["--exact", name, "--nocapture"]).env("WAXSEAL_TEST_OF_PANICS", "");
    program.env("SECRET_KEY", &*waxseal_crypto::SecretKey::from_bytes([1; 32]).to_text());
    program.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut program = Started(program.spawn().unwrap());
    let mut said = BufReader::new(program.0.stderr.take().unwrap());
    let mut start = String::new();
    let address = loop {
        let from = start.len();
        assert_ne!(said.read_line(&mut start).unwrap(), 0, "it ended: {start}");
        if let Some((_, rest)) = start[from..].split_once("server on http://") {
            break rest.split(',').next().unwrap().to_owned();
        }
    };
    for (path, status) in [("/fail", 500), ("/fail", 500), ("/count", 200), ("/fail", 500)] {
        let mut client = TcpStream::connect(&address).unwrap();
        write!(client, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    let ended = Command::new("kill").args(["-s", "TERM", &program.0.id().to_string()]).status().unwrap();
    assert!(ended.success());
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    let count = |words: &str| rest.matches(words).count();
    assert_eq!(count("panicked at "), 1, "{rest}");
    // The log's own line, and its repetitions when the program ends.
    assert_eq!(count(": panic while handling a request panic="), 1, "{rest}");
    assert_eq!(
        count("repeated lines repeated=2 line=\"panic while handling a request: out of ink"),
        1,
        "{rest}"
    );
}
