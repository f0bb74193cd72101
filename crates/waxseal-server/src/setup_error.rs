//! Errors of a server that cannot listen.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Says why a server cannot listen, and what to do about it.
///
/// Apart from [`Error`](crate::Error): it concerns the operator when a program starts, and no request has it for an
/// answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// An address on which another program, or this one, listens.
    #[error("{address} is in use; stop what listens there or choose another port")]
    AddressInUse {
        /// The address asked for.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// A port that the system reserves.
    #[error("no permission to listen on {address}; choose a port from 1024 up")]
    PermissionDenied {
        /// The address asked for.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// An address that is not this machine's, or anything else the system says.
    #[error("cannot listen on {address}; choose an address of this machine")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// A path at which another program, or this one, listens.
    #[error("another program listens at {}; stop it or choose another path", path.display())]
    PathInUse {
        /// The path asked for.
        path: PathBuf,
    },
    /// A path at which there is a file that is no socket.
    #[error("{} is there and no socket; choose another path", path.display())]
    PathTaken {
        /// The path asked for.
        path: PathBuf,
    },
    /// A path that the system refuses: its folder is missing, or may not be written to.
    #[error("cannot listen at {}; choose a path in a folder that is there and may be written to", path.display())]
    Path {
        /// The path asked for.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A listener that cannot be used.
    #[error("the listener cannot be used")]
    Listener(#[source] io::Error),
}

impl ListenError {
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
