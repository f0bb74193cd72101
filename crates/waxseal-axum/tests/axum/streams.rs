//! Answers that end with their session.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use futures_util::stream::{self, Stream, StreamExt};
use tokio::time::Instant;
use waxseal_axum::{MemoryStore, Result, Session, Waxseal};

use crate::browser::Browser;

type News = Result<Event, Infallible>;

async fn news(session: Session) -> Result<Sse<impl Stream<Item = News>>> {
    let ended = session.ended().await?;
    Ok(Sse::new(news_of(session.owner()).take_until(ended)))
}

fn news_of(reader: Option<String>) -> impl Stream<Item = News> {
    let news = reader.map(|_| Ok(Event::default().data("tea")));
    stream::iter(news).chain(stream::pending())
}

#[tokio::test(start_paused = true)]
async fn events_end_with_the_session_that_they_were_opened_with() {
    let routes = Router::new()
        .route("/news", get(news))
        .route("/in", post(async |session: Session| session.sign_in("user-7").await))
        .route("/out", post(async |session: Session| session.sign_out().await));
    for waxseal in [Waxseal::ephemeral(), Waxseal::ephemeral().mirrored(MemoryStore::new())] {
        let mut browser = Browser::new(routes.clone().layer(waxseal.layer().unwrap()));
        browser.post("/in").await;
        let (mut other, since) = (browser.copy(), Instant::now());
        let (heard, ()) = tokio::join!(browser.get("/news"), async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            other.post("/out").await;
        });
        assert_eq!(heard.text, "data: tea\n\n");
        assert!((5_000..=6_010).contains(&since.elapsed().as_millis()), "{:?}", since.elapsed());
    }
}
