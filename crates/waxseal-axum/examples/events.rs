//! Server-sent events: what one visitor says reaches all who are signed in, until they sign out or the server stops.

use std::convert::Infallible;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use axum::{Form, Router};
use futures_util::stream::{self, Stream, StreamExt};
use serde::Deserialize;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use waxseal_axum::{LazySession, MemoryStore, Owner, Result, Session, Waxseal};

#[derive(Clone)]
struct Site {
    talk: broadcast::Sender<String>,
    /// Changes when the server is to stop, which waits for each response that is open.
    stop: watch::Receiver<()>,
}

#[derive(Deserialize)]
struct Words {
    text: String,
}

async fn page(owner: Option<Owner>) -> Html<&'static str> {
    Html(match owner {
        Some(_) => include_str!("events/talk.html"),
        None => include_str!("events/sign_in.html"),
    })
}

/// 401 for who is not signed in, so that a browser opens no stream anew after a sign-out.
async fn events(
    _: Owner,
    session: Session,
    State(Site { talk, mut stop }): State<Site>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let ended = session.ended().await?;
    let heard = stream::unfold(talk.subscribe(), |mut talk| async move {
        loop {
            match talk.recv().await {
                Ok(text) => return Some((Ok(Event::default().data(text)), talk)),
                Err(RecvError::Lagged(_)) => {} // a slow reader misses the oldest
                Err(RecvError::Closed) => return None,
            }
        }
    });
    let stopped = async move { stop.changed().await };
    Ok(Sse::new(heard.take_until(ended).take_until(stopped)).keep_alive(KeepAlive::default()))
}

async fn say(Owner(name): Owner, State(site): State<Site>, Form(words): Form<Words>) {
    // An error says that nobody listens.
    let _ = site.talk.send(format!("{name}: {}", words.text));
}

/// Without a password: that is the example `sign_in`.
async fn sign_in(session: Session, Form(name): Form<Words>) -> Result<Redirect> {
    session.sign_in(&name.text).await?;
    Ok(Redirect::to("/"))
}

async fn sign_out(session: LazySession) -> Result<Redirect> {
    session.sign_out().await?;
    Ok(Redirect::to("/"))
}

pub(crate) fn app(stop: watch::Receiver<()>) -> Result<Router> {
    let sessions = Waxseal::ephemeral().mirrored(MemoryStore::new()).development(true).layer()?;
    Ok(Router::new()
        .route("/", get(page))
        .route("/events", get(events))
        .route("/say", post(say))
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
        .layer(sessions)
        .with_state(Site { talk: broadcast::Sender::new(100), stop }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    let (sender, stop) = watch::channel(());
    let stopping = async move {
        tokio::signal::ctrl_c().await.expect("the signal can be heard");
        sender.send_replace(());
    };
    Ok(axum::serve(listener, app(stop)?).with_graceful_shutdown(stopping).await?)
}
