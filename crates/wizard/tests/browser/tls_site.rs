//! What a browser needs for device-bound sessions: host names, TLS that it trusts, and a proxy that terminates TLS.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use waxseal::{Secrets, SessionState, Settings};

use crate::certificate::certify;
use crate::driver::Browser;

/// A name with a registrable domain, which the protocol requires. The browser is given its address.
pub(crate) const HOST: &str = "app.waxseal.example";
/// Another site at the same address.
pub(crate) const ELSEWHERE: &str = "www.elsewhere.example";

/// A state of sessions: its name in the tests, the setting, and the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State {
    pub(crate) name: &'static str,
    pub(crate) setting: SessionState,
    pub(crate) store: Option<&'static str>,
}

/// All states, and `cookie` with a list of revoked sessions.
pub(crate) const STATES: [State; 4] = [
    State { name: "cookie", setting: SessionState::Cookie, store: None },
    State { name: "cookie with a list", setting: SessionState::Cookie, store: Some("memory:") },
    State { name: "store", setting: SessionState::Store, store: Some("memory:") },
    State { name: "mirrored", setting: SessionState::Mirrored, store: Some("memory:") },
];

/// A home folder with a certificate for both names, by an authority that browsers with this home trust.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        certify(folder.path(), &[HOST, ELSEWHERE]);
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Starts a browser with a new profile and with software keys.
    pub(crate) fn browser(&self) -> Browser {
        let arguments = [
            "--enable-features=DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting"
                .to_owned(),
            format!("--host-resolver-rules=MAP {HOST} 127.0.0.1, MAP {ELSEWHERE} 127.0.0.1"),
        ];
        Browser::start_with(&arguments, Some(self.path()))
    }
}

/// The wizard behind a TLS proxy that records the heads of what it passes on.
pub(crate) struct Site {
    _runtime: Runtime,
    pub(crate) home: Home,
    address: SocketAddr,
    traffic: Arc<Traffic>,
}

impl Site {
    /// Serves the wizard with this time of a device proof.
    pub(crate) fn start(state: State, proof_time: Duration) -> Self {
        let home = Home::new();
        let runtime = Runtime::new().unwrap();
        let secret = home.path().join("secret");
        fs::write(&secret, "eleven owls read the evening post by candlelight\n").unwrap();
        fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
        let settings = Settings {
            port: 0,
            session_state: state.setting,
            session_store: state.store.map(|url| url.parse().unwrap()),
            secret_key_file: Some(secret),
            ..Settings::default()
        };
        let traffic = Arc::<Traffic>::default();
        let address = runtime.block_on(async {
            let secrets = Secrets::from_env(&settings, "wizard").unwrap();
            let app = wizard::app().device_bound().device_bound_for(proof_time);
            let server = app.bind(&settings, &secrets).await.unwrap();
            let wizard = server.address().expect("it listens on a port");
            tokio::spawn(server.serve(std::future::pending()));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(proxy(listener, acceptor(home.path()), wizard, traffic.clone()));
            address
        });
        Self { _runtime: runtime, home, address, traffic }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.url_at(HOST, path)
    }

    /// The URL of `path` on another host.
    pub(crate) fn url_at(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.address.port())
    }

    /// The heads of all requests so far whose first line begins with `beginning`, in order.
    pub(crate) fn requests(&self, beginning: &str) -> Vec<String> {
        heads(&self.traffic.asked, beginning)
    }

    /// The heads of all responses so far.
    pub(crate) fn answers(&self) -> Vec<String> {
        heads(&self.traffic.answered, "HTTP/1.1 ")
    }
}

/// The bytes up to the end of each head, in order, by direction.
#[derive(Default)]
struct Traffic {
    asked: Mutex<Vec<String>>,
    answered: Mutex<Vec<String>>,
}

/// The heads that begin with `beginning`. A body may precede a head.
fn heads(traffic: &Mutex<Vec<String>>, beginning: &str) -> Vec<String> {
    let traffic = traffic.lock().unwrap();
    traffic.iter().filter_map(|text| text.find(beginning).map(|at| text[at..].to_owned())).collect()
}

async fn proxy(listener: TcpListener, acceptor: TlsAcceptor, wizard: SocketAddr, traffic: Arc<Traffic>) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let (acceptor, traffic) = (acceptor.clone(), traffic.clone());
        tokio::spawn(async move {
            let Ok(outer) = acceptor.accept(socket).await else { return };
            let (from_browser, to_browser) = tokio::io::split(outer);
            let (from_wizard, to_wizard) = TcpStream::connect(wizard).await.unwrap().into_split();
            tokio::join!(
                pass(from_browser, to_wizard, &traffic.asked),
                pass(from_wizard, to_browser, &traffic.answered)
            );
        });
    }
}

/// Passes all bytes on, and keeps a copy of all heads.
async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, heads: &Mutex<Vec<String>>) {
    let (mut buffer, mut passed) = (vec![0; 16 * 1024], Vec::new());
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        passed.extend_from_slice(&buffer[..length]);
        while let Some(end) = passed.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = passed.split_off(end + 4);
            heads.lock().unwrap().push(String::from_utf8_lossy(&passed).into_owned());
            passed = rest;
        }
        if to.write_all(&buffer[..length]).await.is_err() || to.flush().await.is_err() {
            break;
        }
    }
    // The other side may have closed first.
    let _ = to.shutdown().await;
}

fn acceptor(folder: &Path) -> TlsAcceptor {
    let certificates =
        CertificateDer::pem_file_iter(folder.join("site.pem")).unwrap().collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("site.key")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}
