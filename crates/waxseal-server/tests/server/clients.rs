//! Clients that are slow or silent, or send on.

use super::support::*;

#[tokio::test]
async fn a_silent_or_slow_client_is_closed_after_the_head_time() {
    let server = start(Limits::default().first_byte_time(SHORT).head_time(SHORT)).await;
    for (case, start) in [("silent", &b""[..]), ("amid the head", b"GET / HTTP/1.1\r\nhost: ")] {
        let started = Instant::now();
        assert_eq!(server.exchange(start).await, "", "{case}");
        assert!(started.elapsed() >= SHORT, "{case}: after {:?}", started.elapsed());
    }

    // A byte now and then does not buy more time.
    let mut client = server.connect().await;
    let started = Instant::now();
    while client.write_all(b"x").await.is_ok() {
        assert!(started.elapsed() < PATIENCE);
        tokio::time::sleep(SHORT / 5).await;
    }
    assert!(started.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_connection_kept_alive_is_closed_when_idle_for_its_time() {
    /// So long that the pauses below end in time on a machine that is busy.
    const KEPT: Duration = Duration::from_secs(4);
    let short = Limits::default().first_byte_time(SHORT).head_time(SHORT);
    let server = start(short.keep_alive_time(KEPT)).await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        until(&mut client, "/a").await;
        tokio::time::sleep(2 * SHORT).await;
    }
    let asked = Instant::now();
    client.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    until(&mut client, "/a").await;
    assert_eq!(rest(&mut client).await, "");
    assert!(asked.elapsed() >= KEPT, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn the_head_time_does_not_run_while_a_request_is_handled() {
    let server = start(Limits::default().head_time(SHORT).keep_alive_time(SHORT)).await;
    let answer = server.exchange("GET /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.ends_with("slow"), "{answer}");
}

#[tokio::test]
async fn a_head_on_a_connection_kept_alive_has_the_head_time_and_not_that_of_silence() {
    let limits = Limits::default().first_byte_time(10 * PATIENCE).head_time(SHORT);
    let server = start(limits.keep_alive_time(10 * PATIENCE)).await;
    let mut client = server.connect().await;
    client.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    until(&mut client, "/a").await;
    tokio::time::sleep(2 * SHORT).await;
    let begun = Instant::now();
    client.write_all(b"GET /b HTTP/1.1\r\nhost:").await.unwrap();
    assert_eq!(rest(&mut client).await, "");
    assert!(begun.elapsed() >= SHORT, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_address_over_its_limit_is_closed_and_others_are_served() {
    let server = start(Limits::default().connections_per_address(2)).await;
    let request = b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut client = server.connect().await;
        client.write_all(request).await.unwrap();
        until(&mut client, "/a").await;
        open.push(client);
    }
    let mut third = server.connect().await;
    assert!(third.read_u8().await.is_err(), "closed, reset or not");

    let other = TcpSocket::new_v4().unwrap();
    other.bind(([127, 0, 0, 2], 0).into()).unwrap();
    let mut other = other.connect(server.address).await.unwrap();
    other.write_all(request).await.unwrap();
    until(&mut other, "/a").await;

    drop(open.pop());
    let start = Instant::now();
    loop {
        let mut again = server.connect().await;
        // The server may not have heard yet that the other has left.
        if again.write_all(request).await.is_ok() && again.read_u8().await.is_ok() {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "no room for the one that left");
        tokio::time::sleep(SHORT / 10).await;
    }
}

#[tokio::test]
async fn over_the_limit_connections_wait_for_a_place() {
    let server = start(Limits::default().connections(1)).await;
    let mut first = server.connect().await;
    first.write_all(b"GET /first HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    until(&mut first, "/first").await;

    let mut second = server.connect().await;
    second.write_all(b"GET /second HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let early = tokio::time::timeout(SHORT, second.read_u8()).await;
    assert!(early.is_err(), "answered while the first was open");
    drop(first);
    until(&mut second, "/second").await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_gives_up_its_place() {
    let server = start(Limits::default().connections(1).answer_idle(SHORT)).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /huge HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let answer = server.exchange("GET /next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.ends_with("/next"), "{answer}");
}

/// A client whose system takes 64 KB at most before it is read.
async fn narrow(server: &Running) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(32 * 1024).unwrap();
    let mut client = socket.connect(server.address).await.unwrap();
    client.write_all(b"GET /huge HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    client
}

/// Reads 16 KB now and then, a megabyte a second: too slow for the megabytes that the system would hold back. Returns the
/// number of bytes and the longest pause.
async fn read_slowly(client: &mut TcpStream, times: usize) -> (usize, Duration) {
    let (mut bytes, mut read, mut longest) = ([0; 16 * 1024], 0, Duration::ZERO);
    for _ in 0..times {
        let since = Instant::now();
        read += client.read(&mut bytes).await.unwrap();
        tokio::time::sleep(SHORT / 10).await;
        longest = longest.max(since.elapsed());
    }
    (read, longest)
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_all() {
    let server = start(Limits::default().answer_idle(2 * SHORT)).await;
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 67108864\r\n";
    for attempt in 1.. {
        let mut client = narrow(&server).await;
        let (slowly, longest) = read_slowly(&mut client, 100).await;
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        let read = slowly + rest.len();
        if read > 64 * 1024 * 1024 + head.len() {
            break;
        }
        // A client that stood still itself, on a machine that is busy, may be given up.
        assert!(longest > SHORT / 2 && attempt < 5, "{read} bytes, {longest:?}, attempt {attempt}");
    }
}

#[tokio::test]
async fn a_client_that_stops_reading_half_way_gives_up_its_place() {
    let server = start(Limits::default().connections(1).answer_idle(SHORT / 3)).await;
    let mut client = narrow(&server).await;
    read_slowly(&mut client, 20).await;
    let answer = server.exchange("GET /next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.ends_with("/next"), "{answer}");
    let mut rest = Vec::new();
    let ended = client.read_to_end(&mut rest).await;
    assert!(ended.is_err() || rest.len() < 32 * 1024 * 1024, "{} more bytes came", rest.len());
}

#[tokio::test]
async fn a_client_that_still_sends_sees_why_it_was_refused() {
    let server = start(Limits::default()).await;
    let bytes = 8 * 1024 * 1024;
    let head = format!("POST /refuse HTTP/1.1\r\nhost: a\r\ncontent-length: {bytes}\r\n\r\n");
    let answer = server.exchange([head.into_bytes(), vec![b'x'; bytes]].concat()).await;
    assert!(status(&answer) == "413" && answer.ends_with("too large"), "{answer}");
}

#[tokio::test]
async fn a_panic_ends_its_connection_and_no_other() {
    let server = start(Limits::default().connections(1)).await;
    assert_eq!(server.exchange("GET /panic HTTP/1.1\r\nhost: a\r\n\r\n").await, "");
    let answer = server.exchange("GET /next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.ends_with("/next"), "{answer}");
}
