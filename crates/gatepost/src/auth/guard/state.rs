//! What the guard remembers and how it decides. Pure: no clock, no lock.
//!
//! Per account and per network it counts failures, which fade by half every [`Rules::half_life`]. From the `free`-th
//! failure on, attempts are spaced: each takes the next free moment, later moments the more failures there are, and an
//! attempt whose moment lies beyond [`Rules::patience`] is sent away undecided. A pair of account and network that has
//! succeeded before is never spaced, until it fails [`Rules::pair_failures`] times in a row: the owner at home keeps
//! full speed while others guess at his account.

use std::time::{Duration, Instant};

use super::Tally;
use crate::auth::recent::Recent;
use crate::config::network::Network;

/// Which account an attempt is about: a keyed hash of the prepared name. Known and unknown names look alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccountKey(pub u64);

/// A keyed hash by which a wrong secret is recognised when it is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub u32);

/// Where attempts come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    /// Counted together: IPv4 /24, IPv6 /64.
    pub(super) network: Network,
    pub(super) loopback: bool,
}

/// When an attempt may be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// At once: this account has succeeded from this network before.
    Known,
    /// At once: nothing is against it.
    Now,
    /// After this long; not before.
    After(Duration),
    /// Not in a time worth waiting for: answer "try later" (454, AUTH-18), decide nothing.
    Later,
}

/// The guard's numbers.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Of one account, over all networks it does not come from.
    pub account: Spacing,
    /// Of one network (IPv4 /24, IPv6 /64), over all accounts, of each not more than its free ones. Loopback is exempt:
    /// it is a whole web mail.
    pub network: Spacing,
    /// Failures in a row after which a pair of account and network that succeeded before is a stranger again.
    pub pair_failures: u32,
    /// How long a success makes a pair known.
    pub pair_memory: Duration,
    /// Time in which failures count half.
    pub half_life: Duration,
    /// Longest time an attempt is kept waiting.
    pub patience: Duration,
}

/// How failures space the attempts that follow.
#[derive(Debug, Clone, Copy)]
pub struct Spacing {
    /// Failures that cost nothing.
    pub free: u32,
    /// Time between attempts after the first failure beyond those; doubles with each further one.
    pub first: Duration,
    /// The longest time between attempts.
    pub longest: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            // People mistype some three times; devices repeat the same wrong secret, which counts once.
            account: Spacing {
                free: 5,
                first: Duration::from_millis(500),
                longest: Duration::from_secs(8),
            },
            network: Spacing {
                free: 20,
                first: Duration::from_millis(250),
                longest: Duration::from_secs(4),
            },
            pair_failures: 10,
            pair_memory: Duration::from_secs(30 * 24 * 60 * 60),
            half_life: Duration::from_secs(15 * 60),
            // Below the time clients wait for a reply to AUTH (RFC 4954 names none; 30 s are common).
            patience: Duration::from_secs(10),
        }
    }
}

impl Spacing {
    fn after(&self, failures: u32) -> Option<Duration> {
        let beyond = failures.checked_sub(self.free)?;
        let factor = 1_u32.checked_shl(beyond).unwrap_or(u32::MAX);
        Some(self.first.saturating_mul(factor).min(self.longest))
    }
}

/// Failures of one account or network. Times are milliseconds since the guard began.
#[derive(Debug, Default)]
struct Failures {
    count: u32,
    last: u64,
    /// The next moment at which an attempt may be decided.
    free_at: u64,
    /// Wrong secrets already counted; 0 = none.
    secrets: [u32; 4],
}

#[derive(Debug, Default)]
struct Pair {
    won: u64,
    failures: u32,
}

const STRANGERS: usize = 32_768;
const KNOWN: usize = 65_536;

/// Everything the guard remembers: at most some 40 MiB, whatever names and addresses come.
#[derive(Debug)]
pub(super) struct State {
    pub(super) tally: Tally,
    rules: Rules,
    began: Instant,
    /// Accounts that have succeeded once. Apart, so that a flood of invented names cannot push them out.
    known: Recent<AccountKey, Failures>,
    strangers: Recent<AccountKey, Failures>,
    networks: Recent<Network, Failures>,
    pairs: Recent<(AccountKey, Network), Pair>,
}

impl State {
    pub(super) fn new(rules: Rules, now: Instant) -> Self {
        Self {
            tally: Tally::default(),
            rules,
            began: now,
            known: Recent::new(KNOWN),
            strangers: Recent::new(STRANGERS),
            networks: Recent::new(STRANGERS),
            pairs: Recent::new(KNOWN),
        }
    }

    /// When an attempt that begins now may be decided. Takes the moment it is given.
    pub(super) fn admit(&mut self, account: AccountKey, source: Source, now: Instant) -> Admission {
        if self.is_known(account, source, now) {
            return Admission::Known;
        }
        let at = self.millis(now);
        let rules = self.rules;
        let mut waits = 0;
        // An attempt without failures behind it must not take a place in the tables.
        if self.account(account).is_some() {
            waits = self
                .account_entry(account)
                .take_moment(&rules.account, &rules, at);
        }
        if !source.loopback && self.networks.get(&source.network).is_some() {
            waits = waits.max(self.networks.entry(source.network).take_moment(
                &rules.network,
                &rules,
                at,
            ));
        }
        match Duration::from_millis(waits) {
            Duration::ZERO => Admission::Now,
            wait if wait <= rules.patience => Admission::After(wait),
            _ => Admission::Later,
        }
    }

    pub(super) fn won(&mut self, account: AccountKey, source: Source, now: Instant) {
        let at = self.millis(now);
        *self.pairs.entry((account, source.network)) = Pair {
            won: at,
            failures: 0,
        };
        if let Some(failures) = self.strangers.remove(&account) {
            *self.known.entry(account) = failures;
        } else {
            self.known.entry(account);
        }
    }

    pub(super) fn lost(
        &mut self,
        account: AccountKey,
        source: Source,
        secret: Option<Fingerprint>,
        now: Instant,
    ) {
        let at = self.millis(now);
        let half_life = self.rules.half_life;
        if self.is_known(account, source, now) {
            self.pairs.entry((account, source.network)).failures += 1;
            return;
        }
        let rules = self.rules;
        let failures = self.account_entry(account);
        let counted = failures.count_one(secret, at, half_life);
        // Beyond its free failures an account is spaced itself; its network pays for no more of them, or one device
        // with a stale password would slow its whole office (T-11).
        if counted && failures.count <= rules.account.free && !source.loopback {
            self.networks
                .entry(source.network)
                .count_one(None, at, half_life);
        }
    }

    fn is_known(&self, account: AccountKey, source: Source, now: Instant) -> bool {
        let at = self.millis(now);
        self.pairs
            .get(&(account, source.network))
            .is_some_and(|pair| {
                pair.failures < self.rules.pair_failures
                    && Duration::from_millis(at.saturating_sub(pair.won)) < self.rules.pair_memory
            })
    }

    fn account(&self, account: AccountKey) -> Option<&Failures> {
        self.known
            .get(&account)
            .or_else(|| self.strangers.get(&account))
    }

    fn account_entry(&mut self, account: AccountKey) -> &mut Failures {
        if self.known.get(&account).is_some() {
            self.known.entry(account)
        } else {
            self.strangers.entry(account)
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Failures {
    /// Milliseconds until the next free moment, which is taken unless it lies beyond patience.
    fn take_moment(&mut self, spacing: &Spacing, rules: &Rules, at: u64) -> u64 {
        let Some(apart) = spacing.after(self.faded(at, rules.half_life)) else {
            return 0;
        };
        let moment = self.free_at.max(at);
        let wait = moment - at;
        if Duration::from_millis(wait) <= rules.patience {
            self.free_at =
                moment.saturating_add(u64::try_from(apart.as_millis()).unwrap_or(u64::MAX));
        }
        wait
    }

    /// Counts a failure, and says whether it did: the same wrong secret counts once.
    fn count_one(&mut self, secret: Option<Fingerprint>, at: u64, half_life: Duration) -> bool {
        if let Some(Fingerprint(secret)) = secret {
            if self.secrets.contains(&secret) {
                return false;
            }
            self.secrets.rotate_right(1);
            if let Some(newest) = self.secrets.first_mut() {
                *newest = secret;
            }
        }
        self.count = self.faded(at, half_life).saturating_add(1);
        self.last = at;
        true
    }

    fn faded(&self, at: u64, half_life: Duration) -> u32 {
        let halvings = u128::from(at.saturating_sub(self.last)) / half_life.as_millis().max(1);
        self.count
            .checked_shr(u32::try_from(halvings).unwrap_or(u32::MAX))
            .unwrap_or(0)
    }
}
