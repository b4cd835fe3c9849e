//! Who is who: answers the questions mechanisms ask, guards against guessing, and says which mechanisms to announce.
//!
//! Whoever speaks a protocol asks [`Authenticator::mechanisms`] what to announce, opens an [`exchange::Exchange`] for
//! each attempt and knows nothing else of this module. Behind it: the guard (who waits), the directory (who knows), the
//! hash pool (who computes), the memory of verified secrets.
//!
//! Standards: RFC 4422 §3, RFC 4954 §4 and §9.

pub mod account_grant;
pub mod certificate;
pub mod channel;
pub mod directories;
pub mod directory;
pub mod exchange;
pub mod guard;
pub mod guests;
pub mod hash;
pub mod kerberos;
mod recent;
mod resumable;
pub mod store_directory;
pub mod token;
pub mod verified;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatepost_sasl::{Authcid, Mechanism, Needs, Question, mechanism};

use crate::store::LookupName;
use channel::Channel;
use directory::Directory;
use guard::{AccountKey, Fingerprint, Guard, Rules};
use resumable::RecentExchanges;

/// The authentication service. Clones are the same service.
#[derive(Clone)]
pub struct Authenticator {
    inner: Arc<Inner>,
    exchanges: Arc<RecentExchanges>,
}

struct Inner {
    hostname: String,
    directory: Box<dyn Directory>,
    guard: Guard,
    /// Keyed anew in each process, so that nobody can choose names or secrets that fall together.
    keys: RandomState,
}

impl Authenticator {
    /// A service that asks `directory`; `hostname` appears in CRAM-MD5 challenges.
    pub fn new(hostname: &str, directory: Box<dyn Directory>, rules: Rules) -> Self {
        let guard = Guard::new(rules, Instant::now());
        let inner = Inner {
            hostname: hostname.to_owned(),
            directory,
            guard,
            keys: RandomState::new(),
        };
        Self {
            inner: Arc::new(inner),
            exchanges: Arc::new(RecentExchanges::new(None)),
        }
    }

    /// With clients of DIGEST-MD5 that authenticate again within this time by the nonce of the first time; never when absent.
    #[must_use]
    pub fn resuming_within(self, time: Option<Duration>) -> Self {
        Self {
            exchanges: Arc::new(RecentExchanges::new(time)),
            ..self
        }
    }

    /// The mechanisms to announce on such a channel: permitted there, and completed by at least one account. Strongest
    /// first, those that show the password behind them and what proves nothing last, because simple clients take the first one they
    /// know (CAP-08).
    pub fn mechanisms(&self, channel: &Channel) -> Vec<&'static Mechanism> {
        let mut announced: Vec<_> = mechanism::ALL
            .iter()
            .copied()
            .filter(|mechanism| self.offers(mechanism, channel))
            .collect();
        announced.sort_by_key(|mechanism| {
            (
                mechanism.needs == Needs::Nothing,
                mechanism.exposes_password,
            )
        });
        announced
    }

    /// The guard, for its tally.
    pub fn guard(&self) -> &Guard {
        &self.inner.guard
    }

    fn offers(&self, mechanism: &Mechanism, channel: &Channel) -> bool {
        channel.permits(mechanism) && self.inner.directory.completes(mechanism, channel)
    }

    /// Whether a mechanism that binds to the channel is announced (RFC 5802 §6).
    fn offers_bound(&self, channel: &Channel) -> bool {
        mechanism::ALL
            .iter()
            .any(|mechanism| mechanism.binds_channel && self.offers(mechanism, channel))
    }

    fn hostname(&self) -> &str {
        &self.inner.hostname
    }

    fn exchanges(&self) -> Arc<RecentExchanges> {
        Arc::clone(&self.exchanges)
    }

    fn directory(&self) -> &dyn Directory {
        &*self.inner.directory
    }

    fn account_key(&self, authcid: &Authcid) -> AccountKey {
        AccountKey(
            self.inner
                .keys
                .hash_one(LookupName::prepare(authcid.as_str())),
        )
    }

    /// What recognises the secret of a question when it is tried again; none where the mechanism does not show it.
    fn fingerprint(&self, question: &Question) -> Option<Fingerprint> {
        let Question::Password { password, .. } = question else {
            return None;
        };
        let hash = self.inner.keys.hash_one(password.expose());
        // Half of the hash, so that the guard's memory helps nobody to check guesses; zero stands for none there.
        Some(Fingerprint(
            u32::try_from(hash >> 32).unwrap_or_default() | 1,
        ))
    }
}
