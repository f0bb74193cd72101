//! The address or socket at which an app listens.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The address or socket at which an app listens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Endpoint {
    /// A TCP address. If port 0 was asked for, it has the port that the system chose.
    Tcp(SocketAddr),
    /// A TCP address, over TLS.
    Tls(SocketAddr),
    /// A Unix socket, with its path. The path is `None` if systemd handed the socket over.
    Unix(Option<PathBuf>),
}

/// `http://127.0.0.1:5000`, or `unix:/run/app.sock`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Tls(address) => write!(f, "https://{address}"),
            Self::Unix(Some(path)) => write!(f, "unix:{}", path.display()),
            Self::Unix(None) => f.write_str("unix: (handed over)"),
        }
    }
}
