//! Answers that are made while they are sent.

use std::time::Duration;

use crate::support::{client_of, header, log};
use futures_util::{Stream, StreamExt, stream};
use waxseal::testing::Client;
use waxseal::{
    App, Body, Event, MemoryStore, Method, Request, Response, Result, Session, SessionState, Settings, html,
    sse, typed,
};
use waxseal_store::testing::FaultyStore;

#[tokio::test]
async fn a_body_is_streamed() {
    async fn count(_: Request) -> Result<Response> {
        let numbers = stream::iter(1..=3).map(|number| Ok::<_, std::io::Error>(format!("{number} ")));
        Ok(typed("text/plain", Body::stream(numbers)))
    }
    assert_eq!(client_of(App::new("demo").get("/", count)).get("/").await.text(), "1 2 3 ");
}

#[tokio::test]
async fn events_are_streamed() {
    async fn kitchen(_: Request) -> Result<Response> {
        Ok(sse(stream::iter([Event::new("the kettle\nboils").name("tea").id("7"), Event::new("ready")])))
    }
    let answer = client_of(App::new("demo").get("/", kitchen)).get("/").await;
    assert_eq!(header(&answer, "content-type"), Some("text/event-stream"));
    assert_eq!(header(&answer, "cache-control"), Some("no-store"));
    assert_eq!(answer.text(), "data: the kettle\ndata: boils\nevent: tea\nid: 7\n\ndata: ready\n\n");
}

/// Reads are fine in a stream, and a write says that it came too late: in its result and in the log.
#[tokio::test]
async fn a_session_write_after_the_head_is_an_error_and_a_line_in_the_log() {
    async fn page(request: Request) -> Result<Response> {
        let session = request.session().await?;
        session.insert("early", "kept")?;
        Ok(html(Body::stream(stream::iter(0..3).map(move |step| late(&session, step)))))
    }
    fn late(session: &Session, step: u8) -> Result<String, waxseal_session::Error> {
        if step == 1 {
            session.insert("late", "lost")?;
        }
        Ok(session.get::<String>("early")?.unwrap_or_default())
    }
    let client = client_of(App::new("demo").get("/", page));
    log::clear();
    let response = {
        let (service, request) = (client.service(), client.request(Method::GET, "/", Body::empty()));
        service.answer(request).await
    };
    assert!(response.headers().contains_key("set-cookie"), "the head has what was written before");
    let error = response.into_body().collect(usize::MAX, Duration::from_secs(1)).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap();
    assert!(matches!(cause.downcast_ref(), Some(waxseal_session::Error::Sent)), "{cause}");
    let lines = log::lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0], "WARN a session was written to after its answer's head had left; the write is lost");
    assert!(lines[1].starts_with("ERROR a streamed body failed; its answer ends here"), "{lines:?}");
    assert!(lines[1].contains("the session was already sent"), "{lines:?}");
}

/// Also if the stream is the first to ask for the session.
#[tokio::test]
async fn a_session_that_only_a_stream_opens_can_be_read_and_not_written() {
    async fn sign_in(request: Request) -> Result<Response> {
        request.sign_in("user-7").await?;
        Ok(html("in"))
    }
    async fn page(request: Request) -> Result<Response> {
        Ok(html(Body::stream(stream::once(async move {
            let refused = [request.flash("late", "lost").await.is_err(), request.sign_out().await.is_err()];
            let owner = request.session().await.unwrap().owner();
            Ok::<_, std::io::Error>(format!("{refused:?} {owner:?}"))
        }))))
    }
    let app = App::new("demo").post("/sign-in", sign_in).get("/", page);
    let client = client_of(app);
    client.post_form("/sign-in", &[]).await;
    log::clear();
    assert_eq!(client.get("/").await.text(), r#"[true, true] Some("user-7")"#);
    assert_eq!(log::lines().len(), 2, "{:?}", log::lines());
    assert_eq!(client.session().await.owner().as_deref(), Some("user-7"));
}

#[tokio::test]
async fn a_request_whose_client_hangs_up_refuses_what_its_tasks_write() {
    for opens in [true, false] {
        let (send, kept) = std::sync::mpsc::channel();
        let page = move |request: Request| {
            let send = send.clone();
            async move {
                if opens {
                    request.session().await?.insert("early", "lost")?;
                }
                send.send(request).unwrap();
                std::future::pending::<Result<Response>>().await
            }
        };
        let client = client_of(App::new("demo").get("/", page));
        let (service, request) = (client.service(), client.request(Method::GET, "/", Body::empty()));
        assert!(tokio::time::timeout(Duration::from_millis(1), service.answer(request)).await.is_err());
        let late = kept.recv().unwrap().session().await.unwrap();
        assert!(matches!(late.insert("late", 1), Err(waxseal_session::Error::Sent)), "{opens}");
    }
}

/// A commit that waits for the store is completed, and if it fails, the session can be written again for the error page.
#[tokio::test]
async fn a_request_whose_client_hangs_up_after_its_handler_refuses_what_its_tasks_write() {
    for is_held in [true, false] {
        let store = FaultyStore::new(MemoryStore::new());
        let (send, kept) = std::sync::mpsc::channel();
        let page = move |request: Request| {
            let send = send.clone();
            async move {
                let session = request.session().await?;
                session.insert("early", "lost")?;
                send.send(session.clone()).unwrap();
                Ok(html("saved"))
            }
        };
        let app = App::new("demo").get("/", page).session_store(store.clone());
        let app = app.error_handler(503, async |_, _| std::future::pending().await);
        let settings = Settings { session_state: SessionState::Store, ..Settings::default() };
        let client = Client::with_settings(app, &settings).unwrap();
        store.set_held(is_held);
        store.set_away(true);
        let (service, request) = (client.service(), client.request(Method::GET, "/", Body::empty()));
        assert!(tokio::time::timeout(Duration::from_millis(100), service.answer(request)).await.is_err());
        store.set_held(false);
        service.sessions().finish_ends().await;
        let late = kept.recv().unwrap();
        assert!(matches!(late.insert("late", 1), Err(waxseal_session::Error::Sent)), "held: {is_held}");
    }
}

/// Whoever drops the error finds it in the log.
#[tokio::test]
async fn a_late_write_whose_error_is_dropped_is_in_the_log() {
    async fn page(request: Request) -> Result<Response> {
        let session = request.session().await?;
        Ok(html(Body::stream(stream::iter(["one", "two"]).map(move |word| {
            let _ = session.insert("word", word);
            let _ = session.destroy();
            Ok::<_, std::io::Error>(word)
        }))))
    }
    let client = client_of(App::new("demo").get("/", page));
    log::clear();
    assert_eq!(client.get("/").await.text(), "onetwo");
    assert_eq!(log::lines().len(), 4, "{:?}", log::lines());
    assert!(client.session().await.is_empty());
}

/// Says one thing, and then nothing.
fn endless() -> Response {
    sse(stream::iter([Event::new("tea")]).chain(stream::pending()))
}

async fn sign_in(request: Request) -> Result<Response> {
    request.sign_in("user-7").await?;
    Ok(html("in"))
}

async fn sign_out(request: Request) -> Result<Response> {
    request.sign_out().await?;
    Ok(html("out"))
}

/// The text of a body, if it ends within `time`.
async fn whole(response: Response, time: Duration) -> Option<Result<String, waxseal_server::Error>> {
    let text = response.into_body().collect(usize::MAX, Duration::MAX);
    let text = tokio::time::timeout(time, text).await.ok()?;
    Some(text.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()))
}

#[tokio::test(start_paused = true)]
async fn what_is_open_ends_with_its_session() {
    async fn own(request: Request) -> Result<Response> {
        let _ = request.session().await?.owner();
        Ok(endless())
    }
    fn rows() -> impl Stream<Item = std::io::Result<&'static str>> {
        stream::iter([Ok("a,b\n")]).chain(stream::pending())
    }
    async fn report(request: Request) -> Result<Response> {
        let ended = request.session_ended().await?;
        Ok(typed("text/csv", Body::stream(rows()).cut_by(ended)))
    }
    async fn page(request: Request) -> Result<Response> {
        let _ = request.session().await?.owner();
        Ok(html(Body::stream(stream::iter([Ok::<_, std::io::Error>("a")]).chain(stream::pending()))))
    }
    const MINUTE: Duration = Duration::from_secs(60);
    for state in [SessionState::Cookie, SessionState::Store, SessionState::Mirrored] {
        let app = App::new("demo")
            .post("/in", sign_in)
            .post("/out", sign_out)
            .get("/own", own)
            .get("/public", async |_| Ok(endless()))
            .get("/report", report)
            .get("/page", page);
        let settings = Settings { session_state: state, ..Settings::default() };
        let client = Client::with_settings(app, &settings).unwrap();
        client.post_form("/in", &[]).await;
        let open =
            async |path| client.service().answer(client.request(Method::GET, path, Body::empty())).await;
        let (own, public, report) = (open("/own").await, open("/public").await, open("/report").await);
        let page = open("/page").await;
        assert!(whole(open("/own").await, MINUTE).await.is_none(), "{state:?}: it goes on");

        let since = tokio::time::Instant::now();
        let (own, report, ()) = tokio::join!(whole(own, MINUTE), whole(report, MINUTE), async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            let out = client.request(Method::POST, "/out", Body::empty());
            assert_eq!(client.service().answer(out).await.status(), 200, "{state:?}");
        });
        assert!(since.elapsed().as_millis() <= 6_010, "{state:?}: within a second");
        assert_eq!(own.unwrap().unwrap(), "data: tea\n\n", "{state:?}: ends cleanly");
        let cut = report.expect("it ends").unwrap_err();
        assert!(matches!(cut, waxseal_server::Error::Cut), "{state:?}: never as if complete: {cut}");
        assert!(whole(public, MINUTE).await.is_none(), "{state:?}: it knows no session");
        assert!(whole(page, MINUTE).await.is_none(), "{state:?}: other bodies end where a route asks for it");
    }
}
