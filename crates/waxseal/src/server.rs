//! The server of an app: bound, served, and shut down.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use waxseal_keys::{KeyWatcher, Secrets};
use waxseal_server::Limits;

use crate::admin::{Admin, Private};
use crate::app::App;
use crate::counters;
use crate::endpoint::Endpoint;
use crate::listening;
use crate::log;
use crate::panic_limit;
use crate::readiness::Readiness;
use crate::repeat_limit;
use crate::service::AppService;
use crate::service_manager;
use crate::settings::Settings;
use crate::signals::{self, Hangups};
use crate::start_error::StartError;
use crate::start_warnings;
#[cfg(feature = "tls")]
use crate::tls_files::{self, TlsFiles};

/// An app that is bound to its address and answers once it is served; from [`App::bind`].
#[derive(Debug)]
pub struct AppServer {
    http: waxseal_server::HttpServer,
    service: AppService,
    endpoint: Endpoint,
    watcher: KeyWatcher,
    readiness: Arc<Readiness>,
    /// The pages for the operator, and those for a load balancer.
    admin: [Option<(waxseal_server::HttpServer, Admin)>; 2],
    #[cfg(feature = "tls")]
    tls: Option<TlsFiles>,
}

impl App {
    /// Serves the app until Ctrl-C or SIGTERM: all that a `main` needs.
    ///
    /// Settings come from this program's flags and environment, the secret key from where they say, and the log goes to
    /// standard error.
    ///
    /// A changed secret file is taken while it runs, see [`AppServer::serve`]; SIGHUP makes the server read it now.
    ///
    /// It makes a tokio runtime for the server. A program that has one already, by `#[tokio::main]`, uses
    /// [`bind`](Self::bind).
    ///
    /// # Errors
    ///
    /// [`StartError`] says what was found and what to do.
    pub fn run(self) -> Result<(), StartError> {
        if tokio::runtime::Handle::try_current().is_ok() {
            return Err(StartError::InsideRuntime);
        }
        let settings = Settings::from_args();
        log::to_stderr(&settings);
        if !settings.development {
            panic_limit::install();
        }
        let secrets = Secrets::from_env(&settings, self.name())?;
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        if let Some(workers) = settings.limits.workers {
            runtime.worker_threads(workers.get());
        }
        let runtime = runtime.enable_all().build();
        runtime.map_err(StartError::Runtime)?.block_on(async {
            let mode = if settings.development { "development" } else { "production" };
            // Before the address is logged: a program that reads it may send a signal at once.
            let interruption = signals::interruption().map_err(StartError::Runtime)?;
            let hangups = Hangups::listen().map_err(StartError::Runtime)?;
            let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
            let warnings = start_warnings::of(&settings, self.has_own_store(), variables);
            let server = self.bind(&settings, &secrets).await?;
            for warning in secrets.warnings() {
                tracing::warn!("{warning}");
            }
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            tracing::info!("secret key {secrets}: {}", secrets.roles());
            tracing::info!("{}", server.service.summary(&settings));
            if let Some(address) = server.admin_address() {
                tracing::info!("/metrics and /health for the operator on http://{address}");
            }
            if let Some(address) = server.health_address() {
                tracing::info!("/health/live and /health/ready for a load balancer on http://{address}");
            }
            if !settings.proxies.root_path.as_str().is_empty() && settings.session_cookie_name.is_none() {
                tracing::info!(
                    "below {}: another app on this host needs another --session-cookie-name, since the cookie is the host's",
                    settings.proxies.root_path
                );
            }
            tracing::info!("{mode} server on {}, stop it with Ctrl-C", server.endpoint());
            server.serve_until(interruption, hangups).await
        })
    }

    /// Binds the app to the address of `settings`, for a program with its own runtime, shutdown and log.
    ///
    /// # Errors
    ///
    /// [`StartError`]: the address is taken, or none of this machine's in development; and those of
    /// [`service`](Self::service).
    ///
    /// # Example
    ///
    /// ```no_run
    /// use waxseal::{App, Secrets, Settings, StartError, html};
    ///
    /// #[tokio::main]
    /// async fn main() -> Result<(), StartError> {
    ///     let app = App::new("wizard").get("/", async |_| Ok(html("Hello.")));
    ///     let settings = Settings::from_args();
    ///     let secrets = Secrets::from_env(&settings, "wizard")?;
    ///     let server = app.bind(&settings, &secrets).await?;
    ///     println!("on {}", server.endpoint());
    ///     server.serve(async { _ = tokio::signal::ctrl_c().await }).await
    /// }
    /// ```
    pub async fn bind(self, settings: &Settings, secrets: &Secrets) -> Result<AppServer, StartError> {
        if settings.development && !settings.host.is_loopback() {
            return Err(StartError::NotLoopback(SocketAddr::new(settings.host, settings.port)));
        }
        // Before the service creates its counters.
        let counters = settings.admin_address.and_then(|_| counters::install());
        counters::describe_process();
        let interval = settings.secret_reload_interval;
        let watcher = KeyWatcher::new(secrets, (interval > 0).then(|| Duration::from_secs(interval)));
        let service = self.service(settings, secrets.keyring()).await?;
        let (http, endpoint) = listening::listen(settings).await?;
        #[cfg(feature = "tls")]
        let (http, endpoint, tls) = tls_files::serve(settings, http, endpoint)?;
        let http = http.limits(service.limits()).trust(settings.proxies.trusted_proxies.clone());
        let http = http.proxy_protocol(settings.proxies.proxy_protocol);
        let sessions = service.sessions().clone();
        let readiness = Arc::new(Readiness::new(sessions.clone(), settings.ready_without_store));
        let pages = async |address: Option<SocketAddr>, private| match address {
            None => Ok::<_, StartError>(None),
            Some(address) => {
                let failed = |source| StartError::Admin { address, source };
                let http = waxseal_server::HttpServer::bind(address).await.map_err(failed)?;
                // A limit of their own, so that visitors cannot take the connections of monitoring.
                let http = http.limits(Limits::default().connections(64));
                Ok(Some((http, Admin::new(address, sessions.clone(), readiness.clone(), private))))
            }
        };
        let private = Private { status: watcher.status(), counters };
        let admin = [
            pages(settings.admin_address, Some(private)).await?,
            pages(settings.health_address, None).await?,
        ];
        Ok(AppServer {
            http,
            service,
            endpoint,
            watcher,
            readiness,
            admin,
            #[cfg(feature = "tls")]
            tls,
        })
    }
}

impl AppServer {
    /// The place at which it listens: an address, with the port that the system chose for port 0, or a Unix socket.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The address that it listens on; `None` for a Unix socket.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match self.endpoint {
            Endpoint::Tcp(address) | Endpoint::Tls(address) => Some(address),
            Endpoint::Unix(_) => None,
        }
    }

    /// The address of `/metrics` and `/health`, if it serves them.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin[0].as_ref().and_then(|(http, _)| http.local_addr().ok())
    }

    /// The address of `/health/live` and `/health/ready` alone, if it serves them.
    #[must_use]
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.admin[1].as_ref().and_then(|(http, _)| http.local_addr().ok())
    }

    /// The service that answers requests; its keys can be [changed](AppService::set_keyring).
    #[must_use]
    pub fn service(&self) -> &AppService {
        &self.service
    }

    /// Serves requests until `shutdown` is ready. Requests that were sent by then are answered: see
    /// [`waxseal_server::HttpServer::serve`].
    ///
    /// A key file is read every [`secret_reload_interval`](Settings::secret_reload_interval), and taken once it has been
    /// the same for a second. A file that cannot be used, or lacks the key that seals, is refused: the log says why, and
    /// the old keys stay.
    ///
    /// # Errors
    ///
    /// [`StartError::Server`] if accepting fails for good.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), StartError> {
        self.serve_until(shutdown, Hangups::none()).await
    }

    async fn serve_until(
        self,
        shutdown: impl Future<Output = ()>,
        hangups: Hangups,
    ) -> Result<(), StartError> {
        // Dropped, and so ended, with this future.
        let mut beside = JoinSet::new();
        beside.spawn(hangups.wake(&self.watcher));
        let service = self.service.clone();
        beside.spawn(self.watcher.run(move |keyring| service.set_keyring(keyring)));
        let service = self.service.clone();
        beside.spawn(async move { service.maintain().await });
        beside.spawn(async {
            let mut minutes = tokio::time::interval(repeat_limit::INTERVAL);
            loop {
                minutes.tick().await;
                repeat_limit::report();
                panic_limit::forget();
            }
        });
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls {
            beside.spawn(tls.watch());
        }
        for (http, admin) in self.admin.into_iter().flatten() {
            beside.spawn(async move {
                if let Err(error) = http.serve(admin, std::future::pending()).await {
                    tracing::error!(%error, "/metrics and /health are no longer served");
                }
            });
        }
        let (service, readiness) = (self.service, self.readiness);
        service_manager::notify("READY=1");
        let shutdown = async move {
            shutdown.await;
            readiness.stop();
            service_manager::notify("STOPPING=1");
        };
        let served = self.http.serve_each(move |peer| service.for_peer(peer), shutdown).await;
        repeat_limit::report();
        Ok(served?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn run_inside_a_runtime_is_an_error_that_says_what_to_write() {
        let error = App::new("demo").run().unwrap_err();
        insta::assert_snapshot!(error, @"`App::run` starts a tokio runtime of its own and was called inside one; call it from a `main` that is not `async` and has no `#[tokio::main]`, or use `App::bind` and `AppServer::serve`, which run on yours");
    }
}
