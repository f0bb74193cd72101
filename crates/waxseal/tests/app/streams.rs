//! Answers that are made while they are sent.

use std::time::Duration;

use crate::support::{client_of, header, log};
use futures_util::{StreamExt, stream};
use waxseal::{App, Body, Event, Method, Request, Response, Result, Session, html, sse, typed};

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
