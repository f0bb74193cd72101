//! The number of connections of each address.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::log_limit::LogLimit;

/// How many bits of an IPv6 address identify a customer's network. Within it a client can use any address.
const NETWORK_BITS: u32 = 64;

/// Counts the connections of each address, up to a limit.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    /// 0 for no limit.
    most: u32,
    /// The number of open connections of each network.
    counts: Arc<Mutex<HashMap<IpAddr, u32>>>,
    refusals: Arc<LogLimit>,
}

/// A connection that is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Counted(Option<(Addresses, IpAddr)>);

impl Addresses {
    pub(crate) fn new(most: u32) -> Self {
        Self { most, counts: Arc::default(), refusals: Arc::default() }
    }

    /// Counts a connection of `address`. `None` if the address has reached the limit.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Counted> {
        if self.most == 0 {
            return Some(Counted::exempt());
        }
        let network = network(address);
        let mut counts = self.lock();
        let count = counts.entry(network).or_insert(0);
        if *count >= self.most {
            if let Some(refused) = self.refusals.note() {
                let most = self.most;
                tracing::warn!(%address, most, refused, "connections closed: their address has as many as it may");
            }
            return None;
        }
        *count += 1;
        Some(Counted(Some((self.clone(), network))))
    }

    /// The counts are consistent whenever the lock is released.
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    /// A connection to which no limit applies.
    pub(crate) fn exempt() -> Self {
        Self(None)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Some((addresses, network)) = self.0.take() else { return };
        if let Place::Occupied(mut place) = addresses.lock().entry(network) {
            *place.get_mut() -= 1;
            if *place.get() == 0 {
                place.remove();
            }
        }
    }
}

/// The address that represents its whole network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> NETWORK_BITS << NETWORK_BITS).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_own_limit_and_gets_back_what_it_lets_go() {
        let addresses = Addresses::new(2);
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        let first = addresses.enter(one);
        let second = addresses.enter(one);
        assert!(first.is_some() && second.is_some());
        assert!(addresses.enter(one).is_none());
        assert!(addresses.enter(other).is_some());
        drop(first);
        let third = addresses.enter(one);
        assert!(third.is_some() && addresses.enter(one).is_none());
        drop((second, third));
        assert!(addresses.lock().is_empty(), "nothing is kept of who left");
    }

    #[test]
    fn what_one_client_can_choose_is_one_address() {
        for (one, other, same) in [
            ("2001:db8::1", "2001:db8::ffff:2", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
        ] {
            let addresses = Addresses::new(1);
            let _first = addresses.enter(address(one)).unwrap();
            assert_eq!(addresses.enter(address(other)).is_none(), same, "{one} and {other}");
        }
    }

    #[test]
    fn no_limit_counts_nothing() {
        let addresses = Addresses::new(0);
        let _all: Vec<_> = (0..1000).map(|_| addresses.enter(address("192.0.2.1")).unwrap()).collect();
        assert!(addresses.lock().is_empty());
    }
}
