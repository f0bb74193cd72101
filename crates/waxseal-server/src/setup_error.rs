//! Errors of a server that cannot be set up.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use http::Method;

/// Why a server cannot be set up, and what to do about it. It concerns the listener, the certificate, the settings for
/// proxies, or the routes. It never shows anything of a key.
///
/// It is separate from [`Error`](crate::Error) because it concerns the operator when a program starts. No request is
/// answered with it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// Another program, or this one, already listens on the address.
    #[error("{address} is in use; stop what listens there or choose another port")]
    AddressInUse {
        /// The requested address.
        address: SocketAddr,
        /// The operating system's error.
        source: io::Error,
    },
    /// The system reserves the port.
    #[error("no permission to listen on {address}; choose a port from 1024 up")]
    PermissionDenied {
        /// The requested address.
        address: SocketAddr,
        /// The operating system's error.
        source: io::Error,
    },
    /// The address is not this machine's, or another error of the operating system.
    #[error("cannot listen on {address}; choose an address of this machine")]
    Bind {
        /// The requested address.
        address: SocketAddr,
        /// The operating system's error.
        source: io::Error,
    },
    /// Another program, or this one, already listens at the path.
    #[error("another program listens at {}; stop it or choose another path", path.display())]
    PathInUse {
        /// The requested path.
        path: PathBuf,
    },
    /// There is a file at the path that is not a socket.
    #[error("{} is there and no socket; choose another path", path.display())]
    PathTaken {
        /// The requested path.
        path: PathBuf,
    },
    /// The system refuses the path: its folder is missing or not writable.
    #[error("cannot listen at {}; choose a path in a folder that is there and may be written to", path.display())]
    Path {
        /// The requested path.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The listener cannot be used.
    #[error("the listener cannot be used")]
    Listener(#[source] io::Error),

    /// A file of certificates cannot be read, or contains none.
    #[error("{} cannot be read as certificates; it should hold them in PEM form, the server's own first", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What was found.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A key file cannot be read, or contains no key.
    #[error("{} cannot be read as a private key; it should hold one in PEM form", path.display())]
    CertificateKey {
        /// The file.
        path: PathBuf,
        /// What was found.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The certificate and the key do not belong together, or rustls does not accept them.
    #[error("the certificate {} and the key {} cannot be used together", certificate.display(), key.display())]
    CertificatePair {
        /// The certificates' file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What was found.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The text is neither an address, nor a network, nor `unix`.
    #[error("`{0}` is no address; write 192.0.2.1, 10.0.0.0/8, 2001:db8::/32 or unix")]
    ProxyAddress(String),
    /// A network has bits set after its prefix, so one of the two is a mistake.
    #[error("`{found}` has bits behind its prefix; write {meant}")]
    ProxyNetwork {
        /// The text.
        found: String,
        /// The network that contains the address.
        meant: String,
    },
    /// The text is not the name of a header that can be read.
    #[error("`{0}` names no header; write for, proto, host, prefix or forwarded")]
    ProxyHeader(String),
    /// Two of the headers contain the same information.
    #[error("`forwarded` says what for, proto and host say; choose the one that the proxy sets")]
    ProxyHeaders,
    /// Browsers or proxies could interpret the path differently.
    #[error("`{0}` is no plain path; write /app, in letters, digits, `-`, `.`, `_` and `~`")]
    RootPath(String),
    /// The method and path have a route already.
    #[error("{method} {path} has a route already; remove one of the two")]
    RouteDuplicate {
        /// The method given.
        method: Method,
        /// The path given.
        path: String,
    },
    /// The path matches the same requests as another path.
    #[error("{method} {path} matches what {with} does; give their parameters the same names")]
    RouteConflict {
        /// The method given.
        method: Method,
        /// The path given.
        path: String,
        /// The existing path.
        with: String,
    },
    /// No request can ever match the path.
    #[error("`{path}` is no path for a route: {problem}")]
    RoutePath {
        /// The path given.
        path: String,
        /// What to do about it.
        problem: &'static str,
    },
}

impl SetupError {
    #[cfg(unix)]
    pub(crate) fn at(path: &std::path::Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::PathInUse { path },
            io::ErrorKind::AlreadyExists => Self::PathTaken { path },
            _ => Self::Path { path, source },
        }
    }

    pub(crate) fn bind(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::AddressInUse { address, source },
            io::ErrorKind::PermissionDenied => Self::PermissionDenied { address, source },
            _ => Self::Bind { address, source },
        }
    }
}
