//! The place at which an app listens.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The place at which an app listens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Endpoint {
    /// An address, with the port that the system chose for port 0.
    Tcp(SocketAddr),
    /// The same, over TLS.
    Tls(SocketAddr),
    /// A Unix socket; its path, unless the system handed the socket over.
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
