//! Heads, bodies and what is no HTTP.

use super::support::*;

fn head_of(bytes: usize) -> String {
    let start = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx: ";
    format!("{start}{}\r\n\r\n", "x".repeat(bytes - start.len() - 4))
}

#[tokio::test]
async fn a_head_over_the_limit_is_answered_431() {
    let server = start(Limits::default()).await;
    for (bytes, expected) in [(16_384, "200"), (16_385, "431"), (20_000, "431"), (1_000_000, "431")] {
        assert_eq!(status(&server.exchange(head_of(bytes)).await), expected, "{bytes} bytes");
    }
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(20_000));
    assert_eq!(status(&server.exchange(long).await), "431", "a long target");

    let small = start(Limits::default().head(1000)).await;
    for (bytes, expected) in [(1000, "200"), (1001, "431")] {
        assert_eq!(status(&small.exchange(head_of(bytes)).await), expected, "{bytes} of 1000 bytes");
    }
}

#[tokio::test]
async fn a_head_of_too_many_fields_is_answered_431() {
    let server = start(Limits::default()).await;
    for (fields, expected) in [(64, "200"), (65, "431")] {
        let others = "x: y\r\n".repeat(fields - 2);
        let head = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{others}\r\n");
        assert_eq!(status(&server.exchange(head).await), expected, "{fields} fields");
    }
}

#[tokio::test]
async fn what_is_no_http_is_answered_400() {
    let server = start(Limits::default()).await;
    for (case, bytes) in [
        ("noise", &b"\x00\x01\x02\r\n\r\n"[..]),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        ("no version", b"GET /\r\n\r\n"),
        ("another version", b"GET / HTTP/3.0\r\n\r\n"),
        ("a space before the colon", b"GET / HTTP/1.1\r\nhost : a\r\n\r\n"),
        ("a folded field", b"GET / HTTP/1.1\r\nhost: a\r\n b\r\n\r\n"),
        ("a control character", b"GET / HTTP/1.1\r\nhost: a\r\nx: \x01\r\n\r\n"),
        ("line feeds alone", b"GET / HTTP/1.1\nhost: a\n\n"),
        ("a line feed alone behind the target", b"GET / HTTP/1.1\nhost: a\r\n\r\n"),
        ("a line feed alone behind a field", b"GET / HTTP/1.1\r\nhost: a\nx: y\r\n\r\n"),
        ("a line feed alone at the end", b"GET / HTTP/1.1\r\nhost: a\r\n\n"),
        ("a line feed before the head", b"\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    ] {
        let next = b"GET /smuggled HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let answer = server.exchange([bytes, next].concat()).await;
        assert_eq!(status(&answer), "400", "{case}");
        assert!(!answer.contains("smuggled"), "{case}: {answer}");
    }
}

#[tokio::test]
async fn a_line_feed_alone_is_found_behind_other_requests_and_is_data_in_a_body() {
    let server = start(Limits::default()).await;
    let bare = "GET /bare HTTP/1.1\nhost: a\r\n\r\n";
    let post = |fields: &str, body: &str| format!("POST /echo HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n{body}");
    for (case, first, body) in [
        ("a page", "GET /first HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), "/first"),
        ("a body", post("content-length: 5", "a\n\nb\n"), "a\n\nb\n"),
        ("chunks", post("transfer-encoding: chunked", "5\r\na\n\nb\n\r\n0\r\n\r\n"), "a\n\nb\n"),
        (
            "chunks, written otherwise",
            post("transfer-encoding: Chunked", "01;x=y\r\n\n\r\n00\r\nx: y\r\n\r\n"),
            "\n",
        ),
    ] {
        let answers = server.exchange(format!("{first}{first}{bare}{first}")).await;
        let answers: Vec<_> = answers.split("HTTP/1.1 ").skip(1).collect();
        assert_eq!(answers.len(), 3, "{case}: {answers:?}");
        assert!(
            answers[..2].iter().all(|answer| answer.ends_with(&format!("\r\n\r\n{body}"))),
            "{case}: {answers:?}"
        );
        assert!(answers[2].starts_with("400"), "{case}: {answers:?}");

        let mut client = server.connect().await;
        for byte in format!("{first}{bare}").bytes() {
            client.write_all(&[byte]).await.unwrap();
        }
        let answers = rest(&mut client).await;
        assert!(
            answers.contains(&format!("\r\n\r\n{body}HTTP/1.1 400")),
            "{case}, byte by byte: {answers:?}"
        );
    }
}

#[tokio::test]
async fn a_body_has_one_length() {
    let server = start(Limits::default()).await;
    let post = |fields: &str, body: &str| {
        server.exchange(format!("POST /echo HTTP/1.1\r\nhost: a\r\n{fields}\r\n{body}"))
    };
    for (case, fields) in [
        ("two lengths", "content-length: 5\r\ncontent-length: 6\r\n"),
        ("a list of lengths", "content-length: 5, 6\r\n"),
        ("a sign", "content-length: +5\r\n"),
        ("negative", "content-length: -5\r\n"),
        ("no number", "content-length: five\r\n"),
        ("larger than any", "content-length: 99999999999999999999\r\n"),
        ("another encoding", "transfer-encoding: gzip\r\n"),
        ("chunked, but not last", "transfer-encoding: chunked, gzip\r\n"),
        ("another encoding in chunks", "transfer-encoding: gzip, chunked\r\n"),
        ("none, in chunks", "transfer-encoding: identity, chunked\r\n"),
        ("chunks of chunks", "transfer-encoding: chunked, chunked\r\n"),
        ("chunked twice", "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"),
        ("chunked and nothing", "transfer-encoding: chunked\r\ntransfer-encoding:\r\n"),
    ] {
        assert_eq!(
            status(&post(fields, "5\r\nhello\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n").await),
            "400",
            "{case}"
        );
    }
    let old = "POST /echo HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(status(&server.exchange(old).await), "400", "chunked in HTTP/1.0");
}

/// RFC 9112 §6.3: the chunks count, and the connection ends, so that no proxy which counted otherwise can have what
/// follows taken for another client's request.
#[tokio::test]
async fn chunks_override_a_length_and_nothing_after_them_is_a_request() {
    let server = start(Limits::default()).await;
    for fields in [
        "content-length: 3\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 3\r\n",
    ] {
        let request = format!("POST /echo HTTP/1.1\r\nhost: a\r\n{fields}\r\n5\r\nhello\r\n0\r\n\r\n");
        let answer = server.exchange(request + "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(status(&answer) == "200" && answer.ends_with("\r\n\r\nhello"), "{fields:?}: {answer}");
    }
}

#[tokio::test]
async fn every_limit_is_fine() {
    let request = "GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let (all, ever) = (usize::MAX, Duration::MAX);
    let none = Limits::default().head(all).head_fields(all).connections(u32::MAX);
    let none = none.first_byte_time(ever).head_time(ever).keep_alive_time(ever);
    let none = none.connections_per_address(u32::MAX).answer_idle(ever).shutdown_grace(ever);
    let server = start(none).await;
    assert!(server.exchange(request).await.ends_with("/a"));
    server.stop.send(()).unwrap();
    tokio::time::timeout(PATIENCE, server.serving).await.expect("in time").unwrap().unwrap();

    let nothing = Limits::default().head(0).head_fields(0).connections(0).shutdown_grace(Duration::ZERO);
    let server = start(nothing).await;
    assert_eq!(status(&server.exchange(request).await), "431");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = start(Limits::default()).await;
    let answers = server
        .exchange(
            "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n\
             POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello\
             GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        )
        .await;
    let bodies: Vec<&str> = answers.split("HTTP/1.1 200 OK\r\n").skip(1).collect();
    assert_eq!(bodies.len(), 3, "{answers}");
    for (answer, body) in bodies.iter().zip(["slow", "hello", "/last"]) {
        assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_answered_413_announced_or_not() {
    let server = start(Limits::default()).await;
    let post = |fields: &str, body: &str| {
        server.exchange(format!("POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{fields}\r\n{body}"))
    };
    assert_eq!(status(&post("content-length: 1025\r\n", "").await), "413");
    let chunk = format!("401\r\n{}\r\n", "x".repeat(1025));
    assert_eq!(status(&post("transfer-encoding: chunked\r\n", &chunk).await), "413");
    let fits = format!("400\r\n{}\r\n0\r\n\r\n", "x".repeat(1024));
    assert_eq!(status(&post("transfer-encoding: chunked\r\n", &fits).await), "200");
}
