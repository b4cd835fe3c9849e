//! The memory of DIGEST-MD5 exchanges that clients may take up again (RFC 2831 §2.2; DIG-20).
//!
//! A nonce is good for a further authentication only within the time that is configured, counted from the first one, and each count
//! once (T-18). What is remembered beyond that only spares a user the question for his password. Bounded, and empty after a restart:
//! what is forgotten costs a client one round trip.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use gatepost_sasl::{ExchangeId, ResumableExchanges, TakenUp};

use super::recent::Recent;

/// Exchanges remembered, at most twice as many; some 64 octets each.
const CAPACITY: usize = 4096;

/// The memory.
#[derive(Debug)]
pub(super) struct RecentExchanges {
    /// How long after its first use a nonce is good for others; never when absent.
    within: Option<Duration>,
    known: Mutex<Recent<ExchangeId, Option<Last>>>,
}

/// The last use of a nonce.
#[derive(Debug, Clone, Copy)]
struct Last {
    count: u32,
    /// When it was used first.
    since: Instant,
}

impl RecentExchanges {
    /// An empty memory.
    pub(super) fn new(within: Option<Duration>) -> Self {
        Self {
            within,
            known: Mutex::new(Recent::new(CAPACITY)),
        }
    }

    fn remember_at(&self, exchange: ExchangeId, now: Instant) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(exchange) = Some(Last {
            count: 1,
            since: now,
        });
    }

    fn take_up_at(&self, exchange: ExchangeId, count: u32, now: Instant) -> TakenUp {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = known.get(&exchange).copied().flatten() else {
            return TakenUp::Unknown;
        };
        let young = |within| now.saturating_duration_since(last.since) < within;
        if !self.within.is_some_and(young) || last.count.checked_add(1) != Some(count) {
            return TakenUp::Stale;
        }
        *known.entry(exchange) = Some(Last { count, ..last });
        TakenUp::Next
    }
}

impl ResumableExchanges for RecentExchanges {
    fn remember(&self, exchange: ExchangeId) {
        self.remember_at(exchange, Instant::now());
    }

    fn take_up(&self, exchange: ExchangeId, count: u32) -> TakenUp {
        self.take_up_at(exchange, count, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn id(number: u32) -> ExchangeId {
        let mut octets = [0; 32];
        octets[..4].copy_from_slice(&number.to_be_bytes());
        octets.into()
    }

    // DIG-20, T-18.
    #[test]
    fn dig_20_t_18_each_count_is_good_once_and_in_order_while_the_nonce_is_young() {
        let (memory, now) = (RecentExchanges::new(Some(5 * MINUTE)), Instant::now());
        memory.remember_at(id(1), now);
        for (count, later, expected) in [
            (1, 0, TakenUp::Stale),
            (3, 0, TakenUp::Stale),
            (2, 1, TakenUp::Next),
            (2, 1, TakenUp::Stale),
            (3, 4, TakenUp::Next),
            // Counted from the first use.
            (4, 5, TakenUp::Stale),
        ] {
            let taken = memory.take_up_at(id(1), count, now + later * MINUTE);
            assert_eq!(taken, expected, "{count} after {later} minutes");
        }
        assert_eq!(memory.take_up_at(id(2), 2, now), TakenUp::Unknown);
    }

    #[test]
    fn without_a_time_nothing_is_taken_up_and_no_user_asked_again() {
        let (memory, now) = (RecentExchanges::new(None), Instant::now());
        memory.remember_at(id(1), now);
        assert_eq!(memory.take_up_at(id(1), 2, now), TakenUp::Stale);
        assert_eq!(memory.take_up_at(id(2), 2, now), TakenUp::Unknown);
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let (memory, now) = (RecentExchanges::new(Some(MINUTE)), Instant::now());
        for number in 0..50_000 {
            memory.remember_at(id(number), now);
        }
        assert!(memory.known.lock().unwrap().len() <= 2 * CAPACITY);
        assert_eq!(memory.take_up_at(id(0), 2, now), TakenUp::Unknown);
        assert_eq!(memory.take_up_at(id(49_999), 2, now), TakenUp::Next);
    }
}
