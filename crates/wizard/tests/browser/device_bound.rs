//! Device-bound sessions in a real Chromium: over TLS that it trusts, with keys in software.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use waxseal::{Secrets, SessionState, Settings};

use crate::certificate::certify;
use crate::driver::Browser;

/// A name with a registrable domain, which the protocol needs; the browser is told where it is.
const HOST: &str = "app.waxseal.example";
const PROOF_TIME: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(20);

/// The wizard behind a TLS proxy, and a folder with its certificate and the browser's home.
struct Site {
    _runtime: Runtime,
    folder: TempDir,
    address: SocketAddr,
}

impl Site {
    fn start(state: SessionState) -> Self {
        let folder = tempfile::tempdir().unwrap();
        certify(folder.path(), HOST);
        let runtime = Runtime::new().unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, "eleven owls read the evening post by candlelight\n").unwrap();
        fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
        let settings =
            Settings { port: 0, session_state: state, secret_key_file: Some(secret), ..Settings::default() };
        let address = runtime.block_on(async {
            let secrets = Secrets::from_env(&settings, "wizard").unwrap();
            let app = wizard::app().device_bound().device_bound_for(PROOF_TIME);
            let server = app.bind(&settings, &secrets).await.unwrap();
            let wizard = server.address().expect("it listens on a port");
            tokio::spawn(server.serve(std::future::pending()));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(proxy(listener, acceptor(folder.path()), wizard));
            address
        });
        Self { _runtime: runtime, folder, address }
    }

    fn browser(&self) -> Browser {
        let arguments = [
            "--enable-features=DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting"
                .to_owned(),
            format!("--host-resolver-rules=MAP {HOST} 127.0.0.1"),
        ];
        Browser::start_with(&arguments, Some(self.folder.path()))
    }

    fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.address.port())
    }
}

async fn proxy(listener: TcpListener, acceptor: TlsAcceptor, wizard: SocketAddr) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(mut outer) = acceptor.accept(socket).await else { return };
            let mut inner = TcpStream::connect(wizard).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
        });
    }
}

fn acceptor(folder: &Path) -> TlsAcceptor {
    let certificates =
        CertificateDer::pem_file_iter(folder.join("site.pem")).unwrap().collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("site.key")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Waits until `look` finds something.
fn wait<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < LIMIT, "no {what} after {LIMIT:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn device_cookie(browser: &Browser) -> Option<String> {
    let cookies = browser.cookies();
    cookies.iter().find(|one| one.name().starts_with("__Host-session-")).map(|one| one.value().to_owned())
}

#[test]
fn a_session_is_bound_refreshed_and_ended_in_each_state() {
    for state in [SessionState::Cookie, SessionState::Store, SessionState::Mirrored] {
        let site = Site::start(state);
        let browser = site.browser();
        browser.open(&site.url("/"));
        crate::fill_in(&browser, "Merlin", "Caer Myrddin");
        browser.wait_for_path("/wizard/success");
        let mut proof = wait("registration", || device_cookie(&browser));
        for _ in 0..3 {
            // The browser itself forgets the cookie when its time has come.
            wait("end of the proof", || device_cookie(&browser).is_none().then_some(()));
            browser.open(&site.url("/wizard/success"));
            // The driver does not wait for a page that waits for a refresh.
            browser.wait_for_text("body", "Merlin");
            let fresh = wait("fresh proof", || device_cookie(&browser));
            assert_ne!(std::mem::replace(&mut proof, fresh), proof, "{state:?}");
        }
        // A script of our own page cannot register a key, in no mode that lets it send the header.
        for mode in ["cors", "same-origin", "no-cors"] {
            let script = format!(
                "const done = arguments[arguments.length - 1]; fetch('/_device/register', {{ method: 'POST', \
                 mode: '{mode}', headers: {{ 'Secure-Session-Response': 'a.b.c' }} }}).then(it => done(it.status))"
            );
            assert_eq!(browser.script_later(&script), 403, "{state:?}, {mode}");
        }
        browser.open(&site.url("/wizard/success"));
        browser.wait_for_text("body", "Merlin");
        browser.click("form.again button");
        browser.wait_for_path("/");
        assert_eq!(browser.cookies().len(), 0, "{state:?}");
        browser.open(&site.url("/wizard/success"));
        assert!(!browser.source().contains("Merlin"), "{state:?}");
        assert_eq!(device_cookie(&browser), None, "{state:?}: nothing is refreshed after a sign-out");
    }
}
