//! Signals of the operating system.

use std::future::Future;
use std::io;

use waxseal_keys::KeyWatcher;

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

/// Waits for Ctrl-C or SIGTERM, which then no longer end the program by themselves.
#[cfg(unix)]
pub(crate) fn interruption() -> io::Result<impl Future<Output = ()>> {
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
pub(crate) fn interruption() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
        tracing::info!("stopping; requests in flight may finish");
    })
}
