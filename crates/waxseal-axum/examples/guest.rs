//! A struct in the session: when a guest came first and last, and how many pages they saw.

use axum::{Router, routing::get};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use waxseal_axum::{Keyed, MemoryStore, Result, SessionData, Waxseal};

#[derive(Debug, Serialize, Deserialize)]
struct Guest {
    pageviews: usize,
    first_seen: Timestamp,
    last_seen: Timestamp,
}

impl Default for Guest {
    fn default() -> Self {
        let now = Timestamp::now();
        Self { pageviews: 0, first_seen: now, last_seen: now }
    }
}

impl Keyed for Guest {
    const KEY: &'static str = "guest.data";
}

/// There could be any number of such structs in one session, each under its key.
async fn page(mut guest: SessionData<Guest>) -> Result<String> {
    guest.update(|guest| {
        guest.pageviews += 1;
        guest.last_seen = Timestamp::now();
    })?;
    Ok(format!("{:?}", *guest))
}

pub(crate) fn app() -> Result<Router> {
    let sessions = Waxseal::ephemeral().store(MemoryStore::new()).development(true).layer()?;
    Ok(Router::new().route("/", get(page)).layer(sessions))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app()?).await?)
}
