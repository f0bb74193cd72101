//! Listening sockets, and connections accepted from them.

#[cfg(unix)]
use std::fs::File;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;
use std::time::Duration;

use metrics::Counter;
#[cfg(unix)]
use rustix::fs::{FlockOperation, flock};
#[cfg(unix)]
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpSocket};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixSocket, UnixStream};
#[cfg(unix)]
use tokio::time::Instant;

use crate::peer::Peer;
#[cfg(unix)]
use crate::transport::SocketFile;
use crate::transport::{Listener, StdListener, Transport};

/// How many connections may wait to be accepted, if the system allows as many (`net.core.somaxconn` on Linux).
pub(crate) const QUEUE: u32 = 4096;
/// How long to wait for other servers that start. Each takes a millisecond or so.
#[cfg(unix)]
const TURN: Duration = Duration::from_secs(1);
/// The pause before accepting again when the system has run out of resources.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Listens on an address. With `share`, other processes may listen on it, too.
pub(crate) fn listen(address: SocketAddr, share: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // On other systems it would let another program take the port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    if share {
        #[cfg(unix)]
        socket.set_reuseport(true)?;
        #[cfg(not(unix))]
        return Err(io::Error::from(io::ErrorKind::Unsupported));
    }
    socket.bind(address)?;
    socket.listen(QUEUE)
}

/// Listens at a path, with these permissions. A socket that a program left there when it ended is replaced.
#[cfg(unix)]
pub(crate) async fn listen_at(path: &Path, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    use std::os::unix::fs::PermissionsExt;
    let _turn = turn(path).await;
    remove_left(path).await?;
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    let file = SocketFile::at(path)?;
    // Set before it listens, so that nobody can connect who is not allowed to.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok((socket.listen(QUEUE)?, file))
}

/// Waits until no other server is about to listen in the folder. Until a socket listens, it refuses connections as one
/// that was left does, and two servers that start at the same time could each take the other's for that.
///
/// The folder is locked until the returned file is closed. `None` if it cannot be, or if somebody keeps it locked.
#[cfg(unix)]
async fn turn(path: &Path) -> Option<File> {
    let folder = path.parent()?;
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let folder = File::open(folder).ok()?;
    let until = Instant::now() + TURN;
    loop {
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(folder),
            Err(Errno::WOULDBLOCK) if Instant::now() < until => tokio::time::sleep(TURN / 100).await,
            Err(_) => return None,
        }
    }
}

/// Removes a socket on which nobody listens any more.
#[cfg(unix)]
async fn remove_left(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let there = match std::fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !there.file_type().is_socket() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(error) => Err(error),
    }
}

/// Accepts the next connection, however long it takes. Counts the failures until then.
pub(crate) async fn accept(listener: &Listener, errors: &Counter) -> (Transport, Peer) {
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_the_client(&error) => {
                tracing::debug!(%error, "a client left before it was accepted")
            }
            Err(error) => {
                errors.increment(1);
                // There are no file descriptors or no memory left. Accepting keeps failing until a connection ends.
                if !failing {
                    tracing::error!(%error, "cannot accept connections; raise the limit of open files if it is that");
                }
                failing = true;
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

/// Accepts the next of the connections that wait. `None` if none waits.
pub(crate) async fn accept_waiting(listener: &StdListener) -> Option<(Transport, Peer)> {
    loop {
        match listener.accept() {
            Ok(accepted) => return Some(accepted),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) if is_of_the_client(&error) => {}
            Err(_) => tokio::time::sleep(BACK_OFF).await,
        }
    }
}

/// Returns `true` for errors of the connection that was about to be accepted, not of the listener.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_left_is_no_failure_to_accept() {
        for (kind, of_the_client) in [
            (io::ErrorKind::ConnectionAborted, true),
            (io::ErrorKind::ConnectionReset, true),
            (io::ErrorKind::Interrupted, true),
            (io::ErrorKind::OutOfMemory, false),
            (io::ErrorKind::Other, false),
        ] {
            assert_eq!(is_of_the_client(&kind.into()), of_the_client, "{kind}");
        }
    }
}
