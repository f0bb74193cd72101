//! Finds the server that takes writes among several hosts.

use std::pin::Pin;
use std::time::Duration;

use deadpool_postgres::Connect;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, Error, Socket};

/// Tries one host after the other, each for its share of the timeout.
///
/// A host that accepts connections but does not answer, such as a primary that hangs, must not keep the store from the
/// host that replaced it. The client by itself would wait for the first.
pub(crate) struct Hosts<T> {
    /// The client's settings, one for each host; at least one.
    pub(crate) configs: Vec<Config>,
    pub(crate) tls: T,
    /// The time for each host but the last, which may take the remaining time.
    pub(crate) share: Duration,
}

type Connected = Result<(Client, JoinHandle<()>), Error>;

impl<T> Connect for Hosts<T>
where
    T: MakeTlsConnect<Socket> + Clone + Sync + Send + 'static,
    T::Stream: Sync + Send,
    T::TlsConnect: Sync + Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    fn connect(&self, _: &Config) -> Pin<Box<dyn Future<Output = Connected> + Send + '_>> {
        Box::pin(async {
            let (last, others) = self.configs.split_last().expect("a URL names a host");
            for config in others {
                if let Ok(Ok(connected)) = timeout(self.share, connect(config, self.tls.clone())).await {
                    return Ok(connected);
                }
            }
            connect(last, self.tls.clone()).await
        })
    }
}

async fn connect<T>(config: &Config, tls: T) -> Connected
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, connection) = config.connect(tls).await?;
    // The next call on this connection returns the error that ended it.
    Ok((client, tokio::spawn(async { _ = connection.await })))
}
