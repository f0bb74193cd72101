//! The proxies that are trusted.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::network::Network;
use crate::peer::Peer;
use crate::setup_error::SetupError;

/// The proxies whose information about a client is believed: addresses, networks, and programs at the server's Unix
/// socket.
///
/// Whoever can connect from one of them can claim any address for a client.
///
/// # Example
///
/// ```
/// use waxseal_server::{Peer, TrustedProxies};
///
/// let proxies: TrustedProxies = "127.0.0.1, 10.0.0.0/8, unix".parse()?;
/// assert!(proxies.contains(Peer::Unix));
/// assert!(proxies.contains_ip("10.1.2.3".parse().unwrap()));
/// # Ok::<(), waxseal_server::SetupError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<Network>,
    unix: bool,
}

impl TrustedProxies {
    /// No proxy at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns `true` if no proxy is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    /// Returns `true` if every address of a kind is one of them, as with `0.0.0.0/0`. Any visitor can then claim any address.
    #[must_use]
    pub fn contains_all(&self) -> bool {
        self.networks.iter().any(Network::is_all)
    }

    /// Returns `true` if the peer of a connection is one of them.
    #[must_use]
    pub fn contains(&self, peer: Peer) -> bool {
        match peer {
            Peer::Address(address) => self.contains_ip(address.ip()),
            Peer::Unix => self.unix,
        }
    }

    /// Returns `true` if this address belongs to one of them.
    #[must_use]
    pub fn contains_ip(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(address))
    }
}

/// Parses a list with commas. An empty list names no proxy.
impl FromStr for TrustedProxies {
    type Err = SetupError;

    fn from_str(text: &str) -> Result<Self, SetupError> {
        let mut proxies = Self::none();
        for name in text.split(',').map(str::trim).filter(|_| !text.trim().is_empty()) {
            match name {
                "unix" => proxies.unix = true,
                _ => proxies.networks.push(name.parse()?),
            }
        }
        Ok(proxies)
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks = self.networks.iter().map(ToString::to_string);
        let all: Vec<_> = networks.chain(self.unix.then(|| "unix".to_owned())).collect();
        f.write_str(&all.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_each_proxy_once_it_is_well_formed() {
        let proxies: TrustedProxies = " 127.0.0.1,10.0.0.0/8 , ::1".parse().unwrap();
        for (address, trusted) in
            [("127.0.0.1", true), ("::ffff:10.0.0.1", true), ("::1", true), ("127.0.0.2", false)]
        {
            assert_eq!(proxies.contains_ip(address.parse().unwrap()), trusted, "{address}");
        }
        assert!(!proxies.contains(Peer::Unix) && !proxies.is_empty());
        assert!("".parse::<TrustedProxies>().unwrap().is_empty());
        assert_eq!(proxies.to_string(), "127.0.0.1/32,10.0.0.0/8,::1/128");
        for text in ["127.0.0.1,", "*", "127.0.0.1;::1", "Unix"] {
            assert!(text.parse::<TrustedProxies>().is_err(), "{text}");
        }
    }
}
