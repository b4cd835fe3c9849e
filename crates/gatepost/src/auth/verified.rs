//! The memory of passwords found right, so that the next login with one costs microseconds instead of a hash (T-24).
//!
//! It answers one question: did *this* secret open *this* credential within the last [`LIFETIME`]? It never says who
//! may do what: account, switch and grants are looked at anew each time. What is remembered is a keyed hash over
//! directory, account, credential and secret; a credential's number is new with every password, so that a changed
//! password is forgotten at once. Only successes are remembered.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;

use super::recent::Recent;
use crate::store::{AccountId, CredentialId};

/// How long a success is remembered.
pub const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// Successes remembered, at most twice as many; some 64 octets each.
const CAPACITY: usize = 100_000;

/// The memory.
pub struct VerifiedSecrets {
    key: hmac::Key,
    directory: u32,
    known: Mutex<Recent<Fact, Option<Instant>>>,
}

/// "This secret opens this credential", as a keyed hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fact([u8; 32]);

impl VerifiedSecrets {
    /// An empty memory under a secret key for one directory, told from others by its number.
    pub fn new(key: &[u8; 32], directory: u32) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            directory,
            known: Mutex::new(Recent::new(CAPACITY)),
        }
    }

    /// The fact that would have to be known. Every part has a fixed length but the last, so that no two facts share
    /// their octets.
    pub fn fact(&self, (account, credential): (AccountId, CredentialId), secret: &[u8]) -> Fact {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&self.directory.to_be_bytes());
        context.update(&account.to_octets());
        context.update(&credential.to_octets());
        context.update(secret);
        let mut fact = [0; 32];
        for (to, from) in fact.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        Fact(fact)
    }

    /// Whether the fact is known and fresh.
    pub fn holds(&self, fact: &Fact, now: Instant) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(fact).is_some_and(|learned| {
            learned.is_some_and(|learned| now.saturating_duration_since(learned) < LIFETIME)
        })
    }

    /// Remembers a fact just proven.
    pub fn learn(&self, fact: Fact, now: Instant) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(fact) = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(account: i64, credential: i64) -> (AccountId, CredentialId) {
        (account.into(), credential.into())
    }

    #[test]
    fn t_24_a_fact_is_about_one_credential_of_one_account_of_one_directory() {
        let memory = VerifiedSecrets::new(&[7; 32], 1);
        let now = Instant::now();
        let fact = memory.fact(of(1, 2), b"gatepost");
        memory.learn(fact, now);
        assert!(memory.holds(&fact, now));
        for (what, other) in [
            ("account", memory.fact(of(2, 2), b"gatepost")),
            ("credential", memory.fact(of(1, 3), b"gatepost")),
            ("secret", memory.fact(of(1, 2), b"gatepost ")),
            (
                "directory",
                VerifiedSecrets::new(&[7; 32], 2).fact(of(1, 2), b"gatepost"),
            ),
            (
                "key",
                VerifiedSecrets::new(&[8; 32], 1).fact(of(1, 2), b"gatepost"),
            ),
        ] {
            assert!(!memory.holds(&other, now), "{what}");
        }
    }

    #[test]
    fn t_24_a_fact_is_forgotten_after_its_lifetime_even_when_used() {
        let memory = VerifiedSecrets::new(&[7; 32], 1);
        let learned = Instant::now();
        let fact = memory.fact(of(1, 2), b"gatepost");
        memory.learn(fact, learned);
        assert!(memory.holds(&fact, learned + LIFETIME.mul_f64(0.99)));
        assert!(!memory.holds(&fact, learned + LIFETIME));
    }
}
