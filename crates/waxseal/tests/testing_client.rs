//! The client without a socket: what it does as a browser would.

mod support;

use std::time::Duration;

use support::client_of;
use waxseal::testing::Client;
use waxseal::{App, Request, Response, Result, StatusCode, redirect, redirect_as, redirect_to, typed};

fn app() -> App {
    async fn say(request: Request) -> Result<Response> {
        let body = String::from_utf8_lossy(&request.body().await?).into_owned();
        Ok(typed("text/plain", format!("{} {} {body}", request.method(), request.path())))
    }
    async fn temporary(_: Request) -> Result<Response> {
        Ok(redirect_as(StatusCode::TEMPORARY_REDIRECT, "/said"))
    }
    App::new("demo")
        .get("/said", say)
        .post("/said", say)
        .get("/see-other", async |_| Ok(redirect("/twice?a=b")))
        .post("/see-other", async |_| Ok(redirect("/twice?a=b")))
        .get("/twice", async |_| Ok(redirect("/said")))
        .post("/temporary", temporary)
        .get("/circle", async |_| Ok(redirect("/circle")))
        .get("/away", async |_| Ok(redirect_to("https://elsewhere.example/")))
}

#[tokio::test]
async fn redirects_are_followed_as_a_browser_does() {
    let client = client_of(app()).follow_redirects();
    for (path, expected) in
        [("/see-other", "GET /said "), ("/temporary", "POST /said a=b"), ("/said", "POST /said a=b")]
    {
        let answer = client.post_form(path, &[("a", "b")]).await;
        assert_eq!((answer.path(), answer.text().as_str()), ("/said", expected), "{path}");
    }
    let away = client.get("/away").await;
    assert_eq!((away.status().as_u16(), away.path()), (303, "/away"), "another site is not gone to");
    let client = client_of(app());
    assert_eq!(client.get("/see-other").await.location(), Some("/twice?a=b"), "unless asked for");
}

#[tokio::test]
#[should_panic(expected = "more than 20 redirects, the last to /circle")]
async fn a_circle_of_redirects_ends() {
    client_of(app()).follow_redirects().get("/circle").await;
}

#[tokio::test]
async fn a_session_can_be_arranged_and_looked_at() {
    async fn count(request: Request) -> Result<Response> {
        let session = request.session().await?;
        session.add("visits", 1)?;
        Ok(typed("text/plain", session.get::<u32>("visits")?.unwrap_or_default().to_string()))
    }
    let client = Client::new(App::new("demo").get("/", count)).unwrap();
    client.with_session(|session| session.insert("visits", 41)).await.unwrap();
    assert_eq!(client.get("/").await.text(), "42");
    let visits = client.with_session(|session| session.get::<u32>("visits")).await;
    assert_eq!(visits.unwrap(), Some(42));
    client.advance(Duration::from_secs(30 * 60));
    assert!(client.session().await.is_new(), "the clock moves for it too");
    client.with_session(waxseal::Session::destroy).await.unwrap();
    assert_eq!(client.get("/").await.text(), "1");
}
