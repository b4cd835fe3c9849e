//! Peers that have authenticated: for them connections are kept in reserve when strangers take all the others (T-38).

use std::collections::HashSet;
use std::net::IpAddr;

use super::whole;
use crate::config::network::Network;

/// Peers of one generation. Two generations are kept, so that who authenticates regularly is never forgotten.
const GENERATION: usize = 10_000;

/// The peers that authenticated last: at most twice [`GENERATION`].
#[derive(Debug, Default)]
pub(super) struct KnownPeers {
    young: HashSet<Network>,
    old: HashSet<Network>,
}

impl KnownPeers {
    /// This peer has authenticated.
    pub(super) fn insert(&mut self, peer: IpAddr) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(whole(peer));
    }

    pub(super) fn contains(&self, peer: IpAddr) -> bool {
        let peer = whole(peer);
        self.young.contains(&peer) || self.old.contains(&peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: usize) -> IpAddr {
        let number = u32::try_from(number).unwrap();
        std::net::Ipv4Addr::from(0x0a00_0000 + number).into()
    }

    #[test]
    fn who_came_last_is_known_and_memory_is_bounded() {
        let mut known = KnownPeers::default();
        for number in 0..3 * GENERATION {
            known.insert(peer(number));
        }
        assert!(!known.contains(peer(0)));
        assert!(known.contains(peer(3 * GENERATION - 1)) && known.contains(peer(GENERATION)));
        assert!(known.young.len() + known.old.len() <= 2 * GENERATION);
    }
}
