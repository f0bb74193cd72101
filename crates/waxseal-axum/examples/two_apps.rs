//! Two apps with one sign-in: a shop and a blog, which could be two programs on two machines.
//!
//! The shop is at <http://localhost:3000>, the blog at <http://localhost:3001>. Browsers send both the same cookie, since
//! ports do not count. On two subdomains the cookie needs their common domain:
//! `.cookie(SessionCookie::builder().name("__Secure-example").domain("example.com"))`.

use axum::Router;
use axum::response::Redirect;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use waxseal_axum::{
    Keyring, LazySession, MemoryStore, Owner, Result, SecretKey, Session, SessionLayer, Waxseal,
};

/// What the two have in common, and all of it has to be: the secret, the app's name, the cookie's name and the store. Two
/// programs take the secret by `Waxseal::from_env` and a store that both reach.
pub(crate) fn common(keyring: &Keyring, store: MemoryStore) -> Result<SessionLayer> {
    Waxseal::with_keyring(keyring.clone()).app("example").store(store).development(true).layer()
}

/// Without a password: that is the example `sign_in`.
async fn sign_in(session: Session) -> Result<Redirect> {
    session.sign_in("merlin").await?;
    Ok(Redirect::to("/"))
}

async fn front(owner: Option<Owner>) -> String {
    format!("the shop of {}", owner.map_or("a stranger".to_owned(), |Owner(name)| name))
}

async fn sign_out(session: LazySession) -> Result<Redirect> {
    session.sign_out().await?;
    Ok(Redirect::to("/"))
}

pub(crate) fn shop(sessions: SessionLayer) -> Router {
    Router::new().route("/", get(front)).route("/sign-in", post(sign_in)).layer(sessions)
}

pub(crate) fn blog(sessions: SessionLayer) -> Router {
    Router::new()
        .route("/", get(async |Owner(name): Owner| format!("the blog of {name}")))
        .route("/sign-out", post(sign_out))
        .layer(sessions)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (keyring, store) = (Keyring::new(SecretKey::generate()?), MemoryStore::new());
    let (shop_at, blog_at) =
        (TcpListener::bind("127.0.0.1:3000").await?, TcpListener::bind("127.0.0.1:3001").await?);
    let blog = blog(common(&keyring, store.clone())?);
    let blog = tokio::spawn(async { axum::serve(blog_at, blog).await });
    axum::serve(shop_at, shop(common(&keyring, store)?)).await?;
    Ok(blog.await??)
}
