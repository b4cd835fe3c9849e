//! What the pages show of authentication: the last attempts, in a ring of bounded size.
//!
//! Fed by the same events as log and metrics; nothing is stored on disk. Attempts are numbered from 1 in the order they
//! ended, so that a page can ask for those before one it has.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::observe::Sink;
use crate::observe::event::{AuthAttempt, Event};

/// Attempts kept.
pub const ATTEMPTS: usize = 10_000;

/// One authentication attempt.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u64,
    /// When it ended.
    pub at: SystemTime,
    /// What is known of it.
    pub attempt: Arc<AuthAttempt>,
}

/// The last attempts. Clones are the same ring; one of them is given to the observer as a sink.
#[derive(Debug, Clone, Default)]
pub struct Attempts {
    ring: Arc<Mutex<Ring>>,
}

#[derive(Debug, Default)]
struct Ring {
    total: u64,
    latest: VecDeque<Attempt>,
}

impl Attempts {
    /// An empty ring.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many attempts there have been, kept or not.
    pub fn total(&self) -> u64 {
        self.ring
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .total
    }

    /// The newest attempts first, at most `limit`, and only those with a number below `before` if given.
    pub fn latest(&self, limit: usize, before: Option<u64>) -> Vec<Attempt> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = |attempt: &&Attempt| before.is_some_and(|before| attempt.number >= before);
        ring.latest
            .iter()
            .rev()
            .skip_while(newer)
            .take(limit)
            .cloned()
            .collect()
    }
}

impl Sink for Attempts {
    fn observe(&self, at: SystemTime, event: &Event) {
        let Event::AuthAttempt(attempt) = event else {
            return;
        };
        let attempt = Arc::new(attempt.clone());
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.total += 1;
        if ring.latest.len() >= ATTEMPTS {
            ring.latest.pop_front();
        }
        let number = ring.total;
        ring.latest.push_back(Attempt {
            number,
            at,
            attempt,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Observer;
    use crate::observe::event::AuthResult;
    use crate::observe::reason::Reason;

    fn attempt(authcid: String) -> AuthAttempt {
        AuthAttempt {
            peer: "192.0.2.1".parse().unwrap(),
            listener: "submission".into(),
            session: "S".into(),
            id: None,
            mechanism: "PLAIN",
            authcid: Some(authcid),
            authzid: None,
            trace: None,
            tls: None,
            result: AuthResult::Lost,
            reason: Reason::CredentialsInvalid,
            account: None,
            credential: None,
        }
    }

    #[test]
    fn the_ring_keeps_the_newest_and_counts_all() {
        let attempts = Attempts::new();
        let observer = Observer::new(vec![Box::new(attempts.clone())]);
        for number in 1..=ATTEMPTS + 5 {
            observer.emit(attempt(format!("user{number}")));
        }
        assert_eq!(attempts.total(), 10_005);
        let names = |limit, before| -> Vec<String> {
            let latest = attempts.latest(limit, before);
            latest
                .iter()
                .map(|kept| kept.attempt.authcid.clone().unwrap())
                .collect()
        };
        assert_eq!(names(2, None), ["user10005", "user10004"]);
        assert_eq!(names(2, Some(10_004)), ["user10003", "user10002"]);
        assert_eq!(names(9, Some(8)), ["user7", "user6"], "older ones are gone");
    }
}
