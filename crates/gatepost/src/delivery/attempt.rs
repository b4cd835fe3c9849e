//! One attempt at one message: every recipient that is due is tried once, and the outcomes are settled together.
//!
//! Order matters for safety: notices about failures are on stable storage before the failures are settled, and nothing is
//! settled before it happened. A crash anywhere repeats something (an attempt, a notice) and loses nothing.
//!
//! What a paused lane means: when it is unreachable, messages are postponed by their own schedule and expire in the end; that is no
//! attempt, and none is reported. When it refuses us, messages are given back to the queue untouched, as if they had not been leased.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gatepost_client::Recipient;

use super::Settings;
use super::lane::{FaultKind, LaneFault};
use super::next_hop::{Connections, End, HopFacts, NextHop};
use super::notify::{self, Notifier};
use super::outcome::{Blame, Outcome, Verdict};
use super::pins::PinFile;
use super::route::{self, Origin};
use crate::config::resolved::{RetrySchedule, Route, RouteAction};
use crate::message::dsn::{Diagnostic, Report};
use crate::observe::Observer;
use crate::observe::event::{DeliveryAttempt, DeliveryOutcome, Fault};
use crate::observe::reason::Reason;
use crate::queue::engine::LeasedRecipient;
use crate::queue::schedule::{self, Next};
use crate::queue::{Lease, Queue, RecipientOutcome};

/// Recipients in one transaction: what every server must take (RFC 5321 §4.5.3.1.8).
const RECIPIENTS: usize = 100;

/// When a message is looked at again after its next hop refused us.
const REFUSED_US: Duration = Duration::from_secs(5 * 60);

/// When a message is looked at again after its failure could not be recorded.
const NOT_RECORDED: Duration = Duration::from_secs(60);

/// The longest an attempt at one recipient group may take, beside a rate of [`SLOWEST`].
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Octets per second below which a transfer is given up.
const SLOWEST: u64 = 8 * 1024;

/// Makes attempts.
pub struct Courier {
    queue: Queue,
    routes: Arc<[Route]>,
    /// The next hop of each route, where it has one.
    hops: Vec<Option<NextHop>>,
    retry: RetrySchedule,
    connections: Arc<Connections>,
    notifier: Notifier,
    observer: Observer,
}

/// A recipient after its try.
struct Tried {
    outcome: Outcome,
    hop: HopFacts,
    effort: Effort,
    duration: Duration,
}

/// Whether a recipient was tried at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effort {
    Made,
    /// The next hop is known to be down: nothing was tried.
    Spared,
    /// The next hop is known to refuse us: nothing was tried, and the message stays as it is.
    Untouched,
}

impl Courier {
    /// A courier for these settings.
    pub fn new(queue: Queue, settings: Settings, observer: Observer) -> Self {
        let connections = Arc::new(Connections::new());
        let pins = Arc::new(PinFile::new(settings.pins, observer.clone()));
        let hop = |route: &Route| match &route.action {
            RouteAction::Smarthost(smarthost) => Some(NextHop::new(
                smarthost.clone(),
                settings.hostname.clone(),
                Arc::clone(&connections),
                Arc::clone(&pins),
                observer.clone(),
            )),
            RouteAction::Hold | RouteAction::Capture => None,
        };
        let notifier = Notifier {
            queue: queue.clone(),
            hostname: settings.hostname.clone(),
            routes: Arc::clone(&settings.routes),
            observer: observer.clone(),
        };
        let hops = settings.routes.iter().map(hop).collect();
        Self {
            queue,
            routes: settings.routes,
            hops,
            retry: settings.retry,
            connections,
            notifier,
            observer,
        }
    }

    /// The connections kept open.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Tries every recipient of the lease once.
    pub async fn attempt(&self, lease: Lease) {
        let mut tried: Vec<Option<Tried>> = lease.recipients().iter().map(|_| None).collect();
        for (number, places) in self.groups(&lease) {
            for places in places.chunks(RECIPIENTS) {
                for (place, one) in places
                    .iter()
                    .zip(self.try_group(&lease, number, places).await)
                {
                    if let Some(slot) = tried.get_mut(*place) {
                        *slot = Some(one);
                    }
                }
            }
        }
        if tried
            .iter()
            .flatten()
            .all(|one| one.effort == Effort::Untouched)
        {
            // Dropping the lease gives the message back as it was.
            return;
        }
        self.conclude(lease, tried.into_iter().flatten().collect())
            .await;
    }

    /// Holds a message that made attempts panic.
    pub async fn set_aside(&self, lease: Lease) {
        let outcome = Outcome::ours(
            Verdict::Stopped,
            Reason::Internal,
            "4.3.0",
            "attempts at this message fail inside the program",
        );
        let tried = lease
            .recipients()
            .iter()
            .map(|_| Tried::untried(outcome.clone()))
            .collect();
        self.conclude(lease, tried).await;
    }

    /// Places of recipients by their route, in the order of the first recipient of each.
    fn groups(&self, lease: &Lease) -> Vec<(Option<usize>, Vec<usize>)> {
        let origin = Origin::from(lease.envelope());
        let mut groups: Vec<(Option<usize>, Vec<usize>)> = Vec::new();
        for (place, recipient) in lease.recipients().iter().enumerate() {
            let choose = if recipient.released {
                route::choose_released
            } else {
                route::choose
            };
            let number = choose(&self.routes, origin, &recipient.forward_path);
            match groups.iter_mut().find(|(known, _)| *known == number) {
                Some((_, places)) => places.push(place),
                None => groups.push((number, vec![place])),
            }
        }
        groups
    }

    /// One transaction, or what takes its place: one result per recipient.
    async fn try_group(
        &self,
        lease: &Lease,
        number: Option<usize>,
        places: &[usize],
    ) -> Vec<Tried> {
        let route = number
            .and_then(|number| Some((&self.routes.get(number)?.action, self.hops.get(number)?)));
        match route {
            Some((_, Some(hop))) => self.try_hop(lease, hop, places).await,
            Some((RouteAction::Capture, None)) => same(
                places,
                Reason::Captured,
                "a route captures mail for this recipient",
            ),
            Some((_, None)) => same(
                places,
                Reason::Held,
                "a route holds mail for this recipient",
            ),
            None => same(places, Reason::Held, "no route fits this recipient"),
        }
    }

    async fn try_hop(&self, lease: &Lease, hop: &NextHop, places: &[usize]) -> Vec<Tried> {
        let started = Instant::now();
        let recipients: Vec<Recipient> = places
            .iter()
            .filter_map(|place| lease.recipients().get(*place))
            .map(|one| Recipient {
                path: one.forward_path.clone(),
                notify: one.params.notify,
                original_recipient: one.params.original_recipient.clone(),
            })
            .collect();
        let limit = LONGEST + Duration::from_secs(lease.size() / SLOWEST);
        let (hop, outcomes, effort) =
            match tokio::time::timeout(limit, hop.deliver(lease, &recipients)).await {
                Err(_) => {
                    let slow = Outcome::ours(
                        Verdict::Transient,
                        Reason::Timeout,
                        "4.4.2",
                        "the next hop took too long",
                    );
                    (HopFacts::default(), vec![slow; places.len()], Effort::Made)
                }
                Ok(attempted) => match attempted.end {
                    End::Answered(outcomes) => (attempted.hop, outcomes, Effort::Made),
                    End::Failed(Blame::Message(outcome)) => {
                        (attempted.hop, vec![outcome; places.len()], Effort::Made)
                    }
                    End::Failed(Blame::Lane(fault)) => (
                        attempted.hop,
                        vec![of_lane(&fault); places.len()],
                        Effort::Made,
                    ),
                    End::Paused(fault) => (
                        attempted.hop,
                        vec![of_lane(&fault); places.len()],
                        match fault.kind {
                            FaultKind::Down => Effort::Spared,
                            FaultKind::Broken => Effort::Untouched,
                        },
                    ),
                },
            };
        let duration = started.elapsed();
        outcomes
            .into_iter()
            .map(|outcome| Tried {
                outcome,
                hop: hop.clone(),
                effort,
                duration,
            })
            .collect()
    }

    /// Decides what becomes of each recipient, tells the sender, and settles.
    async fn conclude(&self, lease: Lease, tried: Vec<Tried>) {
        let mut concluded: Vec<(Tried, RecipientOutcome)> = lease
            .recipients()
            .iter()
            .zip(tried)
            .map(|(recipient, one)| self.decide(recipient, one))
            .collect();
        let reports: Vec<Report> = lease
            .recipients()
            .iter()
            .zip(&concluded)
            .filter_map(|one| self.report(one))
            .collect();
        if let Err(error) = self.notifier.tell(&lease, &reports).await {
            // Nobody has been told, so nothing has failed yet; what has been passed on cannot be taken back.
            let detail = format!("the notice about {} cannot be queued: {error}", lease.id());
            self.observer.emit(Fault {
                part: "delivery",
                reason: Reason::StorageFailed,
                detail,
            });
            for (one, outcome) in &mut concluded {
                if let RecipientOutcome::Bounced { diagnostic } = outcome {
                    one.outcome.verdict = Verdict::Transient;
                    *outcome = RecipientOutcome::Deferred {
                        after: NOT_RECORDED,
                        diagnostic: std::mem::take(diagnostic),
                        delay_told: false,
                    };
                } else if let RecipientOutcome::Deferred { delay_told, .. }
                | RecipientOutcome::Postponed { delay_told, .. } = outcome
                {
                    *delay_told = false;
                }
            }
        }
        let events: Vec<DeliveryAttempt> = lease
            .recipients()
            .iter()
            .zip(&concluded)
            .filter(|(_, (tried, outcome))| {
                let is_postponed = matches!(outcome, RecipientOutcome::Postponed { .. });
                tried.effort == Effort::Made || !is_postponed
            })
            .map(|(recipient, ended)| event(&lease, recipient, ended))
            .collect();
        let (id, outcomes) = (
            lease.id(),
            concluded.into_iter().map(|(_, outcome)| outcome).collect(),
        );
        if let Err(error) = self.queue.settle(lease, outcomes).await {
            let detail = format!("the outcome of {id} is not on stable storage: {error}");
            self.observer.emit(Fault {
                part: "delivery",
                reason: Reason::StorageFailed,
                detail,
            });
        }
        for event in events {
            self.observer.emit(event);
        }
    }

    /// What the sender is told about a recipient, if anything.
    fn report(
        &self,
        (recipient, (tried, outcome)): (&LeasedRecipient, &(Tried, RecipientOutcome)),
    ) -> Option<Report> {
        let fate = notify::fate(recipient, outcome, tried.hop.dsn, &self.retry)?;
        let diagnostic = match tried.outcome.verdict {
            // Between the operator and the next hop; the text may name a credential (DSN-03).
            Verdict::LaneBroken => Diagnostic::Ours("the next server is not available".to_owned()),
            _ => tried.outcome.diagnostic.clone(),
        };
        Some(Report {
            recipient: recipient.forward_path.address().clone(),
            original: recipient.params.original_recipient.clone(),
            fate,
            status: tried.outcome.status.clone(),
            next_hop: tried.hop.name.as_deref().map(server),
            diagnostic,
        })
    }

    fn decide(&self, recipient: &LeasedRecipient, tried: Tried) -> (Tried, RecipientOutcome) {
        let diagnostic = tried.outcome.text().to_owned();
        match tried.outcome.verdict {
            Verdict::Delivered => (tried, RecipientOutcome::Delivered),
            Verdict::Permanent => (tried, RecipientOutcome::Bounced { diagnostic }),
            Verdict::Stopped => (tried, RecipientOutcome::Held { diagnostic }),
            Verdict::LaneBroken => (
                tried,
                // What the next hop has against us is not held against the recipient.
                RecipientOutcome::Postponed {
                    after: REFUSED_US,
                    diagnostic,
                    ages: false,
                    delay_told: notify::tells_delay(recipient, &self.retry),
                },
            ),
            Verdict::Transient => {
                let (failed, waited) = (recipient.attempts.saturating_add(1), recipient.waited);
                let next = match tried.effort {
                    Effort::Made => schedule::after_failure(&self.retry, failed, waited, jitter()),
                    _ => schedule::after_pause(&self.retry, waited, jitter()),
                };
                match next {
                    Next::Retry(after) if tried.effort == Effort::Made => (
                        tried,
                        RecipientOutcome::Deferred {
                            after,
                            diagnostic,
                            delay_told: notify::tells_delay(recipient, &self.retry),
                        },
                    ),
                    Next::Retry(after) => (
                        tried,
                        RecipientOutcome::Postponed {
                            after,
                            diagnostic,
                            ages: true,
                            delay_told: notify::tells_delay(recipient, &self.retry),
                        },
                    ),
                    Next::GiveUp => {
                        let outcome = tried.outcome.clone().expired();
                        (
                            Tried { outcome, ..tried },
                            RecipientOutcome::Bounced { diagnostic },
                        )
                    }
                }
            }
        }
    }
}

impl Tried {
    fn untried(outcome: Outcome) -> Self {
        Self {
            outcome,
            hop: HopFacts::default(),
            effort: Effort::Made,
            duration: Duration::ZERO,
        }
    }
}

fn same(places: &[usize], reason: Reason, words: &str) -> Vec<Tried> {
    places
        .iter()
        .map(|_| Tried::untried(Outcome::ours(Verdict::Stopped, reason, "4.0.0", words)))
        .collect()
}

/// What trouble with a lane means for a recipient on it.
fn of_lane(fault: &LaneFault) -> Outcome {
    let (verdict, status) = match fault.kind {
        FaultKind::Down => (Verdict::Transient, "4.4.1"),
        FaultKind::Broken => (Verdict::LaneBroken, "4.7.0"),
    };
    Outcome::ours(verdict, fault.reason, status, fault.text.clone())
}

/// Spreads retries; without randomness they only come together.
fn jitter() -> u32 {
    getrandom::u32().unwrap_or_default()
}

/// The name of a next hop without its port.
fn server(name: &str) -> String {
    name.rsplit_once(':')
        .map_or(name, |(host, _)| host)
        .to_owned()
}

fn event(
    lease: &Lease,
    recipient: &LeasedRecipient,
    (tried, outcome): &(Tried, RecipientOutcome),
) -> DeliveryAttempt {
    DeliveryAttempt {
        id: lease.id().to_string(),
        recipient: recipient.forward_path.address().to_string(),
        next_hop: tried.hop.name.clone(),
        attempt: recipient.attempts.saturating_add(1),
        outcome: match outcome {
            RecipientOutcome::Delivered => DeliveryOutcome::Delivered,
            RecipientOutcome::Deferred { .. } | RecipientOutcome::Postponed { .. } => {
                DeliveryOutcome::Deferred
            }
            RecipientOutcome::Bounced { .. } => DeliveryOutcome::Bounced,
            RecipientOutcome::Held { .. } => DeliveryOutcome::Held,
        },
        reason: tried.outcome.reason,
        reply: Some(tried.outcome.text().to_owned()).filter(|text| !text.is_empty()),
        mechanism: tried.hop.mechanism,
        tls: tried.hop.tls.clone(),
        duration: tried.duration,
    }
}
