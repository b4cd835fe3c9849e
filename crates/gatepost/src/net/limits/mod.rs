//! How many connections may be open: in total, from one address, from one network (T-38).
//!
//! A connection holds a [`Permit`] as long as it lives. Loopback peers count in total only: they are local programs, often a web mail
//! with all its users behind it. The last tenth of all connections is for peers that have authenticated before, so that a flood of
//! strangers does not shut out who belongs here. An address whose TLS handshakes keep failing gets no more connections for a while
//! (TLS-17), unless someone behind it has authenticated.

mod handshakes;
mod known;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::config::network::Network;
use crate::config::resolved::Limits;
use crate::observe::reason::Reason;
use handshakes::FailedHandshakes;
use known::KnownPeers;

/// Counts open connections. Cloning is cheap; clones count together.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    bounds: Bounds,
    total: usize,
    // An address is the network of its full length.
    counts: HashMap<Network, usize>,
    known: KnownPeers,
    handshakes: FailedHandshakes,
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    total: usize,
    per_address: usize,
    per_network: usize,
    failed_handshakes: usize,
}

/// The right to have one connection open; dropping it gives it back.
#[derive(Debug)]
pub struct Permit {
    limits: ConnectionLimits,
    /// Whose it is; none while a proxy has not said so.
    peer: Option<IpAddr>,
}

impl ConnectionLimits {
    /// Nothing open yet.
    pub fn new(limits: &Limits) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                bounds: Bounds::from(limits),
                total: 0,
                counts: HashMap::new(),
                known: KnownPeers::default(),
                handshakes: FailedHandshakes::new(Instant::now()),
            })),
        }
    }

    /// Other bounds from now on. What is open stays open.
    pub fn change(&self, limits: &Limits) {
        self.state().bounds = Bounds::from(limits);
    }

    /// A permit for one more connection from this peer, or why there is none.
    pub fn admit(&self, peer: IpAddr) -> Result<Permit, Reason> {
        let mut permit = self.admit_unnamed()?;
        permit.name(peer)?;
        Ok(permit)
    }

    /// A permit for a connection whose peer a proxy has yet to name.
    pub fn admit_unnamed(&self) -> Result<Permit, Reason> {
        let mut state = self.state();
        if state.total >= state.bounds.total {
            return Err(Reason::TooManyConnections);
        }
        state.total += 1;
        drop(state);
        Ok(Permit {
            limits: self.clone(),
            peer: None,
        })
    }

    /// This peer has authenticated.
    pub fn proven(&self, peer: IpAddr) {
        self.state().known.insert(peer);
    }

    /// A TLS handshake of this peer failed.
    pub fn handshake_failed(&self, peer: IpAddr) {
        self.state().handshakes.count(peer, Instant::now());
    }

    /// Number of open connections.
    pub fn open(&self) -> usize {
        self.state().total
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Counts the connection as this peer's; why not, where it must not be. Done once.
    pub fn name(&mut self, peer: IpAddr) -> Result<(), Reason> {
        self.limits.state().take_place(peer)?;
        self.peer = Some(peer);
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limits.state().give_place_back(self.peer);
    }
}

impl State {
    /// The connection that asks is part of the total already.
    fn take_place(&mut self, peer: IpAddr) -> Result<(), Reason> {
        let shares = shares(peer);
        let stranger = !(shares.is_empty() || self.known.contains(peer));
        if stranger && self.total > self.bounds.total - self.bounds.total / 10 {
            return Err(Reason::TooManyConnections);
        }
        let limits = [self.bounds.per_address, self.bounds.per_network];
        let full = |(network, limit): (&Network, usize)| {
            self.counts
                .get(network)
                .is_some_and(|&count| count >= limit)
        };
        if shares.iter().zip(limits).any(full) {
            return Err(Reason::TooManyConnections);
        }
        if stranger && self.handshakes.of(peer, Instant::now()) >= self.bounds.failed_handshakes {
            return Err(Reason::TooManyHandshakes);
        }
        for network in shares {
            *self.counts.entry(network).or_default() += 1;
        }
        Ok(())
    }

    fn give_place_back(&mut self, peer: Option<IpAddr>) {
        self.total = self.total.saturating_sub(1);
        for network in peer.map(shares).unwrap_or_default() {
            if let Entry::Occupied(mut count) = self.counts.entry(network) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
    }
}

impl From<&Limits> for Bounds {
    fn from(limits: &Limits) -> Self {
        Self {
            total: limits.connections,
            per_address: limits.connections_per_address,
            per_network: limits.connections_per_network,
            failed_handshakes: limits.failed_handshakes,
        }
    }
}

/// What a peer counts towards: its address, and the network that one customer usually has. Nothing for a loopback peer.
fn shares(peer: IpAddr) -> Vec<Network> {
    let peer = peer.to_canonical();
    if peer.is_loopback() {
        return Vec::new();
    }
    let neighbours = if peer.is_ipv4() { 24 } else { 64 };
    vec![
        Network::around(peer, u8::MAX),
        Network::around(peer, neighbours),
    ]
}

/// A peer as it is remembered: an IPv4 address, or the IPv6 /64 that one customer has.
fn whole(peer: IpAddr) -> Network {
    Network::around(
        peer,
        if peer.to_canonical().is_ipv4() {
            32
        } else {
            64
        },
    )
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
        assert!(limits.state().counts.is_empty());
    }

    /// T-38: "reserve for known-good".
    #[test]
    fn the_last_tenth_is_for_peers_that_have_authenticated() {
        let limits = limits(20, 99, 99);
        let [stranger, friend]: [IpAddr; 2] =
            ["192.0.2.1", "203.0.113.1"].map(|peer| peer.parse().unwrap());
        limits.proven(friend);
        let mut held: Vec<_> = (0..18).map(|_| limits.admit(stranger).unwrap()).collect();
        assert!(limits.admit(stranger).is_err());
        held.push(limits.admit(friend).unwrap());
        held.push(limits.admit("127.0.0.1".parse().unwrap()).unwrap());
        assert!(limits.admit(friend).is_err());
        assert_eq!(limits.open(), 20);
    }

    /// TLS-17, T-38: handshake floods.
    #[test]
    fn failing_handshakes_cost_a_stranger_its_connections() {
        let limits = ConnectionLimits::new(&Limits {
            failed_handshakes: 3,
            ..Limits::default()
        });
        let peers = ["192.0.2.1", "192.0.2.2", "127.0.0.1"];
        let [flood, friend, local]: [IpAddr; 3] = peers.map(|peer| peer.parse().unwrap());
        limits.proven(friend);
        for _ in 0..3 {
            limits.admit(flood).unwrap();
            for peer in [flood, friend, local] {
                limits.handshake_failed(peer);
            }
        }
        assert_eq!(limits.admit(flood).unwrap_err(), Reason::TooManyHandshakes);
        limits.admit(friend).unwrap();
        limits.admit(local).unwrap();
    }

    /// PRX-05: a connection counts as the proxied address's as soon as that is known.
    #[test]
    fn a_permit_is_named_later_behind_a_proxy() {
        let limits = limits(9, 1, 9);
        let peer = "192.0.2.1".parse().unwrap();
        let [mut one, mut two] = [(); 2].map(|()| limits.admit_unnamed().unwrap());
        one.name(peer).unwrap();
        assert_eq!(two.name(peer).unwrap_err(), Reason::TooManyConnections);
        drop(two);
        assert_eq!(limits.open(), 1);
        drop(one);
        limits.admit(peer).unwrap();
    }

    #[test]
    fn other_bounds_hold_for_what_comes() {
        let limits = limits(9, 9, 9);
        let peer = "192.0.2.1".parse().unwrap();
        let _held = [(); 2].map(|()| limits.admit(peer).unwrap());
        limits.change(&Limits {
            connections_per_address: 2,
            ..Limits::default()
        });
        assert!(limits.admit(peer).is_err());
    }
}
