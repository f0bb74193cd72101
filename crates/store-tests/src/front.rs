//! A proxy in front of an app, with a configuration of the test's: on a free port of the loopback address, in a temporary
//! folder, and ended with the test.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::{Process, free_port, shell};

/// The longest time that a proxy may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program that stands in front of apps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// nginx, or the program that `NGINX` names.
    Nginx,
    /// HAProxy, or the program that `HAPROXY` names.
    Haproxy,
    /// Caddy, or the program that `CADDY` names.
    Caddy,
}

/// A running proxy, which stops when this is dropped, and also if the test ends in any other way.
pub struct Front {
    // Before the folder: it is dropped first.
    _process: Process,
    _folder: TempDir,
    /// The port it listens on.
    pub port: u16,
}

impl Front {
    /// A proxy with the configuration that `write` makes for a port, and for a folder to which it may write other files.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start(kind: Kind, write: impl Fn(u16, &Path) -> String) -> Self {
        // Another program may take the free port first.
        let mut log = String::new();
        for _ in 0..5 {
            match Self::launch(kind, free_port(), &write) {
                Ok(front) => return front,
                Err(said) => log = said,
            }
        }
        panic!("{kind:?} does not start; its log: {log}");
    }

    /// An nginx with these lines in its `server` block, without TLS.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn nginx(lines: &str) -> Self {
        Self::start(Kind::Nginx, |port, _| {
            nginx_configuration(&format!("server {{ listen 127.0.0.1:{port}; {lines} }}"))
        })
    }

    /// The log of a proxy that ended at once, as an error.
    fn launch(kind: Kind, port: u16, write: impl Fn(u16, &Path) -> String) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::fs::write(path.join("configuration"), write(port, path)).unwrap();
        let mut command = shell(&kind.program(), "TERM", None, path);
        match kind {
            Kind::Nginx => command.arg("-p").arg(path).args(["-c", "configuration", "-e", "stderr"]),
            Kind::Haproxy => command.args(["-db", "-f", "configuration"]),
            // What it keeps lies in its user's home.
            Kind::Caddy => command
                .args(["run", "--config", "configuration", "--adapter", "caddyfile"])
                .envs(["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"].map(|name| (name, path))),
        };
        let process = Process::start(command);
        let log = || std::fs::read_to_string(path.join("log")).unwrap_or_default();
        let start = Instant::now();
        // nginx tries for some seconds to get its port, in which another program answers there. Then it writes this file.
        let has_port = || kind != Kind::Nginx || path.join("nginx.pid").exists();
        let answers = || has_port() && TcpStream::connect(("127.0.0.1", port)).is_ok();
        while !answers() && process.is_running() {
            assert!(start.elapsed() < PATIENCE, "{kind:?} does not answer; its log: {}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
        match process.is_running() {
            true => Ok(Self { _process: process, _folder: folder, port }),
            false => Err(log()),
        }
    }
}

impl Kind {
    fn program(self) -> PathBuf {
        let (variable, name) = match self {
            Self::Nginx => ("NGINX", "nginx"),
            Self::Haproxy => ("HAPROXY", "haproxy"),
            Self::Caddy => ("CADDY", "caddy"),
        };
        std::env::var_os(variable).unwrap_or_else(|| name.into()).into()
    }
}

/// The whole file for these lines in the `http` block: one process in the foreground, with all files in its folder.
#[must_use]
pub fn nginx_configuration(lines: &str) -> String {
    format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr;
         events {{}}
         http {{
           access_log off;
           client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
           uwsgi_temp_path uwsgi; scgi_temp_path scgi;
           {lines}
         }}"
    )
}
