//! Server-sent events over a socket.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::{StreamExt, stream};
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use waxseal_server::{Event, HttpServer, sse};

/// When a test gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Says one thing, and then nothing until it is dropped, which it tells.
struct OneWord {
    said: bool,
    _dropped: oneshot::Sender<()>,
}

impl Stream for OneWord {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Event>> {
        if std::mem::replace(&mut self.said, true) {
            Poll::Pending
        } else {
            Poll::Ready(Some(Event::new("tea")))
        }
    }
}

#[tokio::test]
async fn an_event_leaves_at_once_and_a_visitor_who_left_ends_the_stream() {
    let (dropped, gone) = oneshot::channel();
    let word = Mutex::new(Some(OneWord { said: false, _dropped: dropped }));
    let answer = service_fn(move |_| {
        let word = word.lock().unwrap().take().expect("one request is sent");
        async { Ok::<_, Infallible>(sse(word)) }
    });
    let server = HttpServer::bind(([127, 0, 0, 1], 0)).await.unwrap();
    let address = server.local_addr().unwrap();
    tokio::spawn(async move { server.serve(std::sync::Arc::new(answer), std::future::pending()).await });

    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut read = String::new();
    let event = async {
        while !read.contains("data: tea\n\n") {
            let mut piece = [0; 1024];
            let length = socket.read(&mut piece).await.unwrap();
            read.push_str(std::str::from_utf8(&piece[..length]).unwrap());
        }
    };
    tokio::time::timeout(PATIENCE, event).await.expect("the event comes although the answer goes on");
    drop(socket);
    let ended = tokio::time::timeout(PATIENCE, gone).await.expect("the stream is dropped");
    assert!(ended.is_err(), "nothing was sent, the other end is gone");
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams_and_does_not_wait_for_them() {
    let answer = service_fn(async |_| {
        Ok::<_, Infallible>(sse(stream::iter([Event::new("tea")]).chain(stream::pending())))
    });
    let server = HttpServer::bind(([127, 0, 0, 1], 0)).await.unwrap();
    let address = server.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(answer, async { drop(stopped.await) }));

    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut read = String::new();
    while !read.contains("data: tea\n\n") {
        let mut piece = [0; 1024];
        let length = tokio::time::timeout(PATIENCE, socket.read(&mut piece)).await.expect("in time").unwrap();
        read.push_str(std::str::from_utf8(&piece[..length]).unwrap());
    }
    stop.send(()).unwrap();
    let rest = tokio::time::timeout(PATIENCE, socket.read_to_string(&mut read)).await;
    rest.expect("the grace is longer").unwrap();
    assert!(read.ends_with("\r\n0\r\n\r\n"), "an end, and not a cut: {read}");
    tokio::time::timeout(PATIENCE, serving).await.expect("in time").unwrap().unwrap();
}
