//! The pool of connections, and their setup.

use std::fs;
use std::sync::Arc;

use deadpool_postgres::{Connect, Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::PostgresError;
use crate::hosts::Hosts;
use crate::options::{Pooler, PostgresOptions, wants_tls};

/// An empty pool.
pub(crate) fn pool(options: &PostgresOptions, configs: Vec<Config>) -> Result<Pool, PostgresError> {
    let (network, share) = (options.network.limits(), options.share(configs.len()));
    let manager = if configs.iter().any(wants_tls) {
        manager(Hosts { configs, tls: MakeRustlsConnect::new(tls(options)?), share })
    } else {
        manager(Hosts { configs, tls: NoTls, share })
    };
    let mut pool = Pool::builder(manager)
        .max_size(network.connections)
        .create_timeout(Some(network.connect_timeout))
        .runtime(Runtime::Tokio1);
    if let Some(settings) = settings(options) {
        pool = pool.post_create(Hook::async_fn(move |client, _| {
            let settings = settings.clone();
            Box::pin(async move { client.batch_execute(&settings).await.map_err(HookError::Backend) })
        }));
    }
    Ok(pool.build().expect("a runtime is given"))
}

fn manager(hosts: impl Connect + 'static) -> Manager {
    // A broken connection is noticed when it is used; checking it first would cost every call a round trip.
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    Manager::from_connect(Config::new(), hosts, recycling)
}

/// The settings of a connection, unless a pooler shares it with other programs.
fn settings(options: &PostgresOptions) -> Option<String> {
    if options.pooler != Pooler::None {
        return None;
    }
    // The timeout ends statements that no caller waits for any more. All statements find their rows by key, whatever
    // the parameters are, so a generic plan is enough.
    let timeout = options.network.limits().command_timeout.as_millis().max(1);
    // Each statement depends on seeing what was committed while it waited; the role's default may be another level.
    let mut settings = format!(
        "SET default_transaction_isolation = 'read committed'; SET statement_timeout = {timeout}; \
         SET plan_cache_mode = force_generic_plan; SET jit = off"
    );
    if let Some(commit) = options.synchronous_commit {
        settings += &format!("; SET synchronous_commit = {}", commit.name());
    }
    Some(settings)
}

/// The TLS configuration, which always checks the certificate and its host name.
fn tls(options: &PostgresOptions) -> Result<ClientConfig, PostgresError> {
    let unusable = |source: Arc<dyn std::error::Error + Send + Sync>| {
        PostgresError::Roots(options.root_certificates.clone(), source)
    };
    let mut roots = RootCertStore::empty();
    match &options.root_certificates {
        Some(path) => {
            let pem = fs::read(path).map_err(|error| unusable(Arc::new(error)))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|error| unusable(Arc::new(error)))?;
                roots.add(certificate).map_err(|error| unusable(Arc::new(error)))?;
            }
        }
        // Certificates that cannot be read are left out, as other programs do: they are seldom needed.
        None => _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(Arc::new(error)))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
