//! WebSockets within the layer, over a connection.

use std::net::SocketAddr;

use axum::extract::Request;
use axum::response::IntoResponse;
use axum::{Router, routing::any, routing::post};
use http::StatusCode;
use http::header::{CONNECTION, UPGRADE};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use waxseal_axum::{CrossOrigin, Owner, Session, Waxseal};

use crate::browser::Browser;

/// What axum's own `WebSocketUpgrade` does, without frames: what the socket says first and last is its visitor's name.
async fn greet(owner: Option<Owner>, mut request: Request) -> impl IntoResponse {
    let name = owner.map_or_else(|| "stranger".to_owned(), |Owner(name)| name);
    let upgrading = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut socket = TokioIo::new(upgrading.await.expect("the answer was 101"));
        socket.write_all(name.as_bytes()).await.expect("the client listens");
    });
    (StatusCode::SWITCHING_PROTOCOLS, [(UPGRADE, "websocket"), (CONNECTION, "upgrade")])
}

/// What a socket says; the status and the text of a refusal.
async fn open(address: SocketAddr, cookie: &str, fields: &str) -> Result<String, (u16, String)> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /live HTTP/1.1\r\nhost: chat.example\r\nconnection: Upgrade\r\nupgrade: WebSocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         cookie: {cookie}\r\n{fields}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    while !heard.windows(4).any(|end| end == b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0, "{}", String::from_utf8_lossy(&heard));
    }
    if !heard.starts_with(b"HTTP/1.1 101 ") {
        let text = String::from_utf8(heard).unwrap();
        return Err((text[9..12].parse().unwrap(), text));
    }
    stream.read_to_end(&mut heard).await.unwrap();
    Ok(String::from_utf8(heard).unwrap().rsplit("\r\n").next().unwrap().to_owned())
}

#[tokio::test]
async fn a_page_of_another_site_opens_no_socket_with_the_visitors_session() {
    let rule = CrossOrigin::refuse().trust(["https://app.example"]).unwrap();
    let app = Router::new()
        .route("/live", any(greet))
        .route("/in", post(async |session: Session| session.sign_in("user-7").await))
        .layer(Waxseal::ephemeral().cross_origin(rule).layer().unwrap());
    let mut browser = Browser::new(app.clone());
    browser.post("/in").await;
    let (name, value) = browser.cookies.first_key_value().unwrap();
    let cookie = format!("{name}={value}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await });

    for (case, fields) in [
        ("a page of its own", "origin: https://chat.example\r\nsec-fetch-site: same-origin\r\n"),
        ("an older browser", "origin: https://chat.example\r\n"),
        ("no browser", ""),
        ("a trusted page", "origin: https://app.example\r\nsec-fetch-site: cross-site\r\n"),
    ] {
        assert_eq!(open(address, &cookie, fields).await.as_deref(), Ok("user-7"), "{case}");
    }
    for (case, fields) in [
        ("another site", "origin: https://evil.example\r\nsec-fetch-site: cross-site\r\n"),
        ("another site, of an older browser", "origin: https://evil.example\r\n"),
        ("a sandbox", "origin: null\r\n"),
    ] {
        let (status, text) = open(address, &cookie, fields).await.expect_err(case);
        assert_eq!(status, 403, "{case}: {text}");
        assert!(!text.to_lowercase().contains("set-cookie"), "{case}: {text}");
    }
}
