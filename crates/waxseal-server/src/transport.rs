//! A connection's stream, and the listeners that accept one.

use std::io;
#[cfg(unix)]
use std::path::Path;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

use crate::patient::Patient;
use crate::peer::Peer;

/// The most bytes that the system may hold without having sent them. Without this limit it takes megabytes at once, and
/// then nothing for as long as a slow reader needs for a third of them. With the limit, it takes more whenever the
/// client has taken some.
const UNSENT_BYTES: u32 = 16 * 1024;

/// A stream of any kind for which the server listens.
#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(Patient<TcpStream>),
    #[cfg(unix)]
    Unix(Patient<UnixStream>),
    /// TLS over one of the other streams.
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::server::TlsStream<Self>>),
}

/// A listener for any of the streams.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

/// A listener that asks the system itself for the connections that wait, because tokio may not have been notified of
/// them yet.
#[derive(Debug)]
pub(crate) enum StdListener {
    Tcp(std::net::TcpListener),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener),
}

/// The file of a Unix socket, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// The device and the number of the file. Another program's socket may be at the path by the end.
    id: (u64, u64),
}

impl SocketFile {
    /// The file that is at the path now.
    #[cfg(unix)]
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), id: id(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        #[cfg(unix)]
        if id(&self.path).is_ok_and(|id| id == self.id) {
            // It does not matter if the file is gone already.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(unix)]
fn id(path: &Path) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

impl Listener {
    pub(crate) async fn accept(&self) -> io::Result<(Transport, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Transport::Tcp(Patient::new(stream)), peer.into()))
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Transport::Unix(Patient::new(stream)), Peer::Unix))
            }
        }
    }

    pub(crate) fn into_std(self) -> io::Result<StdListener> {
        match self {
            Self::Tcp(listener) => listener.into_std().map(StdListener::Tcp),
            #[cfg(unix)]
            Self::Unix(listener) => listener.into_std().map(StdListener::Unix),
        }
    }
}

impl StdListener {
    pub(crate) fn accept(&self) -> io::Result<(Transport, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                stream.set_nonblocking(true)?;
                Ok((Transport::Tcp(Patient::new(TcpStream::from_std(stream)?)), peer.into()))
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                Ok((Transport::Unix(Patient::new(UnixStream::from_std(stream)?)), Peer::Unix))
            }
        }
    }
}

impl Transport {
    /// Gives up on a client that takes nothing for `limit`. Makes the system send data at once, and hold little that it
    /// has not sent, so that it soon shows what the client takes.
    pub(crate) fn give_up_after(&mut self, limit: Duration) {
        let stream = match self {
            Self::Tcp(stream) => stream,
            // The system's buffer for a Unix socket is small anyway.
            #[cfg(unix)]
            Self::Unix(stream) => return stream.give_up_after(limit),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => return stream.get_mut().0.give_up_after(limit),
        };
        stream.give_up_after(limit);
        let stream = stream.get_ref();
        // Responses are small and complete: waiting for more data would only delay them.
        let _ = stream.set_nodelay(true);
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES);
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = socket2::SockRef::from(stream).set_send_buffer_size(4 * UNSENT_BYTES as usize);
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            #[cfg(unix)]
            Self::Unix(stream) => stream.is_write_vectored(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
