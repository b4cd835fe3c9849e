//! The guard against guessing: who has failed how often, and who therefore waits.
//!
//! **Contract.** Each exchange opens a [`Ticket`]. When its account is known it is admitted, waits as long as it is
//! told, and only then is anything decided. The ticket is settled by value, exactly once: won, lost or aborted;
//! dropping it is aborting. A guess is charged when it is judged, not when its reply is read, so that hanging up early
//! saves an attacker nothing.
//!
//! **Fairness.** Waiting never reveals whether a name exists. No network is shut out for one account, no owner for the
//! guesses of others: see [`Rules`]. Memory is bounded; what is forgotten first is what never succeeded.

mod state;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::config::network::Network;
use state::{Source, State};

pub use state::{AccountKey, Admission, Fingerprint, Rules, Spacing};

/// The guard's memory. Clones are the same guard.
#[derive(Debug, Clone)]
pub struct Guard {
    state: Arc<Mutex<State>>,
}

impl Guard {
    /// A guard that has seen nothing.
    pub fn new(rules: Rules, now: Instant) -> Self {
        Self {
            state: Arc::new(Mutex::new(State::new(rules, now))),
        }
    }

    /// Begins watching one exchange of a peer.
    pub fn open(&self, peer: IpAddr) -> Ticket {
        self.state().tally.opened += 1;
        Ticket {
            guard: self.clone(),
            source: Source {
                network: network(peer),
                loopback: peer.to_canonical().is_loopback(),
            },
            account: None,
            settled: false,
        }
    }

    /// How many tickets were opened and how they were settled.
    pub fn tally(&self) -> Tally {
        self.state().tally
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The network an address counts with: IPv4 /24, IPv6 /64.
pub fn network(peer: IpAddr) -> Network {
    let prefix = if peer.to_canonical().is_ipv4() {
        24
    } else {
        64
    };
    Network::around(peer, prefix)
}

/// Counts of tickets. Those that are open are the difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Exchanges begun.
    pub opened: u64,
    /// Ended by proof.
    pub won: u64,
    /// Ended by a wrong guess.
    pub lost: u64,
    /// Ended without a judgement.
    pub aborted: u64,
}

/// One exchange under the guard's eyes. Must be settled; dropping it settles it as aborted.
#[derive(Debug)]
#[must_use = "a ticket that is dropped counts as aborted"]
pub struct Ticket {
    guard: Guard,
    source: Source,
    account: Option<AccountKey>,
    settled: bool,
}

impl Ticket {
    /// Names the account and asks when the attempt may be decided. Asked again about the same account within one
    /// exchange, as by mechanisms of several questions, the answer is always now.
    pub fn admit(&mut self, account: AccountKey, now: Instant) -> Admission {
        if self.account == Some(account) {
            return Admission::Now;
        }
        self.account = Some(account);
        self.guard.state().admit(account, self.source, now)
    }

    /// The client proved itself.
    pub fn won(mut self, now: Instant) {
        self.settled = true;
        let mut state = self.guard.state();
        state.tally.won += 1;
        if let Some(account) = self.account {
            state.won(account, self.source, now);
        }
    }

    /// The client tried and failed; `secret` recognises what it tried, where that can be told.
    pub fn lost(mut self, secret: Option<Fingerprint>, now: Instant) {
        self.settled = true;
        let mut state = self.guard.state();
        state.tally.lost += 1;
        if let Some(account) = self.account {
            state.lost(account, self.source, secret, now);
        }
    }

    /// Nothing was judged: cancelled, disconnected, malformed, or we could not answer.
    pub fn aborted(self) {
        drop(self);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.settled {
            self.guard.state().tally.aborted += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const OWNER: AccountKey = AccountKey(1);

    struct Bench {
        guard: Guard,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            let now = Instant::now();
            Self {
                guard: Guard::new(Rules::default(), now),
                now,
            }
        }

        fn admit(&self, from: &str, account: AccountKey) -> (Ticket, Admission) {
            let mut ticket = self.guard.open(from.parse().unwrap());
            let admission = ticket.admit(account, self.now);
            (ticket, admission)
        }

        fn lose(&self, from: &str, account: AccountKey, secret: u32) -> Admission {
            let (ticket, admission) = self.admit(from, account);
            ticket.lost(Some(Fingerprint(secret)), self.now);
            admission
        }

        fn win(&self, from: &str, account: AccountKey) {
            self.admit(from, account).0.won(self.now);
        }
    }

    #[test]
    fn a_ticket_is_settled_in_one_of_three_ways() {
        let bench = Bench::new();
        bench.win("192.0.2.1", OWNER);
        bench.lose("192.0.2.1", OWNER, 1);
        bench.admit("192.0.2.1", OWNER).0.aborted();
        drop(bench.admit("192.0.2.1", OWNER));
        let open = bench.admit("192.0.2.1", OWNER);
        assert_eq!(
            bench.guard.tally(),
            Tally {
                opened: 5,
                won: 1,
                lost: 1,
                aborted: 2
            }
        );
        drop(open);
    }

    #[test]
    fn t_10_failures_beyond_the_free_ones_space_what_follows() {
        let bench = Bench::new();
        for secret in 1..=5 {
            assert_eq!(bench.lose("192.0.2.1", OWNER, secret), Admission::Now);
        }
        assert_eq!(
            bench.lose("192.0.2.1", OWNER, 6),
            Admission::Now,
            "the first moment is free"
        );
        let waits: Vec<_> = (7..11)
            .map(|secret| bench.lose("192.0.2.1", OWNER, secret))
            .collect();
        let after = |ms| Admission::After(Duration::from_millis(ms));
        // Each attempt pushes the next moment on by a spacing that has doubled, and 8.5 s + 8 s is beyond patience.
        assert_eq!(waits, [after(500), after(1500), after(3500), after(7500)]);
        assert_eq!(bench.lose("192.0.2.1", OWNER, 11), Admission::Later);
    }

    #[test]
    fn t_10_parallel_attempts_share_the_moments() {
        let bench = Bench::new();
        for secret in 1..=5 {
            bench.lose("192.0.2.1", OWNER, secret);
        }
        let open: Vec<_> = (0..40).map(|_| bench.admit("192.0.2.1", OWNER)).collect();
        let decided = open
            .iter()
            .filter(|(_, admission)| *admission != Admission::Later)
            .count();
        // 10 s of patience at one attempt per 500 ms.
        assert_eq!(decided, 21);
    }

    #[test]
    fn t_10_the_same_wrong_secret_counts_once() {
        let bench = Bench::new();
        for _ in 0..1000 {
            assert_eq!(bench.lose("192.0.2.1", OWNER, 7), Admission::Now);
        }
    }

    #[test]
    fn t_10_a_network_that_fails_at_many_names_is_spaced_and_its_neighbour_is_not() {
        let bench = Bench::new();
        for name in 0..25 {
            bench.lose("192.0.2.1", AccountKey(100 + name), 1);
        }
        assert!(matches!(
            bench.admit("192.0.2.200", OWNER).1,
            Admission::After(_)
        ));
        assert_eq!(bench.admit("192.0.3.1", OWNER).1, Admission::Now);
    }

    #[test]
    fn t_11_the_owner_at_home_keeps_full_speed_while_others_guess() {
        let bench = Bench::new();
        bench.win("198.51.100.7", OWNER);
        for secret in 1..100 {
            bench.lose("192.0.2.1", OWNER, secret);
        }
        assert_ne!(bench.admit("192.0.2.1", OWNER).1, Admission::Now);
        assert_eq!(bench.admit("198.51.100.7", OWNER).1, Admission::Known);
    }

    #[test]
    fn t_11_no_network_is_slowed_for_one_account() {
        let bench = Bench::new();
        for _ in 0..1000 {
            // As CRAM-MD5 and SCRAM: whether it is the same wrong secret again cannot be told.
            bench
                .admit("192.0.2.1", AccountKey(100))
                .0
                .lost(None, bench.now);
        }
        assert_eq!(
            bench.admit("192.0.2.1", AccountKey(100)).1,
            Admission::Later
        );
        assert_eq!(bench.admit("192.0.2.1", OWNER).1, Admission::Now);
    }

    #[test]
    fn a_known_pair_that_only_fails_becomes_a_stranger() {
        let bench = Bench::new();
        bench.win("198.51.100.7", OWNER);
        for secret in 0..10 {
            bench.lose("198.51.100.7", OWNER, 1000 + secret);
        }
        let admissions: Vec<_> = (0..11)
            .map(|secret| bench.lose("198.51.100.7", OWNER, secret + 1))
            .collect();
        assert!(admissions.contains(&Admission::Later), "{admissions:?}");
    }

    #[test]
    fn failures_fade() {
        let mut bench = Bench::new();
        for secret in 1..=9 {
            bench.lose("192.0.2.1", OWNER, secret);
        }
        assert_ne!(bench.admit("192.0.2.1", OWNER).1, Admission::Now);
        bench.now += Duration::from_secs(15 * 60);
        assert_eq!(bench.admit("192.0.2.1", OWNER).1, Admission::Now);
        assert_eq!(
            bench.admit("192.0.2.1", OWNER).1,
            Admission::Now,
            "nine fade to four, which are free"
        );
    }

    #[test]
    fn t_11_a_flood_of_invented_names_do_not_push_out_what_is_known() {
        let bench = Bench::new();
        bench.win("198.51.100.7", OWNER);
        for secret in 1..=9 {
            bench.lose("192.0.2.1", OWNER, secret);
        }
        for name in 0..100_000_u64 {
            let address = format!("10.{}.{}.1", name >> 8 & 0xff, name & 0xff);
            bench.lose(&address, AccountKey(1_000 + name), 1);
        }
        assert_eq!(bench.admit("198.51.100.7", OWNER).1, Admission::Known);
        bench.admit("203.0.113.9", OWNER).0.aborted();
        assert_ne!(
            bench.admit("203.0.113.9", OWNER).1,
            Admission::Now,
            "its failures are remembered"
        );
    }
}
