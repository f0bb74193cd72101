//! The server of an app: binding, serving and shutting down.

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
use crate::panic_limit;
use crate::readiness::Readiness;
use crate::repeat_limit;
use crate::service::AppService;
use crate::service_manager;
use crate::settings::Settings;
use crate::signals::Hangups;
use crate::start_error::StartError;
#[cfg(feature = "tls")]
use crate::tls_files::{self, TlsFiles};

/// An app that is bound to its address, from [`App::bind`]. It answers requests once it is [served](Self::serve).
#[derive(Debug)]
pub struct AppServer {
    http: waxseal_server::HttpServer,
    service: AppService,
    endpoint: Endpoint,
    watcher: KeyWatcher,
    readiness: Arc<Readiness>,
    /// The servers of the pages for the operator and of those for a load balancer.
    admin: [Option<(waxseal_server::HttpServer, Admin)>; 2],
    #[cfg(feature = "tls")]
    tls: Option<TlsFiles>,
}

impl App {
    /// Binds the app to the address of `settings`. This is for a program with its own runtime, shutdown and log.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the address is taken, or in development is not a loopback address; and those of
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
        // Installed before the service creates its counters.
        let counters = settings.admin_address.and_then(|_| counters::install());
        counters::describe_process();
        let interval = settings.secret_reload_interval;
        let watcher = KeyWatcher::new(secrets, (interval > 0).then(|| Duration::from_secs(interval)));
        let service = self.service(settings, secrets.keyring()).await?;
        let (http, endpoint) = listening::listen(settings).await?;
        // A socket that was handed over has another address than the settings.
        if let Endpoint::Tcp(address) = endpoint
            && settings.development
            && !address.ip().to_canonical().is_loopback()
        {
            return Err(StartError::NotLoopback(address));
        }
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
                // These pages have a separate limit, so that visitors cannot use up the connections for monitoring.
                let http = http.limits(Limits::default().connections(64)).without_metrics();
                Ok(Some((http, Admin::new(address, sessions.clone(), readiness.clone(), private))))
            }
        };
        let private = Private::new(watcher.status(), counters);
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
    /// The address or Unix socket that it listens on. For port 0 it has the port that the system chose.
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

    /// The address of `/metrics` and `/health`, if they are served.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin[0].as_ref().and_then(|(http, _)| http.local_addr().ok())
    }

    /// The address of `/health/live` and `/health/ready` alone, if they are served.
    #[must_use]
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.admin[1].as_ref().and_then(|(http, _)| http.local_addr().ok())
    }

    /// The most connections at the same time: `Limits::connections`, or fewer if the system's limit on open files does
    /// not allow as many.
    pub(crate) fn connections(&self) -> u32 {
        self.http.connections()
    }

    /// The service that answers requests; its keys can be [changed](AppService::set_keyring).
    #[must_use]
    pub fn service(&self) -> &AppService {
        &self.service
    }

    /// Serves requests until `shutdown` completes. Requests that were sent by then are still answered: see
    /// [`waxseal_server::HttpServer::serve`].
    ///
    /// A key file is read every [`secret_reload_interval`](Settings::secret_reload_interval) seconds. New content is
    /// used once it has stayed the same for a second. If the file is unusable, or lacks the key that seals at present,
    /// it is refused: the log says why, and the old keys stay in use.
    ///
    /// # Errors
    ///
    /// [`StartError::Server`] if accepting connections fails permanently.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), StartError> {
        self.serve_until(shutdown, Hangups::none()).await
    }

    pub(crate) async fn serve_until(
        self,
        shutdown: impl Future<Output = ()>,
        hangups: Hangups,
    ) -> Result<(), StartError> {
        // All tasks in the set end when this future is dropped.
        let mut beside = JoinSet::new();
        beside.spawn(hangups.wake(&self.watcher));
        let service = self.service.clone();
        beside.spawn(self.watcher.run(move |keyring| service.set_keyring(keyring)));
        let service = self.service.clone();
        beside.spawn(async move { service.maintain().await });
        beside.spawn(async {
            // The first tick of an interval is at once, and would forget the lines of the first requests.
            let mut minutes = tokio::time::interval(repeat_limit::INTERVAL);
            minutes.reset();
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
        let sessions = self.service.sessions().clone();
        let (service, readiness) = (self.service, self.readiness);
        service_manager::notify("READY=1");
        let shutdown = async move {
            shutdown.await;
            readiness.stop();
            service_manager::notify("STOPPING=1");
        };
        // Called before the page of metrics can be asked for, and so without a gap in it.
        let serving = self.http.serve_each(move |peer| service.for_peer(peer), shutdown);
        for (http, admin) in self.admin.into_iter().flatten() {
            beside.spawn(async move {
                if let Err(error) = http.serve(admin, std::future::pending()).await {
                    tracing::error!(%error, "/metrics and /health are no longer served");
                }
            });
        }
        let served = serving.await;
        sessions.finish_ends().await;
        repeat_limit::report();
        Ok(served?)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use tokio::time::sleep;
    use tracing_subscriber::layer::SubscriberExt;
    use waxseal_crypto::SecretKey;

    use super::*;
    use crate::RepeatLimit;

    #[derive(Clone, Default)]
    struct Printed(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Printed {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Printed {
        /// The lines about ink since the last call.
        fn take(&self) -> Vec<String> {
            let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
            text.lines()
                .filter(|line| line.contains("ink"))
                .map(|line| line.trim_start().to_owned())
                .collect()
        }
    }

    /// The only unit test that serves an app: what is counted is the process's.
    #[tokio::test(start_paused = true)]
    async fn a_line_that_repeats_is_logged_once_and_then_counted_each_minute() {
        let printed = Printed::default();
        let written = printed.clone();
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).without_time().with_target(false);
        let lines = lines.map_event_format(RepeatLimit::new).with_writer(move || written.clone());
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        std::fs::write(&path, &*SecretKey::from_bytes([1; 32]).to_text()).unwrap();
        let settings = Settings { port: 0, ..Settings::default() };
        let secrets = Secrets::from_file(&path, &settings, "demo").unwrap();
        let server = App::new("demo").bind(&settings, &secrets).await.unwrap();
        let log = |times| (0..times).for_each(|_| tracing::warn!("out of ink"));
        let first = "WARN out of ink";
        let count = |repeated: u32| format!("WARN repeated lines repeated={repeated} line=\"out of ink\"");
        let minutes = async {
            log(1);
            assert_eq!(printed.take(), [first]);
            // Between two reports.
            sleep(repeat_limit::INTERVAL / 2).await;
            for (times, said, reported) in [
                (3, vec![], vec![count(3)]),
                (2, vec![], vec![count(2)]),
                (0, vec![], vec![]),
                (1, vec![first.to_owned()], vec![]),
                // The line was not repeated in the minute before, and is another one again.
                (1, vec![first.to_owned()], vec![]),
            ] {
                log(times);
                assert_eq!(printed.take(), said, "{times}");
                sleep(repeat_limit::INTERVAL).await;
                assert_eq!(printed.take(), reported, "{times}, a minute later");
            }
            log(6);
        };
        server.serve(minutes).await.unwrap();
        assert_eq!(printed.take(), [first.to_owned(), count(5)], "at the end");
    }
}
