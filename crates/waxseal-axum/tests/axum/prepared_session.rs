//! A session that a test prepares and reads, without a page that does so. docs/testing.md shows it.

use axum::body::{Body, to_bytes};
use axum::{Router, routing::get};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use tower::ServiceExt;
use waxseal_axum::{Owner, RequestSession, Result, Session, SessionLayer, Waxseal};

async fn count(Owner(name): Owner, session: Session) -> Result<String> {
    session.add("visits", 1)?;
    Ok(format!("visit {} of {name}", session.get::<u32>("visits")?.unwrap_or_default()))
}

/// The session of a request with these headers.
fn session_of(sessions: &SessionLayer, headers: &HeaderMap) -> RequestSession {
    sessions.session_of(&Method::GET, &Uri::default(), headers)
}

fn cookie(headers: &HeaderMap) -> HeaderValue {
    let line = headers[SET_COOKIE].to_str().unwrap();
    line.split(';').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_next_visit_is_counted() {
    let sessions = Waxseal::ephemeral().layer().unwrap();
    let app: Router = Router::new().route("/", get(count)).layer(sessions.clone());

    let before = session_of(&sessions, &HeaderMap::new());
    before.sign_in("merlin", None).await.unwrap();
    before.load().await.unwrap().insert("visits", 41).unwrap();
    let mut prepared = Response::new(());
    sessions.finish(&before, &mut prepared).await.unwrap();

    let request = Request::get("/").header(COOKIE, cookie(prepared.headers()));
    let page = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();

    let after = session_of(&sessions, &HeaderMap::from_iter([(COOKIE, cookie(page.headers()))]));
    assert_eq!(after.load().await.unwrap().get::<u32>("visits").unwrap(), Some(42));
    assert_eq!(to_bytes(page.into_body(), 1_000).await.unwrap(), "visit 42 of merlin");
}
