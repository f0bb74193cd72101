//! The other end of a connection.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each kind of socket is treated by callers")]
pub enum Peer {
    /// An address and a port.
    Address(SocketAddr),
    /// A program on this machine, at a Unix socket.
    Unix,
}

impl Peer {
    /// The IP address. An IPv4 address written as IPv6 (`::ffff:192.0.2.1`) is returned as IPv4. `None` for a Unix
    /// socket.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal_server::Peer;
    ///
    /// let peer = Peer::from(std::net::SocketAddr::new("::ffff:192.0.2.1".parse()?, 443));
    /// assert_eq!(peer.ip(), Some("192.0.2.1".parse()?));
    /// assert_eq!(Peer::Unix.ip(), None);
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address.ip().to_canonical()),
            Self::Unix => None,
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

/// The address and port, or `unix`.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}
