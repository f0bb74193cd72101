//! The hosts of a database.

use std::fmt;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// The hosts of a database with their ports, as in the URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(String);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Address {
    /// The address in messages about the app's own pool, whose hosts are not known.
    pub(crate) fn of_pool() -> Self {
        Self("the app's pool".to_owned())
    }

    pub(crate) fn of(configs: &[Config]) -> Self {
        let names: Vec<_> = configs.iter().flat_map(names).collect();
        Self(names.join(","))
    }
}

fn names(config: &Config) -> impl Iterator<Item = String> {
    let port = |at: usize| config.get_ports().get(at).or(config.get_ports().first()).unwrap_or(&5432);
    config.get_hosts().iter().enumerate().map(move |(at, host)| match host {
        Host::Tcp(host) => format!("{host}:{}", port(at)),
        #[cfg(unix)]
        Host::Unix(path) => format!("{}:{}", path.display(), port(at)),
    })
}
