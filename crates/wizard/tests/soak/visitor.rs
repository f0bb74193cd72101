//! Visitors who sign in, look around, and leave without signing out.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// A connection on which one visitor comes after the other.
pub(crate) struct Visitor {
    stream: TcpStream,
    client: u32,
    requests: u64,
    cookie: String,
}

/// The number of requests of one visitor.
const STAY: u64 = 10;

impl Visitor {
    pub(crate) fn new(address: SocketAddr, client: u32) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, client, requests: 0, cookie: String::new() }
    }

    /// Sends the next request. Of each ten, one is a form that begins a session, one is a form that changes it, and
    /// eight only read.
    pub(crate) fn go_on(&mut self) {
        let at = self.requests % STAY;
        if at == 0 {
            self.cookie.clear();
        }
        let name = format!("Merlin{}x{}", self.client, self.requests / STAY);
        let is_form = at == 0 || at == 5;
        let request = if is_form { self.form(&name) } else { self.look() };
        let answer = ask(&mut self.stream, &request).unwrap();
        if is_form {
            assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
        } else {
            assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(&name), "{name}: {answer}");
        }
        let set = answer.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        if let Some(cookie) = set.and_then(|set| set.split(';').next()) {
            self.cookie = cookie.to_owned();
        }
        self.requests += 1;
    }

    fn look(&self) -> String {
        format!("GET /wizard/success HTTP/1.1\r\nHost: a.example\r\nCookie: {}\r\n\r\n", self.cookie)
    }

    fn form(&self, name: &str) -> String {
        let form = format!("name={name}&magic_school=Avalon");
        format!(
            "POST /wizard/create HTTP/1.1\r\nHost: a.example\r\nSec-Fetch-Site: same-origin\r\nCookie: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            self.cookie,
            form.len()
        )
    }
}

/// Sends a request on a connection that stays open, and returns the whole response.
pub(crate) fn ask(stream: &mut TcpStream, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Ok(text.into_owned());
            }
        }
        let mut bytes = [0; 16_384];
        let read = stream.read(&mut bytes)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&bytes[..read]);
    }
}
