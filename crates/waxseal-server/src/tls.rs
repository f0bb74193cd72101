//! TLS with rustls: a certificate and its key, which can change while the server runs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::certificate_end::not_after;
use crate::setup_error::SetupError;
use crate::transport::Transport;

/// The files of a certificate and its key, for a server that provides TLS 1.2 and 1.3 itself. Clones share the same
/// certificate.
///
/// # Example
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use waxseal_server::{HttpServer, Tls};
///
/// let tls = Tls::from_files("/etc/app/cert.pem", "/etc/app/key.pem")?;
/// let server = HttpServer::bind(([0, 0, 0, 0], 443)).await?.tls(tls.clone());
/// // Later, when the files have changed:
/// tls.reload()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Tls(Arc<CertificateFiles>);

#[derive(Debug)]
struct CertificateFiles {
    certificate: PathBuf,
    key: PathBuf,
    content: RwLock<Content>,
}

#[derive(Clone, Debug)]
struct Content {
    config: Arc<ServerConfig>,
    not_after: Option<SystemTime>,
}

impl Tls {
    /// Reads the certificates, the server's own first, and its private key, both in PEM form.
    ///
    /// # Errors
    ///
    /// [`SetupError`].
    pub fn from_files(certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, SetupError> {
        let (certificate, key) = (certificate.as_ref().to_owned(), key.as_ref().to_owned());
        let content = RwLock::new(load(&certificate, &key)?);
        Ok(Self(Arc::new(CertificateFiles { certificate, key, content })))
    }

    /// Reads both files again. Connections that are made from now on use the new content.
    ///
    /// # Errors
    ///
    /// [`SetupError`]. The previous content then stays in use.
    pub fn reload(&self) -> Result<(), SetupError> {
        let content = load(&self.0.certificate, &self.0.key)?;
        *self.0.content.write().unwrap_or_else(PoisonError::into_inner) = content;
        Ok(())
    }

    /// The time at which the server's own certificate, the one in use, expires. It is used after that, too, and clients
    /// refuse it. `None` if the certificate does not say it legibly.
    #[must_use]
    pub fn not_after(&self) -> Option<SystemTime> {
        self.content().not_after
    }

    /// The paths of the certificates' file and of the key's file.
    #[must_use]
    pub fn files(&self) -> [&Path; 2] {
        [&self.0.certificate, &self.0.key]
    }

    /// Does the TLS handshake with a client.
    pub(crate) async fn accept(&self, stream: Transport) -> io::Result<Transport> {
        let config = self.content().config;
        Ok(Transport::Tls(Box::new(TlsAcceptor::from(config).accept(stream).await?)))
    }

    fn content(&self) -> Content {
        self.0.content.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn load(certificate: &Path, key: &Path) -> Result<Content, SetupError> {
    let no_certificate = |source: Box<dyn std::error::Error + Send + Sync>| SetupError::Certificate {
        path: certificate.into(),
        source,
    };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| no_certificate(error.into()))?;
    if chain.is_empty() {
        return Err(no_certificate("it holds no certificate".into()));
    }
    let not_after = not_after(&chain[0]);
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| SetupError::CertificateKey { path: key.into(), source: error.into() })?;
    let unfit = |error: rustls::Error| SetupError::CertificatePair {
        certificate: certificate.into(),
        key: key.into(),
        source: error.into(),
    };
    let versions = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unfit)?;
    let mut config = versions.with_no_client_auth().with_single_cert(chain, secret).map_err(unfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Content { config: Arc::new(config), not_after })
}
