//! Sessions in axum by the layer alone: a page that counts its visits. The crate waxseal-axum needs less.

use axum::{Extension, Router, http::StatusCode, routing::get};
use waxseal_crypto::{Keyring, SecretKey};
use waxseal_http::{RequestSession, SessionCookie, SessionLayer, status_of};
use waxseal_manager::{Error, SessionManager};

/// Not a `Result<_, String>`: axum answers 200 to any text, also to that of an error.
type Failure = (StatusCode, String);

pub(crate) async fn visits(Extension(session): Extension<RequestSession>) -> Result<String, Failure> {
    let session = session.load().await.map_err(failed)?;
    session.add("visits", 1).map_err(failed)?;
    let visits: Option<u32> = session.get("visits").map_err(failed)?;
    Ok(format!("visit number {}\n", visits.unwrap_or_default()))
}

/// 503 while the store does not answer, 409 if another request was first, else 500.
fn failed(error: impl Into<Error>) -> Failure {
    let error = error.into();
    (status_of(&error), format!("{error}\n"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keyring = Keyring::new(SecretKey::parse(&std::env::var("SECRET_KEY")?, "counter")?);
    let cookie = SessionCookie::builder().build()?;
    let sessions = SessionManager::cookie(&keyring, cookie.name(), "counter")?;
    let app = Router::new().route("/", get(visits)).layer(SessionLayer::new(sessions, cookie));
    axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?, app).await?;
    Ok(())
}
