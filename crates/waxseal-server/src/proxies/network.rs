//! A network of addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::setup_error::SetupError;

/// An address, and how many of its bits identify the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Returns `true` if it contains all addresses of its kind.
    pub(super) fn is_all(&self) -> bool {
        self.bits == 0
    }

    /// Returns `true` if the network contains `address`, which must be in canonical form.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        start(address, self.bits) == Some(self.address)
    }
}

/// The first address of the network with this many bits. `None` if the address has fewer bits.
fn start(address: IpAddr, bits: u8) -> Option<IpAddr> {
    let bits = u32::from(bits);
    Some(match address {
        IpAddr::V4(address) => {
            let host = Ipv4Addr::BITS.checked_sub(bits)?;
            Ipv4Addr::from_bits(address.to_bits() & u32::MAX.checked_shl(host).unwrap_or(0)).into()
        }
        IpAddr::V6(address) => {
            let host = Ipv6Addr::BITS.checked_sub(bits)?;
            Ipv6Addr::from_bits(address.to_bits() & u128::MAX.checked_shl(host).unwrap_or(0)).into()
        }
    })
}

impl FromStr for Network {
    type Err = SetupError;

    fn from_str(text: &str) -> Result<Self, SetupError> {
        let unknown = || SetupError::ProxyAddress(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| unknown())?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let Some(bits) = bits else {
            let address = address.to_canonical();
            return Ok(Self { address, bits: if address.is_ipv4() { 32 } else { 128 } });
        };
        // `parse` would accept a plus sign.
        let digits = bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits: u8 = bits.parse().ok().filter(|bits| digits && *bits <= all).ok_or_else(unknown)?;
        let network = start(address, bits).ok_or_else(unknown)?;
        if network != address {
            return Err(SetupError::ProxyNetwork {
                found: text.to_owned(),
                meant: format!("{network}/{bits}"),
            });
        }
        // In the form in which addresses are compared: `::ffff:10.0.0.0/104` is 10.0.0.0/8.
        Ok(match (network, network.to_canonical()) {
            (IpAddr::V6(_), canonical @ IpAddr::V4(_)) if bits >= 96 => {
                Self { address: canonical, bits: bits - 96 }
            }
            _ => Self { address: network, bits },
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_the_addresses_of_its_prefix() {
        for (network, address, inside) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "a00::1", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("192.0.2.1/32", "192.0.2.1", true),
        ] {
            let found: Network = network.parse().unwrap();
            assert_eq!(found.contains(address.parse().unwrap()), inside, "{address} in {network}");
        }
    }

    #[test]
    fn what_is_no_network_is_said() {
        for text in [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "::/129",
            "10.0.0/8",
            "localhost",
            "a/8",
            "::1/256",
        ] {
            let error = text.parse::<Network>().unwrap_err();
            assert!(matches!(&error, SetupError::ProxyAddress(found) if found == text), "{text}: {error}");
        }
        let error = "10.0.0.1/8".parse::<Network>().unwrap_err();
        assert_eq!(error.to_string(), "`10.0.0.1/8` has bits behind its prefix; write 10.0.0.0/8");
    }
}
