//! What is open ends when the proof that opened it runs out.

use std::pin::pin;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::timeout;
use waxseal::testing::Client;
use waxseal::{App, Body, Event, Method, Request, Response, Result, SessionState, Settings, sse};

use crate::device_bound::{STATES, bind, refresh};
use crate::support::device_key::Key;

/// Longer than it takes to notice an end.
const LOOK: Duration = Duration::from_secs(10);

async fn news(request: Request) -> Result<Response> {
    let owner = request.session().await?.owner().unwrap_or("a stranger".to_owned());
    Ok(sse(stream::iter([Event::new(&owner)]).chain(stream::pending())))
}

fn client(app: App, state: SessionState) -> Client {
    let settings = Settings { session_state: state, ..Settings::default() };
    Client::with_settings(app.device_bound(), &settings).unwrap()
}

async fn open(client: &Client) -> Body {
    client.service().answer(client.request(Method::GET, "/news", Body::empty())).await.into_body()
}

#[tokio::test(start_paused = true)]
async fn events_end_with_the_proof_that_opened_them_and_go_on_after_the_next() {
    for state in STATES {
        let (client, key) = (client(crate::device_bound::app().get("/news", news), state), Key::new(7));
        let identifier = bind(&client, &key, "/_device").await;
        let mut heard = pin!(open(&client).await.collect(usize::MAX, Duration::MAX));
        client.advance(Duration::from_secs(659));
        assert!(timeout(LOOK, &mut heard).await.is_err(), "{state:?}: its last second");
        client.advance(Duration::from_secs(1));
        let heard = timeout(LOOK, heard).await.expect("it ends").unwrap();
        assert_eq!(heard, "data: user-7\n\n", "{state:?}: cleanly");

        // The browser opens it anew by itself, and proves its device before.
        assert_eq!(refresh(&client, &key, &identifier).await, 200, "{state:?}");
        let mut anew = pin!(open(&client).await.collect(usize::MAX, Duration::MAX));
        client.advance(Duration::from_secs(600));
        assert!(timeout(LOOK, &mut anew).await.is_err(), "{state:?}");
        client.advance(Duration::from_secs(60));
        assert_eq!(timeout(LOOK, anew).await.expect("it ends").unwrap(), "data: user-7\n\n", "{state:?}");
    }
}

#[cfg(feature = "websocket")]
mod sockets {
    use futures_util::SinkExt;
    use http::HeaderValue;
    use http::header::COOKIE;
    use tokio::net::TcpStream;
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::Message as Frame;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

    use super::*;

    async fn greet(request: Request) -> Result<Response> {
        request
            .websocket(async move |mut socket: waxseal::WebSocket| {
                while socket.receive().await.is_some() {
                    let owner = socket.session().owner().unwrap_or("a stranger".to_owned());
                    if socket.send(owner).await.is_err() {
                        break;
                    }
                }
            })
            .await
    }

    async fn open(client: &Client, address: std::net::SocketAddr) -> WebSocketStream<TcpStream> {
        let mut request = "ws://app.example/socket".into_client_request().unwrap();
        let cookies: Vec<_> =
            client.cookies().iter().map(|one| format!("{}={}", one.name, one.value)).collect();
        request.headers_mut().insert(COOKIE, HeaderValue::try_from(cookies.join("; ")).unwrap());
        let stream = TcpStream::connect(address).await.unwrap();
        tokio_tungstenite::client_async(request, stream).await.unwrap().0
    }

    /// The answer to a word, or the end of the socket.
    async fn hear(socket: &mut WebSocketStream<TcpStream>) -> Frame {
        // It may have been closed before.
        let _ = socket.send(Frame::text("who am I?")).await;
        timeout(LOOK, socket.next()).await.unwrap().unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_socket_is_closed_with_the_proof_that_opened_it() {
        for state in STATES {
            let (client, key) =
                (client(crate::device_bound::app().get("/socket", greet), state), Key::new(7));
            let server = waxseal_server::HttpServer::bind(([127, 0, 0, 1], 0)).await.unwrap();
            let address = server.local_addr().unwrap();
            tokio::spawn(server.serve(client.service().clone(), std::future::pending()));
            let identifier = bind(&client, &key, "/_device").await;
            let mut socket = open(&client, address).await;
            client.advance(Duration::from_secs(659));
            assert_eq!(hear(&mut socket).await, Frame::text("user-7"), "{state:?}: its last second");
            client.advance(Duration::from_secs(1));
            let Some(Ok(Frame::Close(Some(frame)))) = timeout(LOOK, socket.next()).await.unwrap() else {
                panic!("{state:?}: it is closed");
            };
            let reason = "the proof of the device has run out";
            assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::Policy, reason), "{state:?}");
            assert_eq!(refresh(&client, &key, &identifier).await, 200, "{state:?}");
            assert_eq!(hear(&mut open(&client, address).await).await, Frame::text("user-7"), "{state:?}");
        }
    }
}
