//! A server that is told to stop, or dropped.

use super::support::*;

#[tokio::test]
async fn shutdown_finishes_requests_in_flight_and_closes_all_else() {
    let server = start_at([127, 0, 0, 3], Limits::default()).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    until(&mut idle, "/a").await;
    let mut silent = server.connect().await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /held HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(SHORT).await;

    server.stop.send(()).unwrap();
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(rest(&mut silent).await, "");
    assert!(TcpStream::connect(server.address).await.is_err(), "the port is closed");
    server.release.notify_one();
    let answer = rest(&mut busy).await;
    assert!(answer.contains("connection: close") && answer.ends_with("/held"), "{answer}");
    drop((idle, silent, busy));
    tokio::time::timeout(PATIENCE, server.serving).await.expect("in time").unwrap().unwrap();
}

#[tokio::test]
async fn during_the_delay_answers_close_their_connections_and_idle_ones_stay_until_its_end() {
    const DELAY: Duration = Duration::from_millis(600);
    let server = start_at([127, 0, 0, 6], Limits::default().shutdown_delay(DELAY)).await;
    let request = "GET /a HTTP/1.1\r\nhost: a\r\n\r\n";
    let [mut idle, mut asking] = [server.connect().await, server.connect().await];
    for client in [&mut idle, &mut asking] {
        client.write_all(request.as_bytes()).await.unwrap();
        until(client, "/a").await;
    }
    let stopping = Instant::now();
    server.stop.send(()).unwrap();
    let mut new = TcpStream::connect(server.address).await.unwrap();
    for client in [&mut asking, &mut new] {
        client.write_all(request.as_bytes()).await.unwrap();
        let answer = rest(client).await;
        assert!(answer.contains("connection: close") && answer.ends_with("/a"), "{answer}");
    }
    assert_eq!(rest(&mut idle).await, "");
    assert!(stopping.elapsed() >= DELAY, "{:?}", stopping.elapsed());
    assert!(TcpStream::connect(server.address).await.is_err(), "the port is closed");
    tokio::time::timeout(PATIENCE, server.serving).await.expect("in time").unwrap().unwrap();
}

/// Clients on a thread of their own: what they sent lies in the system when the server is told to stop.
async fn clients(address: SocketAddr, count: usize, request: &'static str) -> Vec<std::net::TcpStream> {
    let connect = move |_| {
        let mut client = std::net::TcpStream::connect(address).unwrap();
        std::io::Write::write_all(&mut client, request.as_bytes()).unwrap();
        client
    };
    (0..count).map(connect).collect()
}

async fn answers(clients: Vec<std::net::TcpStream>) -> Vec<String> {
    let mut all = Vec::new();
    for client in clients {
        client.set_nonblocking(true).unwrap();
        all.push(rest(&mut TcpStream::from_std(client).unwrap()).await);
    }
    all
}

#[tokio::test]
async fn shutdown_answers_what_waits_to_be_accepted() {
    for connections in [10_000, 3] {
        let server = start_at([127, 0, 0, 4], Limits::default().connections(connections)).await;
        // Nothing is accepted before the first await of this test, and nothing after the order to stop.
        let waiting = clients(server.address, 50, "GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await;
        server.stop.send(()).unwrap();
        for answer in answers(waiting).await {
            assert!(answer.contains("connection: close") && answer.ends_with("/a"), "{answer}");
        }
        tokio::time::timeout(PATIENCE, server.serving).await.expect("in time").unwrap().unwrap();
        assert!(TcpStream::connect(server.address).await.is_err(), "the port is closed");
    }
}

#[tokio::test]
async fn shutdown_answers_requests_that_connections_have_received() {
    let server = start(Limits::default()).await;
    let request = "GET /a HTTP/1.1\r\nhost: a\r\n\r\n";
    // New connections, and one that had an answer before.
    let mut fresh = clients(server.address, 50, "").await;
    let mut kept = server.connect().await;
    kept.write_all(request.as_bytes()).await.unwrap();
    until(&mut kept, "/a").await;
    tokio::time::sleep(SHORT).await;
    for client in &mut fresh {
        std::io::Write::write_all(client, request.as_bytes()).unwrap();
    }
    let _ = kept.try_write(request.as_bytes()).unwrap();
    server.stop.send(()).unwrap();
    for answer in answers(fresh).await.into_iter().chain([rest(&mut kept).await]) {
        assert!(answer.contains("connection: close") && answer.ends_with("/a"), "{answer}");
    }
    tokio::time::timeout(PATIENCE, server.serving).await.expect("in time").unwrap().unwrap();
}

#[tokio::test]
async fn shutdown_ends_though_clients_come_all_the_time() {
    let server = start_at([127, 0, 0, 5], Limits::default()).await;
    let coming = tokio::spawn(async move {
        while let Ok(mut client) = TcpStream::connect(server.address).await {
            let _ = client.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
            let _ = client.read_u8().await;
        }
    });
    tokio::time::sleep(SHORT).await;
    server.stop.send(()).unwrap();
    tokio::time::timeout(PATIENCE, server.serving).await.expect("in time").unwrap().unwrap();
    tokio::time::timeout(PATIENCE, coming).await.expect("the port is closed").unwrap();
}

#[tokio::test]
async fn shutdown_drops_what_does_not_finish_within_the_grace() {
    let server = start(Limits::default().shutdown_grace(SHORT)).await;
    let mut stuck = server.connect().await;
    stuck.write_all(b"GET /stuck HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(SHORT).await;

    let stopping = Instant::now();
    server.stop.send(()).unwrap();
    tokio::time::timeout(PATIENCE, server.serving).await.expect("in time").unwrap().unwrap();
    assert!(stopping.elapsed() >= SHORT);
    assert_eq!(rest(&mut stuck).await, "");
}

#[tokio::test]
async fn dropping_the_server_closes_everything() {
    let server = start(Limits::default()).await;
    let mut stuck = server.connect().await;
    stuck.write_all(b"GET /stuck HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(SHORT).await;
    server.serving.abort();
    assert_eq!(rest(&mut stuck).await, "");
}
