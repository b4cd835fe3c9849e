//! Hands queued mail on to the next hop.
//!
//! [`run`] leases what is due, makes one task per message ([`attempt`]) and settles the outcome of each recipient. A
//! message is with one task at a time; a task that panics gives its message back and touches nothing else, and a message
//! on which two tasks panicked is held (T-42). When told to stop, it leases nothing more and waits for the attempts under
//! way: whoever calls decides how long.
//!
//! - [`route`]: which route a recipient takes.
//! - [`next_hop`]: one smarthost, its connections and its credential; [`lane`]: whether it is being tried at the moment;
//!   `outgoing`: the form in which it gets a message; [`pool`]: connections kept open; [`credential`]: its password or certificate;
//!   [`pins`]: how it let us in before.
//! - [`outcome`]: what the end of an attempt means for the message, the recipient or the lane.
//! - [`notify`]: telling the sender.

pub mod attempt;
pub mod credential;
pub mod lane;
pub mod next_hop;
pub mod notify;
pub mod outcome;
mod outgoing;
pub mod pins;
pub mod pool;
pub mod route;

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

use self::attempt::Courier;
use self::next_hop::Connection;
use crate::config::resolved::{Config, RetrySchedule, Route};
use crate::observe::Observer;
use crate::observe::event::Fault;
use crate::observe::reason::Reason;
use crate::queue::{Lease, Queue, QueueId};

/// Messages being worked on at the same time.
const MAX_ATTEMPTS: usize = 1000;

/// Messages leased in one go.
const MAX_LEASED: usize = 64;

/// Panics on one message after which it is held.
const MAX_PANICS: u8 = 2;

/// How often idle connections are looked through.
const SWEEP: Duration = Duration::from_secs(10);

/// How long servers get to answer a farewell at the end.
const FAREWELL: Duration = Duration::from_secs(1);

/// What delivery needs of the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our name, in EHLO and in notices.
    pub hostname: String,
    /// Where mail goes.
    pub routes: Arc<[Route]>,
    /// When to try again.
    pub retry: RetrySchedule,
    /// The file that says how next hops let us in before.
    pub pins: PathBuf,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Self {
            hostname: config.hostname.clone(),
            routes: config.routes.clone().into(),
            retry: config.retry,
            pins: config.data.join(pins::FILE),
        }
    }
}

/// Delivers queued mail until `shutdown` is ready, then finishes the attempts under way. Settings may change meanwhile: they hold for
/// the attempts that come after.
pub async fn run(
    queue: Queue,
    mut settings: watch::Receiver<Settings>,
    observer: Observer,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = pin!(shutdown);
    let mut sweep = tokio::time::interval(SWEEP);
    let mut parting = JoinSet::new();
    let mut attempts = Attempts::new(
        Courier::new(
            queue.clone(),
            settings.borrow_and_update().clone(),
            observer.clone(),
        ),
        observer.clone(),
    );
    // One future, kept from turn to turn: dropped in the middle of its work it would give messages back to rest.
    let mut leasing = Box::pin(queue.lease(MAX_LEASED));
    loop {
        let has_room = attempts.running.len() + MAX_LEASED <= MAX_ATTEMPTS;
        tokio::select! {
            () = &mut shutdown => break,
            Ok(()) = settings.changed() => {
                let settings = settings.borrow_and_update().clone();
                let courier = Courier::new(queue.clone(), settings, observer.clone());
                // Attempts under way end with the courier they began with.
                let former = std::mem::replace(&mut attempts.courier, Arc::new(courier));
                part(&mut parting, former.connections().drain());
            }
            leases = &mut leasing, if has_room => {
                attempts.start_all(leases);
                leasing = Box::pin(queue.lease(MAX_LEASED));
            }
            Some(ended) = attempts.running.join_next_with_id() => attempts.end(ended),
            _ = sweep.tick() => part(&mut parting, attempts.courier.connections().expired(Instant::now())),
        }
    }
    while let Some(ended) = attempts.running.join_next_with_id().await {
        attempts.end(ended);
    }
    part(&mut parting, attempts.courier.connections().drain());
    // Nothing depends on the answers.
    let _ = tokio::time::timeout(FAREWELL, parting.join_all()).await;
}

/// Says good-bye on connections that are no longer needed, without waiting for the answers.
fn part(parting: &mut JoinSet<()>, connections: Vec<Connection>) {
    while parting.try_join_next().is_some() {}
    for connection in connections {
        parting.spawn(connection.quit());
    }
}

/// The tasks under way.
struct Attempts {
    courier: Arc<Courier>,
    observer: Observer,
    running: JoinSet<()>,
    messages: HashMap<Id, QueueId>,
    /// Messages on which tasks panicked, and how many.
    panics: HashMap<QueueId, u8>,
}

impl Attempts {
    fn new(courier: Courier, observer: Observer) -> Self {
        Self {
            courier: Arc::new(courier),
            observer,
            running: JoinSet::new(),
            messages: HashMap::new(),
            panics: HashMap::new(),
        }
    }

    fn start_all(&mut self, leases: Vec<Lease>) {
        for lease in leases {
            self.start(lease);
        }
    }

    fn start(&mut self, lease: Lease) {
        let (id, courier) = (lease.id(), Arc::clone(&self.courier));
        let is_poison = self
            .panics
            .get(&id)
            .is_some_and(|count| *count >= MAX_PANICS);
        let task = self.running.spawn(async move {
            if is_poison {
                courier.set_aside(lease).await;
            } else {
                courier.attempt(lease).await;
            }
        });
        self.messages.insert(task.id(), id);
    }

    fn end(&mut self, ended: Result<(Id, ()), JoinError>) {
        match ended {
            Ok((task, ())) => {
                if let Some(id) = self.messages.remove(&task) {
                    self.panics.remove(&id);
                }
            }
            Err(error) => {
                if let Some(id) = self.messages.remove(&error.id()) {
                    *self.panics.entry(id).or_default() += 1;
                    let detail = format!("the attempt for {id} failed: {error}");
                    self.observer.emit(Fault {
                        part: "delivery",
                        reason: Reason::Internal,
                        detail,
                    });
                }
            }
        }
    }
}
