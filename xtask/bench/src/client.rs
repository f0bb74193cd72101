//! One request and its answer, for checks. The load has its own, faster way.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `name=value` of the cookie it sets.
    pub(crate) cookie: Option<String>,
    pub(crate) body: String,
}

/// Sends `request` over a connection of its own.
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(request)?;
    let mut bytes = Vec::new();
    let length = loop {
        if let Some(length) = whole(&bytes)? {
            break length;
        }
        let mut chunk = [0; 16 * 1024];
        match stream.read(&mut chunk)? {
            0 => bail!("the server closed the connection amid an answer"),
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    };
    let text = String::from_utf8_lossy(&bytes[..length]);
    let (_, body) = text.split_once("\r\n\r\n").expect("a whole answer has a head");
    let cookie = cookie(&bytes).map(str::to_owned);
    Ok(Answer { status: status(&bytes)?, cookie, body: body.to_owned() })
}

/// The cookie that the answer sets, as the browser sends it.
pub(crate) fn cookie(answer: &[u8]) -> Option<&str> {
    let head = find(answer, b"\r\n\r\n")?;
    let head = str::from_utf8(&answer[..head]).ok()?;
    head.lines().find_map(|line| field(line, "set-cookie"))?.split(';').next()
}

/// The length of the answer at the start of `bytes`, if it has all come.
pub(crate) fn whole(bytes: &[u8]) -> Result<Option<usize>> {
    let Some(head) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let text = str::from_utf8(&bytes[..head]).context("a head that is not text")?;
    let body = text.lines().find_map(|line| field(line, "content-length"));
    let body: usize = body.map_or(Ok(0), str::parse).context("a content-length that is no number")?;
    let length = head + 4 + body;
    Ok((bytes.len() >= length).then_some(length))
}

/// The status of the answer at the start of `bytes`.
pub(crate) fn status(bytes: &[u8]) -> Result<u16> {
    let status = bytes.get(9..12).and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
    status.context("an answer without a status")
}

/// Where `wanted` begins.
pub(crate) fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (found, value) = line.split_once(':')?;
    found.eq_ignore_ascii_case(name).then(|| value.trim())
}
