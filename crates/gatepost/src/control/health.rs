//! Whether the server does what it is for: what `/healthz` says.
//!
//! Fed by the same events as log and metrics. A failure of the disk or of accepting connections counts for [`REMEMBERED`], or until a
//! message has been taken: a server that gets no mail because it was found ill must have the chance to be found well.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::observe::Sink;
use crate::observe::event::Event;
use crate::observe::reason::Reason;

/// How long a failure counts.
const REMEMBERED: Duration = Duration::from_secs(60);

/// What is known of the server's health. Clones are the same; one of them is given to the observer as a sink.
#[derive(Debug, Clone, Default)]
pub struct Health {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    draining: bool,
    failures: Vec<Failure>,
    certificates: Vec<(String, SystemTime)>,
}

#[derive(Debug)]
struct Failure {
    part: &'static str,
    at: SystemTime,
    detail: String,
}

impl Health {
    /// The certificates in use: where each comes from and when it ends.
    pub fn certificates(&self, certificates: Vec<(String, SystemTime)>) {
        self.state().certificates = certificates;
    }

    /// When the first of the certificates ends.
    pub fn first_expiry(&self) -> Option<SystemTime> {
        self.state().certificates.iter().map(|(_, at)| *at).min()
    }

    /// What is wrong now; nothing when the server is well.
    pub fn faults(&self, now: SystemTime) -> Vec<String> {
        let state = self.state();
        let mut faults = Vec::new();
        if state.draining {
            faults.push("draining: the server is being stopped".to_owned());
        }
        for failure in &state.failures {
            if now
                .duration_since(failure.at)
                .is_ok_and(|age| age < REMEMBERED)
            {
                faults.push(format!("{}: {}", failure.part, failure.detail));
            }
        }
        for (file, end) in &state.certificates {
            if *end <= now {
                faults.push(format!("tls: the certificate in {file} has expired"));
            }
        }
        faults
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Health {
    fn observe(&self, at: SystemTime, event: &Event) {
        match event {
            Event::Draining(_) => self.state().draining = true,
            Event::MessageAccepted(_) => self.state().failures.retain(|it| it.part != "queue"),
            Event::Fault(fault) => {
                let serious = matches!(
                    (fault.part, fault.reason),
                    ("queue", Reason::StorageFailed | Reason::StorageFull)
                        | ("listener", Reason::LimitReached)
                );
                if serious {
                    let mut state = self.state();
                    state.failures.retain(|it| it.part != fault.part);
                    state.failures.push(Failure {
                        part: fault.part,
                        at,
                        detail: fault.detail.clone(),
                    });
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::event::{Draining, Fault};

    fn fault(part: &'static str, reason: Reason) -> Event {
        Fault {
            part,
            reason,
            detail: "it broke".to_owned(),
        }
        .into()
    }

    #[test]
    fn a_failure_counts_for_a_minute() {
        let health = Health::default();
        let now = SystemTime::now();
        assert_eq!(health.faults(now), Vec::<String>::new());
        health.observe(now, &fault("delivery", Reason::Internal));
        health.observe(now, &fault("queue", Reason::StorageFailed));
        health.observe(now, &fault("queue", Reason::StorageFull));
        assert_eq!(health.faults(now), ["queue: it broke"]);
        assert_eq!(health.faults(now + REMEMBERED), Vec::<String>::new());
        let draining = Draining {
            sessions: 0,
            limit: Duration::ZERO,
        };
        health.observe(now, &draining.into());
        assert!(health.faults(now + REMEMBERED)[0].starts_with("draining"));
    }

    #[test]
    fn an_expired_certificate_is_a_fault() {
        let health = Health::default();
        let now = SystemTime::now();
        let soon = now + Duration::from_secs(1);
        health.certificates(vec![("a.pem".to_owned(), soon), ("b.pem".to_owned(), now)]);
        assert_eq!(health.first_expiry(), Some(now));
        assert_eq!(
            health.faults(now),
            ["tls: the certificate in b.pem has expired"]
        );
    }
}
