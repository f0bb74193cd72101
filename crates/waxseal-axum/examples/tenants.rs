//! Several tenants in one process: each host is a shop of its own, with its own sessions, under one secret.
//!
//! <http://red.localhost:3000> and <http://blue.localhost:3000>.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::StatusCode;
use http::header::HOST;
use tower::ServiceExt;
use waxseal_axum::{Keyring, Result, Session, Waxseal};

/// The tenant, as state of its routes.
type Tenant = &'static str;

async fn basket(State(tenant): State<Tenant>, session: Session) -> Result<String> {
    Ok(format!("{tenant}: {} books", session.get::<u32>("books")?.unwrap_or_default()))
}

async fn add(session: Session) -> Result<Redirect> {
    session.add("books", 1)?;
    Ok(Redirect::to("/"))
}

/// The routes of one tenant. Its name is the app's, which is sealed into each session: a cookie that is carried from one
/// tenant to another opens nothing there. With a store, each tenant has its own, since two may have an owner of one name.
fn shop(tenant: Tenant, keyring: &Keyring) -> Result<Router> {
    let waxseal = Waxseal::with_keyring(keyring.clone()).app(tenant);
    let routes = Router::new().route("/", get(basket)).route("/add", post(add));
    Ok(routes.layer(waxseal.development(true).layer()?).with_state(tenant))
}

type Shops = Arc<HashMap<String, Router>>;

/// Sends a request to the shop of its host.
async fn enter(State(shops): State<Shops>, request: Request) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    match shops.get(&name) {
        Some(shop) => shop.clone().oneshot(request).await.into_response(),
        None => StatusCode::MISDIRECTED_REQUEST.into_response(),
    }
}

pub(crate) fn app(keyring: &Keyring) -> Result<Router> {
    let shops = ["red", "blue"].map(|tenant| Ok((format!("{tenant}.localhost"), shop(tenant, keyring)?)));
    let shops = shops.into_iter().collect::<Result<HashMap<_, _>>>()?;
    Ok(Router::new().fallback(enter).with_state(Arc::new(shops)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keyring = Keyring::new(waxseal_axum::SecretKey::generate()?);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app(&keyring)?).await?)
}
