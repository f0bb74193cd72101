//! From an app to a listening server.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use waxseal_http::Clock;

use crate::settings::LogLevel;
use crate::{App, AppService, Secrets, Settings, StartError};

/// An app that listens: its address is known, and nothing is answered yet; from [`App::bind`].
#[derive(Debug)]
pub struct Server {
    http: waxseal_http::Server,
    service: AppService,
    address: SocketAddr,
}

impl App {
    /// Serves the app until Ctrl-C, or SIGTERM: with the settings of this program's flags and environment, the
    /// secret key they name, and a log on standard error. What a `main` needs and no more.
    ///
    /// # Errors
    ///
    /// [`StartError`] says what was found and what to do.
    pub fn run(self) -> Result<(), StartError> {
        let settings = Settings::from_args();
        log_to_stderr(settings.log);
        let secrets = Secrets::from_env(&settings, self.name())?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.map_err(StartError::Runtime)?.block_on(async {
            let mode = if settings.development { "development" } else { "production" };
            // Before anyone is told the address: whoever knows it may already want to stop us.
            let interruption = interruption().map_err(StartError::Runtime)?;
            let server = self.bind(&settings, &secrets).await?;
            for warning in secrets.warnings() {
                tracing::warn!("{warning}");
            }
            tracing::info!("secret key {secrets}");
            tracing::info!("{mode} server on http://{}, stop it with Ctrl-C", server.address());
            server.serve(interruption).await
        })
    }

    /// Listens on the address that `settings` name.
    ///
    /// # Errors
    ///
    /// [`StartError`]: the address is taken, or none of this machine's in development; and those of
    /// [`service`](Self::service).
    pub async fn bind(self, settings: &Settings, secrets: &Secrets) -> Result<Server, StartError> {
        let address = SocketAddr::new(settings.host, settings.port);
        if settings.development && !settings.host.is_loopback() {
            return Err(StartError::NotLoopback(address));
        }
        let service = self.service_at(settings, secrets.keyring(), Clock::system())?;
        let http = waxseal_http::Server::bind(address).await?.limits(service.limits());
        let address = http.local_addr()?;
        Ok(Server { http, service, address })
    }
}

impl Server {
    /// Where it listens, with the port that the system chose if it was asked to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` is ready; then requests in flight may finish.
    ///
    /// # Errors
    ///
    /// [`StartError::Server`] if accepting fails for good.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), StartError> {
        Ok(self.http.serve(self.service, shutdown).await?)
    }
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
