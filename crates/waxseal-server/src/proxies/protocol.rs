//! The PROXY protocol, version 2: the client's address, before the first byte of HTTP.
//!
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, section 2.2.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The most bytes after the fixed part: addresses, and what a proxy adds to them. No proxy is known to send more.
const MAX_BYTES: usize = 4096;
/// Version 2, of the proxy's own connection.
const LOCAL: u8 = 0x20;
/// Version 2, of a client's connection.
const PROXY: u8 = 0x21;
const TCP_V4: u8 = 0x11;
const TCP_V6: u8 = 0x21;

/// Reads the header and returns the client's address. `None` if the connection is the proxy's own, or does not use IP.
///
/// # Errors
///
/// `InvalidData` if it is not such a header, and the errors of the stream.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut fixed = [0; 16];
    stream.read_exact(&mut fixed).await?;
    let [signature @ .., command, family, high, low] = fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if signature != *SIGNATURE || !matches!(command, LOCAL | PROXY) || length > MAX_BYTES {
        return Err(malformed());
    }
    let mut addresses = vec![0; length];
    stream.read_exact(&mut addresses).await?;
    if command == LOCAL {
        return Ok(None);
    }
    match family {
        TCP_V4 => source::<4>(&addresses, |bytes| Ipv4Addr::from(bytes).into()).map(Some),
        TCP_V6 => source::<16>(&addresses, |bytes| Ipv6Addr::from(bytes).into()).map(Some),
        _ => Ok(None),
    }
}

/// The source, out of both addresses and both ports.
fn source<const N: usize>(bytes: &[u8], ip: impl Fn([u8; N]) -> std::net::IpAddr) -> io::Result<SocketAddr> {
    let address = bytes.first_chunk::<N>().ok_or_else(malformed)?;
    let port = bytes.get(2 * N..2 * N + 4).and_then(<[u8]>::first_chunk::<2>).ok_or_else(malformed)?;
    Ok(SocketAddr::new(ip(*address), u16::from_be_bytes(*port)))
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no header of the PROXY protocol, version 2")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    async fn told(bytes: &[u8]) -> Result<(String, usize), io::ErrorKind> {
        let mut stream = bytes;
        let address = read(&mut stream).await.map_err(|error| error.kind())?;
        Ok((address.map_or("nobody".to_owned(), |address| address.to_string()), stream.len()))
    }

    #[tokio::test]
    async fn the_source_is_read_and_not_one_byte_more() {
        let v4 = [192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x34, 0, 80];
        let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1], &[0; 16], &[0, 80, 0, 80]].concat();
        for (case, bytes, expected) in [
            ("IPv4", header(PROXY, TCP_V4, &v4), "192.0.2.1:4660"),
            ("IPv6", header(PROXY, TCP_V6, &v6), "[2001:db8::1]:80"),
            (
                "with more behind the addresses",
                header(PROXY, TCP_V4, &[&v4[..], &[3, 0, 1, 7]].concat()),
                "192.0.2.1:4660",
            ),
            ("its own", header(LOCAL, 0, &[]), "nobody"),
            ("its own, with an address", header(LOCAL, TCP_V4, &v4), "nobody"),
            ("of no IP address", header(PROXY, 0x31, &[0; 216]), "nobody"),
        ] {
            let found = told(&[&bytes[..], b"GET"].concat()).await;
            assert_eq!(found, Ok((expected.to_owned(), 3)), "{case}");
        }
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        use io::ErrorKind::{InvalidData, UnexpectedEof};
        let v4 = [192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x34, 0, 80];
        for (case, bytes, expected) in [
            ("HTTP", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(), InvalidData),
            ("version 1", b"PROXY TCP4 192.0.2.1 10.0.0.1 4660 80\r\n".to_vec(), InvalidData),
            ("another version", header(0x11, TCP_V4, &v4), InvalidData),
            ("another command", header(0x22, TCP_V4, &v4), InvalidData),
            ("addresses cut short", header(PROXY, TCP_V4, &v4[..11]), InvalidData),
            ("too long", header(PROXY, TCP_V4, &[0; MAX_BYTES + 1]), InvalidData),
            ("nothing", Vec::new(), UnexpectedEof),
            ("half", header(PROXY, TCP_V4, &v4)[..20].to_vec(), UnexpectedEof),
        ] {
            assert_eq!(told(&bytes).await, Err(expected), "{case}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(rest in proptest::collection::vec(any::<u8>(), 0..80)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _ = runtime.block_on(told(&[&SIGNATURE[..], &rest].concat()));
            let _ = runtime.block_on(told(&rest));
        }
    }
}
