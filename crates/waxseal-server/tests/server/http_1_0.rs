//! HTTP/1.0, which nginx speaks to an upstream unless it is told otherwise.

use super::support::*;

#[tokio::test]
async fn an_answer_of_unknown_length_ends_with_the_connection_and_has_no_chunks() {
    let server = start(Limits::default()).await;
    for more in ["", "connection: close\r\n", "connection: keep-alive\r\n"] {
        let answer = server.exchange(format!("GET /stream HTTP/1.0\r\nhost: a\r\n{more}\r\n")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 200"), "{head}");
        assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "{head}");
        assert!(!head.to_ascii_lowercase().contains("content-length"), "{head}");
        assert!(!head.to_ascii_lowercase().contains("keep-alive"), "{head}");
        assert_eq!(body, "abracadabra", "{more}");
    }
    let chunked = server.exchange("GET /stream HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(chunked.ends_with("4\r\nabra\r\n7\r\ncadabra\r\n0\r\n\r\n"), "{chunked}");
}

#[tokio::test]
async fn a_connection_is_kept_if_the_client_asks_and_the_length_is_known() {
    let server = start(Limits::default()).await;
    let answer = server.exchange("GET /a HTTP/1.0\r\nhost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("\r\n\r\n/a"), "{answer}");

    let mut client = server.connect().await;
    for path in ["/a", "/b"] {
        let request = format!("GET {path} HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let answer = until(&mut client, path).await;
        assert!(
            answer.contains("connection: keep-alive") && answer.contains("content-length: 2"),
            "{answer}"
        );
    }
    let last = "POST /echo HTTP/1.0\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello";
    client.write_all(last.as_bytes()).await.unwrap();
    assert!(rest(&mut client).await.ends_with("\r\n\r\nhello"));
}

#[tokio::test]
async fn the_last_answer_of_a_server_says_so_and_nothing_else() {
    let server = start(Limits::default()).await;
    let (mut silent, mut client) = (server.connect().await, server.connect().await);
    client.write_all(b"GET /held HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n").await.unwrap();
    tokio::time::sleep(SHORT).await;
    server.stop.send(()).unwrap();
    assert_eq!(rest(&mut silent).await, "", "the server is stopping");
    server.release.notify_one();
    let answer = rest(&mut client).await;
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("/held"), "{answer}");
    assert!(!answer.contains("keep-alive"), "{answer}");
}
