//! The socket on which an app listens: one that it opens, or one that systemd hands over.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use listenfd::ListenFd;
use waxseal_server::{HttpServer, SetupError};

use crate::endpoint::Endpoint;
use crate::settings::Settings;
use crate::start_error::StartError;

/// `true` once the handed-over sockets have been taken. A process can take them only once.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Listens on the socket that systemd handed over, or else where the settings say.
pub(crate) async fn listen(settings: &Settings) -> Result<(HttpServer, Endpoint), StartError> {
    if !ASKED.swap(true, Ordering::Relaxed)
        && let Some(handed) = handed_over(&mut ListenFd::from_env())?
    {
        return Ok(handed);
    }
    #[cfg(unix)]
    if let Some(path) = &settings.unix_socket {
        let server = HttpServer::bind_unix(path, settings.unix_socket_mode.0).await?;
        return Ok((server, Endpoint::Unix(Some(path.clone()))));
    }
    let address = SocketAddr::new(settings.host, settings.port);
    let server = match settings.share_port {
        true => HttpServer::bind_shared(address)?,
        false => HttpServer::bind(address).await?,
    };
    let address = server.local_addr()?;
    Ok((server, Endpoint::Tcp(address)))
}

/// The socket that systemd has handed over (`LISTEN_FDS`), if there is one.
fn handed_over(sockets: &mut ListenFd) -> Result<Option<(HttpServer, Endpoint)>, StartError> {
    let unusable = |source: io::Error| StartError::Server(SetupError::Listener(source));
    match sockets.len() {
        0 => return Ok(None),
        1 => {}
        count => return Err(StartError::SocketsHandedOver(count)),
    }
    // Each call checks the kind of the socket, and leaves a socket of another kind in place.
    if let Ok(Some(listener)) = sockets.take_tcp_listener(0) {
        let address = listener.local_addr().map_err(unusable)?;
        return Ok(Some((HttpServer::from_std(listener)?, Endpoint::Tcp(address))));
    }
    #[cfg(unix)]
    if let Some(listener) = sockets.take_unix_listener(0).map_err(unusable)? {
        let path = listener.local_addr().ok().and_then(|address| address.as_pathname().map(Into::into));
        return Ok(Some((HttpServer::from_std_unix(listener)?, Endpoint::Unix(path))));
    }
    Err(unusable(io::ErrorKind::Unsupported.into()))
}
