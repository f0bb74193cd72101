//! From an app to a listening server.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use waxseal_keys::KeyWatcher;

use crate::admin::Admin;
use crate::settings::LogLevel;
use crate::{App, AppService, Limits, Secrets, Settings, StartError, counters};

/// An app that listens: its address is known, and nothing is answered yet; from [`App::bind`].
#[derive(Debug)]
pub struct Server {
    http: waxseal_server::HttpServer,
    service: AppService,
    address: SocketAddr,
    watcher: KeyWatcher,
    admin: Option<(waxseal_server::HttpServer, Admin)>,
}

impl App {
    /// Serves the app until Ctrl-C, or SIGTERM: with the settings of this program's flags and environment, the
    /// secret key they name, and a log on standard error. What a `main` needs and no more.
    ///
    /// A changed secret file is taken while it runs, see [`Server::serve`]; SIGHUP has it looked at now.
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
        log_to_stderr(settings.log);
        let secrets = Secrets::from_env(&settings, self.name())?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.map_err(StartError::Runtime)?.block_on(async {
            let mode = if settings.development { "development" } else { "production" };
            // Before anyone is told the address: whoever knows it may already want to stop us.
            let interruption = interruption().map_err(StartError::Runtime)?;
            let hangups = hangups().map_err(StartError::Runtime)?;
            let server = self.bind(&settings, &secrets).await?;
            for warning in secrets.warnings() {
                tracing::warn!("{warning}");
            }
            tracing::info!("secret key {secrets}: {}", secrets.roles());
            if let Some(address) = server.admin_address() {
                tracing::info!("/metrics and /health for the operator on http://{address}");
            }
            tracing::info!("{mode} server on http://{}, stop it with Ctrl-C", server.address());
            server.serve_until(interruption, hangups).await
        })
    }

    /// Listens on the address that `settings` name. For a program that has a runtime of its own, and chooses itself when
    /// to stop and what to do with the log.
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
    ///     println!("on http://{}", server.address());
    ///     server.serve(async { _ = tokio::signal::ctrl_c().await }).await
    /// }
    /// ```
    pub async fn bind(self, settings: &Settings, secrets: &Secrets) -> Result<Server, StartError> {
        let address = SocketAddr::new(settings.host, settings.port);
        if settings.development && !settings.host.is_loopback() {
            return Err(StartError::NotLoopback(address));
        }
        // Before the service asks for its counters.
        let counters = settings.admin_address.and_then(|_| counters::install());
        let interval = settings.secret_reload_interval;
        let watcher = KeyWatcher::new(secrets, (interval > 0).then(|| Duration::from_secs(interval)));
        let service = self.service(settings, secrets.keyring()).await?;
        let http = match settings.share_port {
            true => waxseal_server::HttpServer::bind_shared(address)?,
            false => waxseal_server::HttpServer::bind(address).await?,
        };
        let http = http.limits(service.limits());
        let address = http.local_addr()?;
        let admin = match settings.admin_address {
            None => None,
            Some(address) => {
                let failed = |source| StartError::Admin { address, source };
                let http = waxseal_server::HttpServer::bind(address).await.map_err(failed)?;
                // An operator and their monitoring: what visitors have no room for is not for them either.
                let http = http.limits(Limits::default().connections(64));
                let sessions = service.sessions().clone();
                Some((http, Admin::new(address, watcher.status(), counters, sessions)))
            }
        };
        Ok(Server { http, service, address, watcher, admin })
    }
}

impl Server {
    /// Where it listens, with the port that the system chose if it was asked to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it serves `/metrics` and `/health`, if it does.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(|(http, _)| http.local_addr().ok())
    }

    /// The service that answers, to be called or to have its keys [changed](AppService::set_keyring).
    #[must_use]
    pub fn service(&self) -> &AppService {
        &self.service
    }

    /// Answers until `shutdown` is ready; then requests that were sent by then are answered and may finish: see
    /// [`waxseal_server::HttpServer::serve`].
    ///
    /// Keys from a file are looked at every [`secret_reload_interval`](Settings::secret_reload_interval) and changed
    /// with it, once it has been the same for a second. One that cannot be used, or lacks the key that seals, is
    /// refused; the log says why, and the old keys work on.
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
        if let Some((http, admin)) = self.admin {
            beside.spawn(async move {
                if let Err(error) = http.serve(admin, std::future::pending()).await {
                    tracing::error!(%error, "/metrics and /health are no longer served");
                }
            });
        }
        Ok(self.http.serve(self.service, shutdown).await?)
    }
}

/// Requests from outside, by SIGHUP, to read the secret file now.
struct Hangups {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    fn none() -> Self {
        Self {
            #[cfg(unix)]
            signal: None,
        }
    }

    /// Makes the watcher read the file at each of them; never ends.
    fn wake(mut self, watcher: &KeyWatcher) -> impl Future<Output = ()> + use<> {
        let (has_file, status, waker) = (watcher.has_file(), watcher.status(), watcher.waker());
        async move {
            loop {
                self.next().await;
                let source = status.report().source;
                if has_file {
                    tracing::info!("SIGHUP: looking at the secret keys {source}");
                    waker.notify_one();
                } else {
                    tracing::warn!(
                        "SIGHUP: the secret keys are {source}, which cannot change for a running process; \
                         restart it, or keep the keys in a file and set SECRET_KEY_FILE"
                    );
                }
            }
        }
    }

    /// Ready at the next one.
    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}

#[cfg(unix)]
fn hangups() -> io::Result<Hangups> {
    use tokio::signal::unix::{SignalKind, signal};
    Ok(Hangups { signal: Some(signal(SignalKind::hangup())?) })
}

#[cfg(not(unix))]
fn hangups() -> io::Result<Hangups> {
    Ok(Hangups::none())
}

fn log_to_stderr(level: LogLevel) {
    let level = match level {
        LogLevel::Error => tracing::Level::ERROR,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Debug => tracing::Level::DEBUG,
        LogLevel::Trace => tracing::Level::TRACE,
    };
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_ansi(colours);
    // A program that set up its own log keeps it.
    let _ = tracing::subscriber::set_global_default(log.with_target(false).finish());
}

/// Ready at Ctrl-C or SIGTERM, both of which from now on do nothing else.
#[cfg(unix)]
fn interruption() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping; requests in flight may finish");
    })
}

#[cfg(not(unix))]
fn interruption() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
        tracing::info!("stopping; requests in flight may finish");
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn run_inside_a_runtime_is_an_error_that_says_what_to_write() {
        let error = App::new("demo").run().unwrap_err();
        insta::assert_snapshot!(error, @"`App::run` starts a tokio runtime of its own and was called inside one; call it from a `main` that is no `async fn` and has no `#[tokio::main]`, or use `App::bind` and `Server::serve`, which run on yours");
    }
}
