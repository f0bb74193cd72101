//! Flask and the twin behind one nginx.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use store_tests::flask::Flask;
use store_tests::front::Front;
use tempfile::TempDir;
use tokio::runtime;
use tokio::sync::oneshot;
use waxseal::{App, Secrets, SessionState, Settings};

use crate::twin;

/// A site of two apps. Both stop when it is dropped.
pub(crate) struct Site {
    nginx: Front,
    _flask: Flask,
    _twin: Twin,
}

impl Site {
    /// Starts `app.py`, with this Python for Flask, its twin, and nginx in front of them.
    pub(crate) fn start(python: &Path, state: SessionState) -> Self {
        Self::of(python, "app.py", twin::app(), state)
    }

    /// Starts another Flask app, and `ours` beside it.
    pub(crate) fn of(python: &Path, flask: &str, ours: App, state: SessionState) -> Self {
        let flask = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/beside_flask").join(flask);
        let flask = Flask::start(python, &flask, &[("FLASK_SECRET_KEY", twin::FLASK_SECRET)]);
        let twin = Twin::start(ours, state);
        let nginx = Front::nginx(&format!(
            "location /old/ {{ proxy_pass http://127.0.0.1:{}; proxy_set_header Host $http_host; }}
             location /new/ {{ proxy_pass http://{}; proxy_set_header Host $http_host; }}",
            flask.port, twin.address
        ));
        Self { nginx, _flask: flask, _twin: twin }
    }

    pub(crate) fn port(&self) -> u16 {
        self.nginx.port
    }
}

/// The Pythons that `cargo xtask test --faults` has installed, each with a version of Flask. If there are none, a line
/// says so.
pub(crate) fn pythons() -> Vec<PathBuf> {
    let found = store_tests::flask::pythons();
    if found.is_empty() {
        let why = "skipped: FLASK_ENVIRONMENTS names no folder; `cargo xtask test --faults` makes one\n";
        let _written = std::io::Write::write_all(&mut std::io::stderr(), why.as_bytes());
    }
    found
}

/// The twin on a thread of this test, for development.
struct Twin {
    address: SocketAddr,
    _folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Twin {
    fn start(app: App, state: SessionState) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let secret = folder.path().join("secret");
        let words = "thirteen cats keep the ledgers of the night market";
        fs::write(&secret, words).expect("a temporary folder can be written to");
        let settings = Settings {
            port: 0,
            development: true,
            secret_key_file: Some(secret),
            session_state: state,
            ..Settings::default()
        };
        let (stop, stopped) = oneshot::channel();
        let (said, address) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime =
                runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
            runtime.block_on(async {
                let secrets = Secrets::from_env(&settings, "shop").expect("the secret is good");
                let server = app.bind(&settings, &secrets).await.expect("the app starts");
                let _ = said.send(server.address().expect("it is TCP"));
                server.serve(async { drop(stopped.await) }).await.expect("it serves to the end");
            });
        });
        let address = address.blocking_recv().expect("the app says where it listens");
        Self { address, _folder: folder, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread itself has reported whatever went wrong.
            let _ = thread.join();
        }
    }
}
