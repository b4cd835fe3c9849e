//! A network in CIDR notation.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An IPv4 or IPv6 network, such as `192.168.7.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is not a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkFault {
    /// The part before `/` is not an IP address.
    #[error("not an IP address; write it like 192.168.7.0/24 or fd00::/8")]
    Address,
    /// The part after `/` is not a number the address family knows.
    #[error("the prefix length must be 0 to 32 for IPv4 and 0 to 128 for IPv6")]
    Prefix,
    /// Bits after the prefix are set, so that the writer may have meant another network.
    #[error("bits after the prefix length are set; did you mean {0}?")]
    HostBits(Network),
}

impl Network {
    /// The network of `prefix` bits that `address` is in. IPv4-mapped IPv6 addresses count as IPv4; a longer prefix than the
    /// family has is the single address.
    pub fn around(address: IpAddr, prefix: u8) -> Self {
        let address = address.to_canonical();
        let prefix = prefix.min(bits(address));
        Self {
            address: masked(address, prefix),
            prefix,
        }
    }

    /// Whether the address is inside. IPv4-mapped IPv6 addresses count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }

    /// Number of leading bits all addresses of the network share.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether it is a network of IPv4 addresses.
    pub fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }
}

impl FromStr for Network {
    type Err = NetworkFault;

    fn from_str(text: &str) -> Result<Self, NetworkFault> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkFault::Address)?;
        let longest = bits(address);
        let prefix = match prefix {
            Some(digits) => digits.parse().map_err(|_| NetworkFault::Prefix)?,
            None => longest,
        };
        if prefix > longest {
            return Err(NetworkFault::Prefix);
        }
        let network = Self {
            address: masked(address, prefix),
            prefix,
        };
        if network.address == address {
            Ok(network)
        } else {
            Err(NetworkFault::HostBits(network))
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let drop = u32::from(bits(address).saturating_sub(prefix));
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(drop).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(drop).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_own_addresses_only() {
        for (network, inside, outside) in [
            ("192.168.7.0/24", "192.168.7.255", "192.168.8.0"),
            ("192.168.7.0/24", "::ffff:192.168.7.9", "::ffff:10.0.0.1"),
            ("0.0.0.0/0", "8.8.8.8", "2001:db8::1"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.2"),
        ] {
            let parsed: Network = network.parse().unwrap();
            assert!(
                parsed.contains(inside.parse().unwrap()),
                "{network} {inside}"
            );
            assert!(
                !parsed.contains(outside.parse().unwrap()),
                "{network} {outside}"
            );
        }
    }

    #[test]
    fn what_is_not_a_network_is_explained() {
        assert_eq!("router".parse::<Network>(), Err(NetworkFault::Address));
        assert_eq!("10.0.0.0/33".parse::<Network>(), Err(NetworkFault::Prefix));
        let fault = "192.168.7.1/24".parse::<Network>().unwrap_err();
        assert!(fault.to_string().contains("192.168.7.0/24"), "{fault}");
    }
}
