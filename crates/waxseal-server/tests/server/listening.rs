//! Listeners, and the queue before them.

use std::error::Error;

use hyper::service::service_fn;

use super::support::*;

/// Whoever does not get into the queue tries again after a second; these do not wait so long.
#[tokio::test]
async fn hundreds_of_connections_at_once_have_room_in_the_queue() {
    // Four times the usual queue, and within the usual limit of open files.
    const COUNT: usize = 600;
    let server = HttpServer::bind(([127, 0, 0, 1], 0)).await.unwrap();
    let shared = HttpServer::bind_shared(([127, 0, 0, 1], 0)).unwrap();
    for server in [server, shared] {
        let address = server.local_addr().unwrap();
        // Nobody accepts. A connection that the queue has no room for is not made.
        let connect = |_| {
            let socket = TcpSocket::new_v4().unwrap();
            tokio::time::timeout(PATIENCE / 20, socket.connect(address))
        };
        let made = futures_util::future::join_all((0..COUNT).map(connect)).await;
        let made: Vec<_> = made.into_iter().filter_map(Result::ok).filter_map(Result::ok).collect();
        assert_eq!(made.len(), COUNT);
    }
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let server = start(Limits::default()).await;
    let error = HttpServer::bind(server.address).await.unwrap_err();
    let expected = format!("{} is in use; stop what listens there or choose another port", server.address);
    assert_eq!(error.to_string(), expected);
    assert!(error.source().is_some());
}

#[tokio::test]
async fn a_listener_of_the_standard_library_is_served() {
    let server = HttpServer::from_std(std::net::TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(service_fn(answer), std::future::pending()));
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(rest(&mut client).await.ends_with("/a"));
}
