//! A single-page app on one origin, and its JSON API, with the session, on another.
//!
//! The app is at <http://localhost:5173>, the API at <http://localhost:3000>. Both are one site, since ports do not count.
//! For two sites the cookie also needs `SameSite=None`, and so TLS.

use axum::response::Html;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tower_http::cors::CorsLayer;
use waxseal_axum::{CrossOrigin, LazySession, MemoryStore, Owner, Result, Session, Waxseal};

const APP: &str = "http://localhost:5173";

#[derive(Serialize, Deserialize)]
struct Visitor {
    name: String,
}

/// 401 for who is not signed in.
async fn me(Owner(name): Owner) -> Json<Visitor> {
    Json(Visitor { name })
}

/// Without a password: that is the example `sign_in`.
async fn sign_in(session: Session, Json(visitor): Json<Visitor>) -> Result<Json<Visitor>> {
    session.sign_in(&visitor.name).await?;
    Ok(Json(visitor))
}

async fn sign_out(session: LazySession) -> Result<()> {
    session.sign_out().await
}

pub(crate) fn api() -> Result<Router> {
    let rule = CrossOrigin::refuse().trust([APP])?;
    let sessions =
        Waxseal::ephemeral().mirrored(MemoryStore::new()).cross_origin(rule).development(true).layer()?;
    // Outside of the sessions, so that the app can read refusals.
    let cors = CorsLayer::new()
        .allow_origin(HeaderValue::from_static(APP))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([CONTENT_TYPE])
        .allow_credentials(true);
    let routes = Router::new()
        .route("/me", get(me))
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out));
    Ok(routes.layer(sessions).layer(cors))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = Router::new().route("/", get(Html(include_str!("app.html"))));
    let (app_at, api_at) =
        (TcpListener::bind("127.0.0.1:5173").await?, TcpListener::bind("127.0.0.1:3000").await?);
    let app = tokio::spawn(async { axum::serve(app_at, app).await });
    axum::serve(api_at, api()?).await?;
    Ok(app.await??)
}
