//! WebSockets with a real client.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message as Frame, protocol::frame::coding::CloseCode};
use waxseal_server::{
    Body, HttpServer, Limits, Message, SetupError, WebSocket, WebSocketLimits, WebSocketUpgrade,
};

/// When a test gives up.
const PATIENCE: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(2);

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), SetupError>>,
    /// What became of each handler.
    returned: mpsc::UnboundedReceiver<&'static str>,
    /// Ends the session of `/busy`.
    over: Arc<Notify>,
}

async fn start(limits: Limits) -> Running {
    let server = HttpServer::bind(([127, 0, 0, 1], 0)).await.unwrap().limits(limits);
    let address = server.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let (returns, returned) = mpsc::unbounded_channel();
    let over = Arc::new(Notify::new());
    let ends = over.clone();
    let service = service_fn(move |request| {
        let (returns, ends) = (returns.clone(), ends.clone());
        async move { Ok::<_, Infallible>(answer(&request, returns, ends)) }
    });
    let service = Arc::new(service);
    let serving = tokio::spawn(server.serve(service, async { drop(stopped.await) }));
    Running { address, stop, serving, returned, over }
}

fn answer(
    request: &Request<Incoming>,
    returns: mpsc::UnboundedSender<&'static str>,
    over: Arc<Notify>,
) -> Response<Body> {
    let upgrade = match WebSocketUpgrade::of(request.method(), request.headers(), request.extensions()) {
        Ok(upgrade) => upgrade.limits(WebSocketLimits::default().message(1_000).idle(IDLE)),
        Err(error) => {
            let mut response = Response::new(Body::from(error.to_string()));
            *response.status_mut() = error.status();
            return response;
        }
    };
    match request.uri().path() {
        "/short" => {
            let end = async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                "it is over ".repeat(20)
            };
            upgrade.ended_by(end).accept(move |socket| echo(socket, returns))
        }
        "/deaf" => upgrade.accept(async move |_socket: WebSocket| std::future::pending().await),
        "/busy" => {
            let end = async move {
                over.notified().await;
                "it is over".to_owned()
            };
            upgrade.ended_by(end).accept(async move |mut socket: WebSocket| {
                let first = socket.receive().await;
                let _ = returns.send(if first == Some("one".into()) { "one" } else { "another" });
                while socket.send("busy").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                let rest = socket.receive().await;
                let _ = returns.send(if rest.is_none() { "no more" } else { "more" });
            })
        }
        "/once" => upgrade.accept(async move |mut socket: WebSocket| {
            let word = socket.receive().await.unwrap();
            for _ in 0..3 {
                socket.send(word.clone()).await.unwrap();
            }
        }),
        "/panics" => upgrade.accept(async move |_socket: WebSocket| panic!("deliberate, in a test")),
        _ => upgrade.accept(move |socket| echo(socket, returns)),
    }
}

async fn echo(mut socket: WebSocket, returns: mpsc::UnboundedSender<&'static str>) {
    while let Some(message) = socket.receive().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
    let _ = returns.send(if socket.send("late").await.is_err() { "closed" } else { "open" });
}

impl Running {
    async fn connect(&self, path: &str) -> WebSocketStream<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let url = format!("ws://{}{path}", self.address);
        timeout(PATIENCE, tokio_tungstenite::client_async(url, stream)).await.unwrap().unwrap().0
    }
}

/// The next message, but no ping.
async fn next(socket: &mut WebSocketStream<TcpStream>) -> Option<Frame> {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("in time") {
            Some(Ok(Frame::Ping(_))) => {}
            Some(Ok(frame)) => return Some(frame),
            Some(Err(tungstenite::Error::ConnectionClosed | tungstenite::Error::Protocol(_))) | None => {
                return None;
            }
            Some(Err(error)) => panic!("{error}"),
        }
    }
}

/// Code and reason with which the server closes the socket.
async fn closing(socket: &mut WebSocketStream<TcpStream>) -> (CloseCode, String) {
    match next(socket).await {
        Some(Frame::Close(Some(frame))) => (frame.code, frame.reason.as_str().to_owned()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn messages_go_both_ways_until_one_side_says_goodbye() {
    let mut server = start(Limits::default()).await;
    let mut socket = server.connect("/").await;
    for frame in [Frame::text("tea"), Frame::binary(vec![0, 255]), Frame::text("x".repeat(1_000))] {
        socket.send(frame.clone()).await.unwrap();
        assert_eq!(next(&mut socket).await, Some(frame));
    }
    socket.close(None).await.unwrap();
    while next(&mut socket).await.is_some() {}
    assert_eq!(timeout(PATIENCE, server.returned.recv()).await.unwrap(), Some("closed"));

    let mut socket = server.connect("/once").await;
    socket.send(Frame::text("tea")).await.unwrap();
    for _ in 0..3 {
        assert_eq!(next(&mut socket).await, Some(Frame::text("tea")), "what was said before the end arrives");
    }
    assert_eq!(closing(&mut socket).await, (CloseCode::Normal, String::new()));

    let mut socket = server.connect("/panics").await;
    assert_eq!(closing(&mut socket).await, (CloseCode::Error, String::new()));
}

#[tokio::test]
async fn what_breaks_a_limit_closes_the_socket() {
    let mut server = start(Limits::default()).await;
    let mut socket = server.connect("/").await;
    socket.send(Frame::text("x".repeat(1_001))).await.unwrap();
    assert_eq!(closing(&mut socket).await.0, CloseCode::Size);
    assert_eq!(timeout(PATIENCE, server.returned.recv()).await.unwrap(), Some("closed"));

    // A client that answers pings is not silent, whether it says anything or not.
    let (mut quiet, mut silent) = (server.connect("/").await, server.connect("/").await);
    let since = Instant::now();
    assert!(timeout(3 * IDLE, async { while quiet.next().await.is_some() {} }).await.is_err(), "it is open");
    quiet.send(Frame::text("tea")).await.unwrap();
    assert_eq!(next(&mut quiet).await, Some(Frame::text("tea")));
    assert!(since.elapsed() >= 3 * IDLE);
    // This one has read nothing meanwhile.
    let closed = timeout(PATIENCE, closing(&mut silent)).await.expect("in time");
    assert_eq!(closed, (CloseCode::Policy, "nothing came for too long".to_owned()));
}

#[tokio::test]
async fn an_end_from_outside_closes_the_socket_whatever_the_handler_does() {
    let mut server = start(Limits::default()).await;
    let mut socket = server.connect("/short").await;
    let (code, reason) = closing(&mut socket).await;
    assert_eq!(code, CloseCode::Policy);
    assert!(reason.starts_with("it is over") && reason.len() <= 123, "{reason}");
    assert_eq!(timeout(PATIENCE, server.returned.recv()).await.unwrap(), Some("closed"));
}

#[tokio::test]
async fn a_server_that_stops_closes_its_sockets_and_waits_for_them() {
    let server = start(Limits::default()).await;
    let (mut socket, mut deaf) = (server.connect("/").await, server.connect("/deaf").await);
    socket.send(Frame::text("tea")).await.unwrap();
    assert_eq!(next(&mut socket).await, Some(Frame::text("tea")));
    server.stop.send(()).unwrap();
    for socket in [&mut socket, &mut deaf] {
        assert_eq!(closing(socket).await, (CloseCode::Away, "the server stops".to_owned()));
    }
    assert!(!server.serving.is_finished(), "a handler that does not return has five seconds");
    timeout(PATIENCE, server.serving).await.expect("in time").unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_has_waited_for_long_enough_drops_its_sockets() {
    let server = start(Limits::default().shutdown_grace(Duration::from_millis(200))).await;
    let mut deaf = server.connect("/deaf").await;
    let since = Instant::now();
    server.stop.send(()).unwrap();
    timeout(PATIENCE, server.serving).await.expect("in time").unwrap().unwrap();
    assert!(since.elapsed() < Duration::from_secs(5), "not the time of a handler: {:?}", since.elapsed());
    while next(&mut deaf).await.is_some() {}
}

#[tokio::test]
async fn an_open_socket_is_an_open_connection() {
    let server = start(Limits::default().connections(1)).await;
    let mut socket = server.connect("/").await;
    let mut second = Box::pin(server.connect("/"));
    assert!(timeout(Duration::from_millis(300), &mut second).await.is_err(), "it waits for its turn");
    socket.close(None).await.unwrap();
    while next(&mut socket).await.is_some() {}
    let mut second = timeout(PATIENCE, second).await.expect("its turn");
    second.send(Frame::text("tea")).await.unwrap();
    assert_eq!(next(&mut second).await, Some(Frame::text("tea")));
}

#[tokio::test]
async fn a_request_for_a_page_is_told_that_there_is_none() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = start(Limits::default()).await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, client.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 ") && answer.contains("Upgrade: websocket"), "{answer}");
    assert_eq!(Message::from("tea").as_text(), Some("tea"));
}

#[tokio::test]
async fn what_waits_when_the_session_is_over_does_not_reach_the_handler() {
    let mut server = start(Limits::default()).await;
    let mut socket = server.connect("/busy").await;
    for word in ["one", "two", "three"] {
        socket.send(Frame::text(word)).await.unwrap();
    }
    // Once this is answered, the others wait for the handler.
    let ping = vec![7];
    socket.send(Frame::Ping(ping.clone().into())).await.unwrap();
    while next(&mut socket).await.expect("open") != Frame::Pong(ping.clone().into()) {}
    assert_eq!(timeout(PATIENCE, server.returned.recv()).await.unwrap(), Some("one"));
    server.over.notify_one();
    assert_eq!(timeout(PATIENCE, server.returned.recv()).await.unwrap(), Some("no more"));
}

/// Otherwise the answers to its pings would pile up in memory.
#[tokio::test]
async fn a_client_that_reads_no_answers_to_its_pings_is_soon_not_heard() {
    /// 52 MB, several times what the system holds for a connection.
    const MOST: usize = 400_000;
    let server = start(Limits::default()).await;
    let mut socket = server.connect("/").await;
    let ping = Frame::Ping(vec![7; 125].into());
    for _ in 0..MOST {
        match timeout(Duration::from_secs(1), socket.send(ping.clone())).await {
            Ok(sent) => sent.unwrap(),
            Err(_waits) => return,
        }
    }
    panic!("{MOST} pings were taken");
}
