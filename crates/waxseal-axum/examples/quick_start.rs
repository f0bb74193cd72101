//! A page for who is signed in. The book's first page explains it.

use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use axum::{Form, Router};
use serde::Deserialize;
use waxseal_axum::{LazySession, MemoryStore, Owner, Result, Session, Waxseal, days};

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

/// In a real app: looks into the table of users, and compares hashes.
fn user_of(form: &Credentials) -> Option<&'static str> {
    (form.name == "merlin" && form.password == "eleven owls").then_some("merlin")
}

async fn home(owner: Option<Owner>) -> Html<String> {
    Html(match owner {
        Some(Owner(name)) => format!(
            "<p>Hello, {name}.</p>
             <form method=post action=/sign-out><button>Sign out</button></form>"
        ),
        None => "<form method=post action=/sign-in>
                 <input name=name placeholder=Name> <input name=password type=password>
                 <button>Sign in</button></form>"
            .to_owned(),
    })
}

async fn sign_in(session: Session, Form(form): Form<Credentials>) -> Result<Redirect> {
    if let Some(user) = user_of(&form) {
        session.sign_in(user).await?;
    }
    Ok(Redirect::to("/"))
}

async fn sign_out(session: LazySession) -> Result<Redirect> {
    session.sign_out().await?;
    Ok(Redirect::to("/"))
}

pub(crate) fn app(waxseal: Waxseal) -> Result<Router> {
    let sessions = waxseal.store(MemoryStore::new()).lasting(days(30)).layer()?;
    Ok(Router::new()
        .route("/", get(home))
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
        .layer(sessions))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let app = app(Waxseal::from_env().development(cfg!(debug_assertions)))?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app).await?)
}
