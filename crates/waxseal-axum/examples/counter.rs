//! A page that counts its visits, as long as they are less than ten seconds apart.

use std::time::Duration;

use axum::{Router, routing::get};
use waxseal_axum::{Lifetimes, MemoryStore, Result, Session, Waxseal};

async fn counter(session: Session) -> Result<String> {
    let count = session.get::<usize>("counter")?.unwrap_or_default();
    session.add("counter", 1)?;
    Ok(format!("Current count: {count}"))
}

pub(crate) fn app() -> Result<Router> {
    let brief = Lifetimes::new().idle(Duration::from_secs(10))?;
    let sessions = Waxseal::ephemeral().store(MemoryStore::new()).lifetimes(brief).development(true);
    Ok(Router::new().route("/", get(counter)).layer(sessions.layer()?))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app()?).await?)
}
