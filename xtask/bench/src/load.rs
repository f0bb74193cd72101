//! The load: many kept-alive connections from one thread, each with one request on its way.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::client;
use crate::work::Requests;

/// Longer than any answer measured.
const BUFFER_BYTES: usize = 8 * 1024;
/// No server is waited for longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Open connections to a server.
pub(crate) struct Load {
    poll: Poll,
    connections: Vec<Connection>,
}

struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
    /// The number of the request that is on its way.
    request: usize,
    sent: Instant,
}

/// How a run went.
pub(crate) struct Timing {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    /// Nanoseconds each answer took, sorted.
    latencies: Vec<u64>,
}

impl Load {
    /// Opens this many connections.
    pub(crate) fn connect(address: SocketAddr, connections: usize) -> Result<Self> {
        let poll = Poll::new()?;
        let connect = |token| -> Result<Connection> {
            // The system drops connections that a server has no time to accept.
            if token % 100 == 99 {
                std::thread::sleep(Duration::from_millis(10));
            }
            let stream = std::net::TcpStream::connect(address)?;
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(token), Interest::READABLE)?;
            Ok(Connection { stream, answer: Vec::new(), request: 0, sent: Instant::now() })
        };
        let connections = (0..connections).map(connect).collect::<Result<_>>()?;
        Ok(Self { poll, connections })
    }

    /// Sends the `requests` in turn, again and again, until `count` are answered or the time is over, and expects their
    /// status of each. Whoever is sent a new cookie sends it from then on.
    pub(crate) fn run(&mut self, requests: &mut Requests, count: u64, limit: Duration) -> Result<Timing> {
        let start = Instant::now();
        let mut latencies = Vec::with_capacity(usize::try_from(count)?);
        let mut sent = 0;
        let mut numbers = (0..requests.all.len()).cycle();
        let mut next = || numbers.next().context("no request to send");
        for connection in self.connections.iter_mut().take(usize::try_from(count)?) {
            connection.send(requests, next()?)?;
            sent += 1;
        }
        let mut events = Events::with_capacity(1024);
        while (latencies.len() as u64) < sent {
            self.poll.poll(&mut events, Some(PATIENCE))?;
            ensure!(!events.is_empty(), "the server fell silent");
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                if !connection.receive()? {
                    continue;
                }
                latencies.push(u64::try_from(connection.sent.elapsed().as_nanos())?);
                let (found, expected) = (client::status(&connection.answer)?, requests.status);
                ensure!(found == expected, "an answer of {found} where {expected} was expected");
                if let Some(cookie) = client::cookie(&connection.answer) {
                    requests.keep_cookie(connection.request, cookie);
                }
                connection.answer.clear();
                if sent < count && start.elapsed() < limit {
                    connection.send(requests, next()?)?;
                    sent += 1;
                }
            }
        }
        latencies.sort_unstable();
        Ok(Timing { requests: sent, seconds: start.elapsed().as_secs_f64(), latencies })
    }
}

impl Connection {
    fn send(&mut self, requests: &Requests, number: usize) -> Result<()> {
        let request = &requests.all[number];
        (self.request, self.sent) = (number, Instant::now());
        let written = self.stream.write(request)?;
        // An empty socket takes far more than a request.
        ensure!(written == request.len(), "the system took only a part of a request");
        Ok(())
    }

    /// Whether the whole answer has come.
    fn receive(&mut self) -> Result<bool> {
        let mut chunk = [0; BUFFER_BYTES];
        match self.stream.read(&mut chunk) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(read) => self.answer.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error).context("a connection failed"),
        }
        let Some(length) = client::whole(&self.answer)? else {
            // The poll tells of new bytes only; the part read here may not have been all there was.
            return self.receive();
        };
        ensure!(length == self.answer.len(), "more than one answer to a request");
        Ok(true)
    }
}

impl Timing {
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    /// Microseconds within which this share of the answers came.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let last = self.latencies.len() - 1;
        self.latencies[(last as f64 * share) as usize] as f64 / 1000.0
    }
}
