//! How many connections may be open: in total, from one address, from one network (T-38).
//!
//! A connection holds a [`Permit`] as long as it lives. Loopback peers count in total only: they are local programs, often a web mail
//! with all its users behind it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::network::Network;
use crate::config::resolved::Limits;
use crate::observe::reason::Reason;

/// Counts open connections. Cloning is cheap; clones count together.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    total: usize,
    per_address: usize,
    per_network: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    // An address is the network of its full length.
    counts: HashMap<Network, usize>,
}

/// The right to have one connection open; dropping it gives it back.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    peer: IpAddr,
}

impl ConnectionLimits {
    /// Nothing open yet.
    pub fn new(limits: &Limits) -> Self {
        Self {
            shared: Arc::new(Shared {
                total: limits.connections,
                per_address: limits.connections_per_address,
                per_network: limits.connections_per_network,
                open: Mutex::default(),
            }),
        }
    }

    /// A permit for one more connection from this peer, or why there is none.
    pub fn admit(&self, peer: IpAddr) -> Result<Permit, Reason> {
        let shared = &self.shared;
        let mut open = shared.open();
        let bounds = bounds(peer);
        let full = |(network, per_address): &(Network, bool)| {
            let limit = if *per_address {
                shared.per_address
            } else {
                shared.per_network
            };
            open.counts
                .get(network)
                .is_some_and(|&count| count >= limit)
        };
        if open.total >= shared.total || bounds.iter().flatten().any(full) {
            return Err(Reason::TooManyConnections);
        }
        open.total += 1;
        for (network, _) in bounds.into_iter().flatten() {
            *open.counts.entry(network).or_default() += 1;
        }
        drop(open);
        Ok(Permit {
            shared: Arc::clone(shared),
            peer,
        })
    }

    /// Number of open connections.
    pub fn open(&self) -> usize {
        self.shared.open().total
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.shared.open();
        open.total = open.total.saturating_sub(1);
        for (network, _) in bounds(self.peer).into_iter().flatten() {
            if let Entry::Occupied(mut count) = open.counts.entry(network) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
    }
}

/// What a peer counts towards: its address (`true`) and the network that one customer usually has (`false`).
fn bounds(peer: IpAddr) -> [Option<(Network, bool)>; 2] {
    let peer = peer.to_canonical();
    if peer.is_loopback() {
        return [None, None];
    }
    let neighbours = if peer.is_ipv4() { 24 } else { 64 };
    [
        Some((Network::around(peer, u8::MAX), true)),
        Some((Network::around(peer, neighbours), false)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(total: usize, address: usize, network: usize) -> ConnectionLimits {
        ConnectionLimits::new(&Limits {
            connections: total,
            connections_per_address: address,
            connections_per_network: network,
            ..Limits::default()
        })
    }

    /// T-38: each bound holds by itself, and a closed connection makes room.
    #[test]
    fn each_bound_refuses_by_itself() {
        for (limits, peers) in [
            (
                limits(2, 9, 9),
                ["192.0.2.1", "198.51.100.1", "203.0.113.1"],
            ),
            (
                limits(9, 2, 9),
                ["192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1"],
            ),
            (limits(9, 9, 2), ["192.0.2.1", "192.0.2.2", "192.0.2.3"]),
            (
                limits(9, 9, 2),
                ["2001:db8::1", "2001:db8::2:0:0:1", "2001:db8::3"],
            ),
        ] {
            let [first, second, third] = peers.map(|peer| peer.parse().unwrap());
            let held = limits.admit(first).unwrap();
            let _second = limits.admit(second).unwrap();
            assert_eq!(
                limits.admit(third).unwrap_err(),
                Reason::TooManyConnections,
                "{peers:?}"
            );
            drop(held);
            limits.admit(third).unwrap();
        }
    }

    #[test]
    fn loopback_counts_in_total_only() {
        let limits = limits(3, 1, 1);
        let permits: Vec<_> = (0..3)
            .map(|_| limits.admit("127.0.0.1".parse().unwrap()).unwrap())
            .collect();
        assert!(limits.admit("127.0.0.1".parse().unwrap()).is_err());
        assert_eq!(limits.open(), 3);
        drop(permits);
        assert_eq!(limits.open(), 0);
        assert!(limits.shared.open().counts.is_empty());
    }
}
