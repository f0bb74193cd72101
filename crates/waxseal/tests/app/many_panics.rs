//! Panics by the thousand, among requests that are well.

use std::io::{self, Write};
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
