//! Clients of a proxy over TLS, which can send any bytes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// The time after which a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The clients' address, which is not that of a trusted proxy.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

/// The address that clients connect to, and the certificate that they trust.
#[derive(Clone)]
pub(crate) struct Client {
    proxy: SocketAddr,
    config: Arc<ClientConfig>,
}

/// A connection to the proxy.
pub(crate) struct Connection {
    stream: StreamOwned<ClientConnection, TcpStream>,
    read: Vec<u8>,
}

/// A complete response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Client {
    pub(crate) fn new(port: u16, certificate: CertificateDer<'static>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { proxy: (Ipv4Addr::LOCALHOST, port).into(), config: Arc::new(config) }
    }

    pub(crate) fn connect(&self) -> io::Result<Connection> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.bind((ADDRESS, 0).into())?;
            socket.connect(self.proxy).await?.into_std()
        })?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("wizard.example").expect("a name");
        let tls = ClientConnection::new(self.config.clone(), name).map_err(io::Error::other)?;
        Ok(Connection { stream: StreamOwned::new(tls, stream), read: Vec::new() })
    }

    /// Sends one request on a new connection.
    pub(crate) fn ask(&self, request: &str) -> io::Result<Answer> {
        self.connect()?.ask(request)
    }

    /// Waits until the proxy has found its servers.
    pub(crate) fn wait_until_served(&self, root: &str) {
        let start = Instant::now();
        while self.ask(&get(&format!("{root}/"), "")).map(|answer| answer.status).ok() != Some(200) {
            assert!(start.elapsed() < PATIENCE, "the proxy finds no server");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A GET request, with `more` lines for its head.
pub(crate) fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: wizard.example\r\n{more}\r\n")
}

pub(crate) fn post(path: &str, more: &str, form: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: wizard.example\r\nOrigin: https://wizard.example\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n{more}\r\n{form}",
        form.len()
    )
}

impl Connection {
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Sends one request and reads its response.
    pub(crate) fn ask(&mut self, request: &str) -> io::Result<Answer> {
        self.send(request.as_bytes())?;
        self.answer()
    }

    /// Reads the next response.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        loop {
            if let Some((answer, length)) = Answer::first(&self.read, false) {
                self.read.drain(..length);
                return Ok(answer);
            }
            if !self.read_more()? {
                let rest = String::from_utf8_lossy(&self.read).into_owned();
                return Err(io::Error::new(ErrorKind::UnexpectedEof, format!("closed after {rest:?}")));
            }
        }
    }

    /// Reads all responses, until the connection is closed or nothing more arrives for the time that `wait` says for the
    /// statuses so far.
    pub(crate) fn all_answers(mut self, wait: impl Fn(&[u16]) -> Duration) -> Vec<Answer> {
        let mut answers: Vec<Answer> = Vec::new();
        loop {
            let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
            self.stream.sock.set_read_timeout(Some(wait(&statuses))).unwrap();
            let open = self.read_more().unwrap_or(false);
            while let Some((answer, length)) = Answer::first(&self.read, !open) {
                self.read.drain(..length);
                answers.push(answer);
            }
            if !open {
                return answers;
            }
        }
    }

    /// Reads the bytes that are there. Returns `false` at the end.
    fn read_more(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 16_384];
        match self.stream.read(&mut bytes) {
            Ok(read) => {
                self.read.extend_from_slice(&bytes[..read]);
                Ok(read > 0)
            }
            // Some servers close the connection without ending TLS.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Answer {
    /// The first response in these bytes, and its length. `None` if it is incomplete, unless no more bytes will come.
    fn first(bytes: &[u8], ended: bool) -> Option<(Self, usize)> {
        let at = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..at]).ok()?;
        let rest = &bytes[at + 4..];
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let before = at + 4;
        if (100..200).contains(&status) {
            return Self::first(&bytes[before..], ended).map(|(answer, length)| (answer, before + length));
        }
        let field = |name: &str| field(head, name);
        let length = match (field("content-length"), field("transfer-encoding")) {
            _ if matches!(status, 204 | 304) => 0,
            (Some(length), _) => length.parse().unwrap(),
            (None, Some(_)) => {
                rest.windows(7).position(|end| end == b"\r\n0\r\n\r\n").map_or(usize::MAX, |at| at + 7)
            }
            (None, None) => usize::MAX,
        };
        if rest.len() < length && !ended {
            return None;
        }
        let body = &rest[..length.min(rest.len())];
        let answer = Self { status, head: head.to_owned(), body: String::from_utf8_lossy(body).into_owned() };
        Some((answer, before + body.len()))
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }

    /// The session's cookie, as the browser sends it back.
    pub(crate) fn cookie(&self) -> Option<&str> {
        self.field("set-cookie")?.split(';').next()
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}
