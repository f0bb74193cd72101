//! A shop's basket with a sign-in, in axum; `shop_before` on tower-sessions, `shop_after` on Waxseal.

use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use axum::{Form, Router, http::StatusCode};
use serde::Deserialize;
use waxseal_axum::{MemoryStore, Session, Waxseal, days};

const BASKET: &str = "basket";

#[derive(Deserialize)]
struct Item {
    name: String,
}

#[derive(Deserialize)]
struct Credentials {
    user: String,
    password: String,
}

/// Whatever went wrong, for the log; a visitor sees a 500.
pub(crate) struct Failure(#[allow(dead_code, reason = "for a log")] Box<dyn std::error::Error>);

impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> axum::response::Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

async fn index(session: Session) -> Result<String, Failure> {
    let user: Option<String> = session.owner();
    let basket: Vec<String> = session.get(BASKET)?.unwrap_or_default();
    Ok(format!("{}: {}", user.as_deref().unwrap_or("guest"), basket.join(", ")))
}

async fn add(session: Session, Form(item): Form<Item>) -> Result<Redirect, Failure> {
    session.append(BASKET, item.name)?;
    Ok(Redirect::to("/"))
}

async fn sign_in(session: Session, Form(form): Form<Credentials>) -> Result<Redirect, Failure> {
    if form.password != "eleven owls" {
        return Ok(Redirect::to("/?wrong"));
    }
    session.sign_in(&form.user).await?;
    Ok(Redirect::to("/"))
}

async fn sign_out(session: Session) -> Result<Redirect, Failure> {
    session.sign_out().await?;
    Ok(Redirect::to("/"))
}

pub(crate) fn app() -> Router {
    Router::new()
        .route("/", get(index))
        .route("/add", post(add))
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sessions = Waxseal::from_env().store(MemoryStore::new()).lasting(days(1));
    let sessions = sessions.development(cfg!(debug_assertions)).layer()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app().layer(sessions)).await?)
}
