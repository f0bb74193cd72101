//! Notifies a service manager (`sd_notify`) that the app is ready or stops.

/// Sends `state` to systemd, if the unit has `Type=notify`.
///
/// `state` is `READY=1` or `STOPPING=1`: <https://www.freedesktop.org/software/systemd/man/sd_notify.html>.
pub(crate) fn notify(state: &str) {
    #[cfg(target_os = "linux")]
    if let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty())
        && let Err(error) = linux::send(&socket, state)
    {
        tracing::warn!(%error, state, "the service manager could not be told, see NOTIFY_SOCKET");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = state;
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::OsStr;
    use std::io;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    pub(super) fn send(socket: &OsStr, state: &str) -> io::Result<()> {
        let address = match socket.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(socket)?,
        };
        UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_path_and_an_abstract_name_are_both_reached() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("notify");
            let name = format!("@{}", path.display());
            let abstract_address = SocketAddr::from_abstract_name(&name.as_bytes()[1..]).unwrap();
            for (address, listener) in [
                (path.clone().into_os_string(), UnixDatagram::bind(&path).unwrap()),
                (name.into(), UnixDatagram::bind_addr(&abstract_address).unwrap()),
            ] {
                send(&address, "READY=1").unwrap();
                let mut bytes = [0; 16];
                let length = listener.recv(&mut bytes).unwrap();
                assert_eq!(&bytes[..length], b"READY=1", "{address:?}");
            }
            assert!(send(OsStr::new("/nowhere/at/all"), "READY=1").is_err());
        }
    }
}
