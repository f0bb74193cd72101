//! What the log and the answer say of a request.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use crate::support::client_of;
use futures_util::stream;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use waxseal::testing::Client;
use waxseal::{
    App, Body, Error, MemoryStore, Method, RepeatLimit, Request, Response, Result, Settings, html,
};
use waxseal_store::testing::FaultyStore;

#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Printed {
    fn take(&self) -> Vec<String> {
        let printed = std::mem::take(&mut *self.0.lock().unwrap());
        String::from_utf8(printed).unwrap().lines().map(|line| line.trim_start().to_owned()).collect()
    }

    /// Logs here what this thread does while the guard lives, from level info up.
    fn log(&self) -> tracing::subscriber::DefaultGuard {
        self.log_what("info")
    }

    /// Logs here what this thread does while the guard lives, and `filter` lets through.
    fn log_what(&self, filter: &str) -> tracing::subscriber::DefaultGuard {
        let printed = self.clone();
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).without_time().with_target(false);
        let filter: Targets = filter.parse().unwrap();
        let lines = lines.map_event_format(RepeatLimit::new).with_writer(move || printed.clone());
        // For all layers: the filter of one layer hides a span that other threads want, and does not disable it.
        tracing::subscriber::set_default(tracing_subscriber::registry().with(lines).with(filter))
    }
}

/// Browsers call these endpoints by themselves, beside routes and hooks.
#[cfg(feature = "device")]
#[tokio::test]
async fn lines_of_a_devices_request_stand_in_its_span() {
    let printed = Printed::default();
    let _guard = printed.log();
    let client =
        client(Settings { device_bound: Some(waxseal::DeviceBound::Observe), ..Settings::default() });
    let request = client.request(Method::POST, "/_device/register", Body::empty());
    let answer = client.send(request).await;
    assert_eq!(answer.status(), 403);
    let [line] = &*printed.take() else { panic!("one line") };
    let start = format!(
        "INFO request{{id=\"{}\" method=POST route=\"unmatched\"}}: device registration refused",
        id_of(&answer)
    );
    assert!(line.starts_with(&start), "{line}");
}

/// A connection sends the body after the request was answered.
#[tokio::test]
async fn lines_of_a_streamed_body_stand_in_its_requests_span() {
    async fn fails(_: Request) -> Result<Response> {
        Ok(html(Body::stream(stream::iter([Err::<&str, _>(io::Error::other("out of ink"))]))))
    }
    async fn panics(_: Request) -> Result<Response> {
        let pieces = stream::poll_fn(|_| -> Poll<Option<Result<&str, io::Error>>> { panic!("out of ink") });
        Ok(html(Body::stream(pieces)))
    }
    let printed = Printed::default();
    let _guard = printed.log();
    let client = client_of(App::new("demo").get("/fails", fails).get("/panics", panics));
    for (path, said) in [
        ("/fails", "a streamed body failed; its answer ends here error=out of ink"),
        ("/panics", "panic while handling a request panic=\"out of ink\""),
    ] {
        let response = client.service().answer(client.request(Method::GET, path, Body::empty())).await;
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        response.into_body().collect(usize::MAX, Duration::from_secs(1)).await.unwrap_err();
        let [line] = &*printed.take() else { panic!("one line") };
        let (span, text) = line.split_once("}: ").unwrap();
        assert!(
            span.starts_with(&format!("ERROR request{{id=\"{id}\" method=GET route=\"{path}\"")),
            "{line}"
        );
        assert_eq!(text, said);
    }
}

async fn show(request: Request) -> Result<Response> {
    let name: Option<String> = request.session().await?.get("name")?;
    Ok(html(name.unwrap_or_default()))
}

async fn load(request: Request) -> Result<Response> {
    request.session().await?;
    Ok(html("loaded"))
}

async fn enter(request: Request) -> Result<Response> {
    let session = request.session().await?;
    session.sign_in("albus", request.now())?;
    session.insert("name", "Albus")?;
    Ok(html("welcome"))
}

async fn leave(request: Request) -> Result<Response> {
    request.sign_out().await?;
    Ok(html("bye"))
}

async fn fail(request: Request) -> Result<Response> {
    Err(Error::status(500).message(format!("no ink for {}", request.id())))
}

fn client(settings: Settings) -> Client {
    let app = App::new("demo").get("/name/{of}", show).post("/enter", enter).get("/fail", fail);
    let app = app.get("/load", load);
    Client::with_settings(app, &settings).unwrap()
}

fn id_of(answer: &waxseal::testing::TestResponse) -> String {
    answer.headers()["x-request-id"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_access_log_has_a_line_for_each_request_and_no_secret() {
    let printed = Printed::default();
    let _guard = printed.log();
    let client = client(Settings { access_log: true, ..Settings::default() });
    let answer = client.get("/name/hagrid?token=secret").await;
    let [line] = &*printed.take() else { panic!("one line") };
    let (start, rest) = line.split_once(" latency_ms=").unwrap();
    let id = id_of(&answer);
    assert_eq!(start, format!("INFO request{{id=\"{id}\" method=GET route=\"/name/{{of}}\" status=200"));
    let (latency, rest) = rest.split_once(' ').unwrap();
    assert!(latency.parse::<f64>().is_ok(), "{latency}");
    assert_eq!(rest, r#"session="read"}: answered path="/name/hagrid" client=127.0.0.1"#);

    client.post_form("/enter", &[]).await;
    let load = client.get("/load").await;
    assert!(!load.headers().contains_key("vary"));
    let lines = printed.take();
    assert!(
        lines[1].contains(r#"route="/load" status=200"#) && lines[1].contains(r#"session="loaded"}"#),
        "{lines:?}"
    );

    client.post_form("/enter", &[]).await;
    client.get("/nowhere").await;
    let lines = printed.take();
    assert!(
        lines[0].contains(r#"route="/enter" status=200"#) && lines[0].contains(r#"session="changed"}"#),
        "{lines:?}"
    );
    assert!(
        lines[1].contains(r#"route="unmatched" status=404"#) && !lines[1].contains("session"),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 2);
}

/// A commit that waits for a store goes on in a task of its own.
#[tokio::test]
async fn lines_of_a_commit_that_waits_stand_in_its_requests_span() {
    let printed = Printed::default();
    let _guard = printed.log();
    // It answers no call at once.
    let store = FaultyStore::new(MemoryStore::new());
    let app = App::new("demo").session_store(store.clone()).post("/enter", enter).post("/leave", leave);
    let settings = Settings { session_state: waxseal::SessionState::Store, ..Settings::default() };
    let client = Client::with_settings(app, &settings).unwrap();
    client.post_form("/enter", &[]).await;
    store.set_away(true);
    printed.take();
    let id = id_of(&client.post_form("/leave", &[]).await);
    let lines = printed.take();
    let line = lines.iter().find(|line| line.contains("the store did not confirm it"));
    let start = format!("WARN request{{id=\"{id}\" ");
    assert!(line.is_some_and(|line| line.starts_with(&start)), "{lines:?}");

    store.set_away(false);
    client.service().sessions().finish_ends().await;
    let told = printed.take();
    let line = "the store was told of sessions that were ended while it was away told=1 left=0";
    assert!(told.iter().any(|said| said.contains(line)), "{told:?}");
}

#[tokio::test]
async fn spans_name_the_public_id_of_a_session_where_the_app_allows_it() {
    let printed = Printed::default();
    let _guard = printed.log();
    for log_session_id in [false, true] {
        let settings = Settings {
            access_log: true,
            log_session_id,
            session_state: waxseal::SessionState::Store,
            ..Settings::default()
        };
        let client = client(settings);
        client.post_form("/enter", &[]).await;
        printed.take();
        client.get("/name/albus").await;
        let lines = printed.take();
        assert_eq!(lines[0].contains(" session_id="), log_session_id, "{lines:?}");
    }
}

#[tokio::test]
async fn a_filter_of_warnings_leaves_errors_their_request_and_may_let_the_access_log_through() {
    for (filter, access_log, expected) in [
        ("warn", false, 1),
        ("warn", true, 1),
        ("error", true, 1),
        ("warn,waxseal::access=info", true, 2),
        ("warn,waxseal::access=info", false, 1),
        ("off", true, 0),
    ] {
        let printed = Printed::default();
        let _guard = printed.log_what(filter);
        let client = client(Settings { access_log, ..Settings::default() });
        // Its id makes each line another one.
        let id = id_of(&client.get("/fail").await);
        let lines = printed.take();
        let span = format!("request{{id=\"{id}\" method=GET route=\"/fail\"");
        assert!(lines.iter().all(|line| line.contains(&span)), "{filter}: {lines:?}");
        assert_eq!(lines.len(), expected, "{filter}, {access_log}: {lines:?}");
        if expected == 2 {
            assert!(lines[1].starts_with("INFO ") && lines[1].contains(" status=500 "), "{lines:?}");
        }
    }
    let printed = Printed::default();
    let _guard = printed.log_what("off,waxseal::access=info");
    client(Settings { access_log: true, ..Settings::default() }).get("/name/albus").await;
    assert_eq!(printed.take(), ["INFO answered path=\"/name/albus\" client=127.0.0.1"]);
}

#[tokio::test]
async fn an_id_comes_from_the_header_that_the_settings_name_and_goes_back_in_it() {
    let named = Settings { request_id_header: Some("x-trace".parse().unwrap()), ..Settings::default() };
    for (settings, brought, answered, is_taken) in [
        (Settings::default(), "x-request-id", "x-request-id", false),
        (named.clone(), "x-trace", "x-trace", true),
        (named, "x-request-id", "x-trace", false),
    ] {
        let client = client(settings);
        let mut request = client.request(Method::GET, "/fail", Body::empty());
        request.headers_mut().insert(
            http::HeaderName::from_bytes(brought.as_bytes()).unwrap(),
            "7c9e6679-7425".parse().unwrap(),
        );
        let answer = client.send(request).await;
        let id = answer.headers()[answered].to_str().unwrap();
        assert_eq!(id == "7c9e6679-7425", is_taken, "{brought}");
        assert!(is_taken || id.len() == 16);
        assert_eq!(answer.headers().get_all(answered).iter().count(), 1);
    }
}

#[tokio::test]
async fn a_line_that_repeats_is_logged_once() {
    let printed = Printed::default();
    let _guard = printed.log();
    let client = client(Settings::default());
    for round in 0..100 {
        let mut request = client.request(Method::GET, "/name/albus", Body::empty());
        let cookies = "__Host-session=a; __Host-session=b; __Host-session=c; __Host-session=d";
        request.headers_mut().insert(http::header::COOKIE, cookies.parse().unwrap());
        client.send(request).await;
        let lines = printed.take();
        assert_eq!(lines.len(), usize::from(round == 0), "round {round}: {lines:?}");
    }
}
