//! Signals of the operating system.

use std::future::Future;
use std::io;

use tokio::sync::oneshot;
use waxseal_keys::KeyWatcher;

const STOPPING: &str = "stopping; requests in flight may finish";
const STOPPING_AT_ONCE: &str = "Ctrl-C while stopping: what is still open is dropped";

/// SIGHUP, with which an operator makes the server read the secret file at once.
pub(crate) struct Hangups {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    /// Waits for no signal, for a program that handles signals itself.
    pub(crate) fn none() -> Self {
        Self {
            #[cfg(unix)]
            signal: None,
        }
    }

    /// Listens for the signal, which then no longer ends the program.
    #[cfg(unix)]
    pub(crate) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { signal: Some(signal(SignalKind::hangup())?) })
    }

    #[cfg(not(unix))]
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self::none())
    }

    /// Makes the watcher read its file at each signal. Never ends.
    pub(crate) fn wake(mut self, watcher: &KeyWatcher) -> impl Future<Output = ()> + use<> {
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

    /// Waits for the next signal.
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

/// Waits for Ctrl-C or SIGTERM, which then no longer end the program by themselves. Once one has come, the second future
/// waits for Ctrl-C: somebody does not want to wait for requests in flight.
///
/// It does not wait for SIGTERM, which programs send twice without meaning more by it: `timeout` sends it to the program
/// and to its group.
#[cfg(unix)]
pub(crate) fn interruptions() -> io::Result<(impl Future<Output = ()>, impl Future<Output = ()>)> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (stopping, stopped) = oneshot::channel();
    let first = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("{STOPPING}");
        let _ = stopping.send(interrupt);
    };
    let second = async move {
        let Ok(mut interrupt) = stopped.await else { return std::future::pending().await };
        interrupt.recv().await;
        tracing::warn!("{STOPPING_AT_ONCE}");
    };
    Ok((first, second))
}

#[cfg(not(unix))]
pub(crate) fn interruptions() -> io::Result<(impl Future<Output = ()>, impl Future<Output = ()>)> {
    let (stopping, stopped) = oneshot::channel();
    let first = async move {
        let _ = tokio::signal::ctrl_c().await;
        tracing::info!("{STOPPING}");
        let _ = stopping.send(());
    };
    let second = async move {
        if stopped.await.is_err() {
            return std::future::pending().await;
        }
        let _ = tokio::signal::ctrl_c().await;
        tracing::warn!("{STOPPING_AT_ONCE}");
    };
    Ok((first, second))
}
