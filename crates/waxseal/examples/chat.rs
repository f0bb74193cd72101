//! A room in which people talk: a name for whoever comes in, and a WebSocket that is closed when they sign out.
//!
//! `cargo run -p waxseal --features websocket --example chat -- --development`, then http://127.0.0.1:5000 in two browsers.

use std::sync::LazyLock;

use serde::Deserialize;
use tokio::sync::broadcast::{self, error::RecvError};
use waxseal::{App, Request, Response, Result, Route, StartError, WebSocket, context, folder, redirect};

/// The room: what is said in it goes to all who are there.
static ROOM: LazyLock<broadcast::Sender<String>> = LazyLock::new(|| broadcast::channel(64).0);

#[derive(Deserialize)]
struct Guest {
    name: String,
}

fn main() -> Result<(), StartError> {
    app().run()
}

pub(crate) fn app() -> App {
    App::new("chat")
        .templates(folder!("$CARGO_MANIFEST_DIR/examples/chat/templates"))
        .static_folder("/static", folder!("$CARGO_MANIFEST_DIR/examples/chat/static"))
        .csrf_tokens()
        .get("/", index)
        .post("/come-in", come_in)
        .route(Route::post("/leave", leave).without_csrf_token())
        .get("/talk", talk)
}

async fn index(request: Request) -> Result<Response> {
    let owner = request.session().await?.owner();
    request.render("index.html", context! { owner }).await
}

async fn come_in(request: Request) -> Result<Response> {
    let guest: Guest = request.form().await?;
    let name: String = guest.name.trim().chars().filter(|letter| !letter.is_control()).take(30).collect();
    if !name.is_empty() {
        request.sign_in(&name).await?;
    }
    Ok(redirect("/"))
}

/// Signs out: that closes the guest's sockets, in all windows and on all servers.
async fn leave(request: Request) -> Result<Response> {
    request.sign_out().await?;
    Ok(redirect("/"))
}

async fn talk(request: Request) -> Result<Response> {
    if request.session().await?.owner().is_none() {
        return waxseal::abort(401);
    }
    request.websocket(stay).await
}

async fn stay(mut socket: WebSocket) {
    let Some(name) = socket.session().owner() else { return };
    let mut room = ROOM.subscribe();
    // Sending fails only if nobody is there.
    let _ = ROOM.send(format!("{name} comes in"));
    loop {
        tokio::select! {
            message = socket.receive() => match message {
                Some(message) => drop(ROOM.send(format!("{name}: {}", message.as_text().unwrap_or("…")))),
                None => break,
            },
            said = room.recv() => match said {
                Ok(said) => if socket.send(said).await.is_err() { break },
                // Whoever reads too slowly misses something.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            },
        }
    }
    let _ = ROOM.send(format!("{name} leaves"));
}
