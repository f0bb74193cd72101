//! An nginx of our own: on a free port of the loopback address, in a temporary folder, and ended with the test.

use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::{Process, free_port, shell};

/// The longest time that a server may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that stops when this is dropped, and also if the test ends in any other way.
pub struct Nginx {
    // Before the folder: it is dropped first.
    _process: Process,
    _folder: TempDir,
    /// The port it listens on.
    pub port: u16,
}

impl Nginx {
    /// A server with these lines in its `server` block.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start(lines: &str) -> Self {
        Self::start_on("", lines)
    }

    /// The same over TLS, by a certificate and its key, each a file.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start_tls(certificate: &Path, key: &Path, lines: &str) -> Self {
        let [certificate, key] = [certificate, key].map(Path::display);
        Self::start_on("ssl", &format!("ssl_certificate {certificate}; ssl_certificate_key {key}; {lines}"))
    }

    fn start_on(protocol: &str, lines: &str) -> Self {
        // Another program may take the free port first.
        let mut log = String::new();
        for _ in 0..5 {
            match Self::launch(free_port(), protocol, lines) {
                Ok(server) => return server,
                Err(said) => log = said,
            }
        }
        panic!("nginx does not start; its log: {log}");
    }

    /// The log of a server that ended at once, as an error.
    fn launch(port: u16, protocol: &str, lines: &str) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("nginx.conf"), configuration(port, protocol, lines)).unwrap();
        let program = std::env::var_os("NGINX").unwrap_or_else(|| "nginx".into());
        let mut command = shell(Path::new(&program), "TERM", None, folder.path());
        command.arg("-p").arg(folder.path()).args(["-c", "nginx.conf", "-e", "stderr"]);
        let process = Process::start(command);
        let log = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() && process.is_running() {
            assert!(start.elapsed() < PATIENCE, "nginx does not answer; its log: {}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
        match process.is_running() {
            true => Ok(Self { _process: process, _folder: folder, port }),
            false => Err(log()),
        }
    }
}

/// One process in the foreground, with all files in its folder.
fn configuration(port: u16, protocol: &str, lines: &str) -> String {
    format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr;
         events {{}}
         http {{
           access_log off;
           client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
           uwsgi_temp_path uwsgi; scgi_temp_path scgi;
           server {{ listen 127.0.0.1:{port} {protocol}; {lines} }}
         }}"
    )
}
