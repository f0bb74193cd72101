//! Responses whose heads are as large as an app's largest, behind a proxy: a session cookie may have 4,096 bytes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use store_tests::front::Kind;

use super::client::get;
use super::{Plan, Ports, SERVERS, free_port, proxy};

/// The bytes of a cookie that every browser keeps, its attributes included.
const COOKIE_BYTES: usize = 4096;

/// Asserts that such a response arrives as it was sent.
pub(crate) fn arrive(kind: Kind) {
    let ports = Ports { app: free_port(), health: free_port() };
    for [_, address] in SERVERS {
        for port in [ports.app, ports.health] {
            let listener = TcpListener::bind((address.parse::<Ipv4Addr>().unwrap(), port)).unwrap();
            std::thread::spawn(move || listener.incoming().flatten().for_each(answer));
        }
    }
    let (_front, client) = proxy(Plan { kind, store: None, root: "", more: &[] }, ports);
    client.wait_until_served("");
    let answer = client.ask(&get("/", "")).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert!(answer.head.contains(&cookie()), "{}", answer.head);
}

fn cookie() -> String {
    let (name, attributes) = ("__Host-session=", "; Path=/; Secure; HttpOnly; SameSite=Lax");
    format!("{name}{}{attributes}", "a".repeat(COOKIE_BYTES - name.len() - attributes.len()))
}

/// Answers one request, with the head of an app's page.
fn answer(mut stream: TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.extend(byte),
            _ => return,
        }
    }
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\nx-request-id: 0f1e2d3c4b5a69788796a5b4c3d2e1f0\r\n\
         vary: Cookie\r\ncache-control: private, no-cache=\"Set-Cookie\"\r\nset-cookie: {}\r\nx-content-type-options: \
         nosniff\r\nreferrer-policy: strict-origin-when-cross-origin\r\nx-frame-options: SAMEORIGIN\r\n\
         content-security-policy: default-src 'self'; form-action 'self'; frame-ancestors 'self'; base-uri 'none'; object-src \
         'none'\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
        cookie()
    );
}
