//! Failed TLS handshakes, counted by address and apart from failed authentications (TLS-17).
//!
//! In two windows of fixed length: what failed in this one and in the one before counts. Memory is bounded by addresses per window;
//! who comes when all places are taken is not counted, which the bounds on connections have to bear.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::whole;
use crate::config::network::Network;

/// Length of a window: failures count for five to ten minutes.
const WINDOW: Duration = Duration::from_secs(5 * 60);

/// Addresses counted in one window.
const ADDRESSES: usize = 20_000;

#[derive(Debug)]
pub(super) struct FailedHandshakes {
    begun: Instant,
    now: HashMap<Network, usize>,
    before: HashMap<Network, usize>,
}

impl FailedHandshakes {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            begun: now,
            now: HashMap::new(),
            before: HashMap::new(),
        }
    }

    /// One more.
    pub(super) fn count(&mut self, peer: IpAddr, now: Instant) {
        self.turn(now);
        let peer = whole(peer);
        if self.now.len() < ADDRESSES || self.now.contains_key(&peer) {
            *self.now.entry(peer).or_default() += 1;
        }
    }

    /// How many there were lately.
    pub(super) fn of(&mut self, peer: IpAddr, now: Instant) -> usize {
        self.turn(now);
        let peer = whole(peer);
        let in_window = |window: &HashMap<Network, usize>| window.get(&peer).copied().unwrap_or(0);
        in_window(&self.now) + in_window(&self.before)
    }

    fn turn(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.begun);
        if passed < WINDOW {
            return;
        }
        self.before = std::mem::take(&mut self.now);
        if passed >= 2 * WINDOW {
            self.before = HashMap::new();
        }
        self.begun = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TLS-17: "count per IP".
    #[test]
    fn failures_count_by_address_and_are_forgotten() {
        let start = Instant::now();
        let mut failed = FailedHandshakes::new(start);
        let [one, other]: [IpAddr; 2] =
            ["192.0.2.1", "192.0.2.2"].map(|peer| peer.parse().unwrap());
        for _ in 0..5 {
            failed.count(one, start);
        }
        assert_eq!((failed.of(one, start), failed.of(other, start)), (5, 0));
        let next = start + WINDOW;
        failed.count(one, next);
        assert_eq!(failed.of(one, next), 6);
        assert_eq!(failed.of(one, next + WINDOW), 1);
        assert_eq!(failed.of(one, next + 3 * WINDOW), 0);
    }

    #[test]
    fn memory_is_bounded() {
        let now = Instant::now();
        let mut failed = FailedHandshakes::new(now);
        for number in 0..2 * ADDRESSES {
            let number = u32::try_from(number).unwrap();
            failed.count(std::net::Ipv4Addr::from(0x0a00_0000 + number).into(), now);
        }
        assert_eq!(failed.now.len(), ADDRESSES);
    }
}
