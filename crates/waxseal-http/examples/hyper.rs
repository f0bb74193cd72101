//! Sessions on raw hyper, without a framework: a page that counts its visits, and a form that forgets them.
//!
//! `SECRET_KEY=$(waxseal gen-secret) cargo run -p waxseal-http --example hyper`, behind a proxy that ends TLS: browsers
//! keep the cookie over TLS alone. For `http://localhost` it is `SessionCookie::development()`.

use std::convert::Infallible;

use http::header::{CONTENT_TYPE, LOCATION};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use waxseal_crypto::{Keyring, SecretKey};
use waxseal_http::{RequestSession, SessionCookie, SessionLayer, status_of};
use waxseal_manager::{Error, SessionManager};

type Answer = Response<Full<Bytes>>;

/// The whole app. An error is an answer, too, by which the layer drops what the request changed.
pub(crate) async fn app<B>(request: Request<B>) -> Result<Answer, Infallible> {
    let session = request.extensions().get::<RequestSession>().expect("the layer is around it");
    let answer = match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => visits(session).await,
        (&Method::POST, "/forget") => forget(session).await,
        _ => Ok(text(StatusCode::NOT_FOUND, "there is no such page")),
    };
    Ok(answer.unwrap_or_else(|error| text(status_of(&error), "please try again later")))
}

async fn visits(session: &RequestSession) -> Result<Answer, Error> {
    let session = session.load().await?;
    session.add("visits", 1)?;
    let page = format!(
        "<p>visit number {}</p><form method=post action=/forget><button>Forget</button></form>",
        session.get::<u32>("visits")?.unwrap_or_default()
    );
    let mut answer = text(StatusCode::OK, &page);
    answer.headers_mut().insert(CONTENT_TYPE, "text/html; charset=utf-8".parse().expect("a header's value"));
    Ok(answer)
}

async fn forget(session: &RequestSession) -> Result<Answer, Error> {
    session.destroy().await?;
    let mut answer = text(StatusCode::SEE_OTHER, "");
    answer.headers_mut().insert(LOCATION, "/".parse().expect("a header's value"));
    Ok(answer)
}

fn text(status: StatusCode, text: &str) -> Answer {
    let mut answer = Response::new(Full::from(text.to_owned()));
    *answer.status_mut() = status;
    answer
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keyring = Keyring::new(SecretKey::parse(&std::env::var("SECRET_KEY")?, "counter")?);
    let cookie = SessionCookie::builder().build()?;
    let sessions = SessionManager::cookie(&keyring, cookie.name(), "counter")?;
    let service = SessionLayer::new(sessions, cookie).layer(service_fn(app));
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    loop {
        let (socket, _) = listener.accept().await?;
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new());
        // A connection that breaks is nobody's business but the client's.
        tokio::spawn(http.serve_connection(TokioIo::new(socket), service.clone()));
    }
}
