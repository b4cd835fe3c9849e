//! A queue, delivery running on it, and the events it tells.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use gatepost::config::pattern::Pattern;
use gatepost::config::resolved::{
    HostPort, RetrySchedule, Route, RouteAction, RouteAuth, RouteMatch, RouteTls, SecretFile,
    Smarthost as Target,
};
use gatepost::delivery::{self, Settings};
use gatepost::observe::event::{DeliveryAttempt, Event, Fault};
use gatepost::observe::{Observer, Sink};
use gatepost::policy::actor::Actor;
use gatepost::policy::relay::{self, RelayGrants};
use gatepost::queue::engine::Engine;
use gatepost::queue::spool::Spool;
use gatepost::queue::storage::FileStorage;
use gatepost::queue::{
    AuthFacts, EntryState, Envelope, ListQuery, Queue, QueueId, SpoolOptions, SubmissionFacts,
};
use gatepost_sasl::{Authcid, Grant, Identity, Outcome, mechanism};
use gatepost_smtp::params::{Body, Submitter};
use gatepost_smtp::path::{ForwardPath, ReversePath};
use tokio::io::AsyncReadExt as _;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::smarthost::Smarthost;

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// Delivery at work.
pub(super) struct World {
    pub(super) queue: Queue,
    directory: Directory,
    events: mpsc::UnboundedReceiver<Event>,
    /// Events that were passed over while another was waited for.
    passed: Vec<Event>,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
}

struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Ears(mpsc::UnboundedSender<Event>);

impl Sink for Ears {
    fn observe(&self, _: SystemTime, event: &Event) {
        let _ = self.0.send(event.clone());
    }
}

/// A route to these ports of this machine, one after the other, without TLS or credential.
pub(super) fn route_to(ports: &[u16]) -> Route {
    let hosts = ports
        .iter()
        .map(|port| HostPort {
            host: "127.0.0.1".to_owned(),
            port: *port,
        })
        .collect();
    let target = Target {
        hosts,
        tls: RouteTls::None,
        ca: None,
        auth: None,
        send_auth_param: true,
    };
    Route {
        matches: RouteMatch::default(),
        action: RouteAction::Smarthost(target),
    }
}

/// A route with a credential, whose password is in a file of its own.
pub(super) fn route_with_password(
    hop: &Smarthost,
    directory: &Path,
    user: &str,
    content: &str,
) -> Route {
    let password_file = directory.join("password");
    std::fs::write(&password_file, content).unwrap();
    let mut route = route_to(&[hop.port()]);
    if let RouteAction::Smarthost(target) = &mut route.action {
        target.auth = Some(RouteAuth {
            mechanism: None,
            user: user.to_owned(),
            secret: SecretFile::Password(password_file),
            certificate: None,
            terms: Box::default(),
        });
    }
    route
}

/// A route that keeps notices where tests can read them.
pub(super) fn capture_notices() -> Route {
    Route {
        matches: RouteMatch {
            sender: Some(Pattern::new("")),
            ..RouteMatch::default()
        },
        action: RouteAction::Capture,
    }
}

impl World {
    pub(super) fn start(routes: impl FnOnce(&Path) -> Vec<Route>) -> Self {
        Self::start_with(|_| {}, routes)
    }

    pub(super) fn start_with(
        adjust: impl FnOnce(&mut RetrySchedule),
        routes: impl FnOnce(&Path) -> Vec<Route>,
    ) -> Self {
        Self::start_on(|spool| Arc::new(spool), adjust, routes)
    }

    /// On an engine made of the real one.
    pub(super) fn start_on(
        engine: impl FnOnce(Spool) -> Arc<dyn Engine>,
        adjust: impl FnOnce(&mut RetrySchedule),
        routes: impl FnOnce(&Path) -> Vec<Route>,
    ) -> Self {
        let directory = fresh_directory();
        let options = SpoolOptions {
            segment_octets: 1 << 20,
            pause_after_drop: Duration::from_millis(20),
            ..SpoolOptions::default()
        };
        let storage = FileStorage::open(&directory.0.join("queue")).unwrap();
        let (spool, _) = Spool::open(Arc::new(storage), options).unwrap();
        let queue = Queue::with_engine(engine(spool));
        let mut retry = RetrySchedule {
            first: Duration::from_millis(20),
            ..RetrySchedule::default()
        };
        adjust(&mut retry);
        let settings = Settings {
            hostname: "here.example".to_owned(),
            routes: routes(&directory.0).into(),
            retry,
            pins: directory.0.join("mechanism-pins"),
        };
        let (tell, events) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let observer = Observer::new(vec![Box::new(Ears(tell))]);
        let running = tokio::spawn(delivery::run(
            queue.clone(),
            watch::channel(settings).1,
            observer,
            async {
                let _ = stopped.await;
            },
        ));
        Self {
            queue,
            directory,
            events,
            passed: Vec::new(),
            stop: Some(stop),
            running: Some(running),
        }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory.0
    }

    /// Queues a message as an authenticated session would.
    pub(super) async fn submit(&self, from: &str, to: &[&str], content: &str) -> QueueId {
        self.submit_telling(from, to, content, |_| {}).await
    }

    /// The same, telling the id before the message is committed.
    pub(super) async fn submit_telling(
        &self,
        from: &str,
        to: &[&str],
        content: &str,
        tell: impl FnOnce(QueueId),
    ) -> QueueId {
        let identity = identity();
        let actor = Actor {
            identity: &identity,
            addresses: &[],
            enabled: true,
        };
        let mut grants = RelayGrants::default();
        for recipient in to {
            grants.add(
                relay::decide(
                    &actor,
                    &ForwardPath::parse(recipient, "here.example").unwrap(),
                )
                .unwrap(),
            );
        }
        let auth = AuthFacts {
            account: "me".to_owned(),
            credential: "password".to_owned(),
            ..AuthFacts::default()
        };
        let (headers, body) = content.split_once("\r\n\r\n").unwrap();
        let mut draft = self.queue.begin(Envelope {
            reverse_path: ReversePath::parse(from).unwrap(),
            submitter: Submitter::Unknown,
            submission: SubmissionFacts {
                auth: Some(auth),
                ..SubmissionFacts::default()
            },
            body: if content.is_ascii() {
                Body::SevenBit
            } else {
                Body::EightBitMime
            },
            smtputf8: !headers.is_ascii() || to.iter().any(|address| !address.is_ascii()),
            long_lines: content.lines().any(|line| line.len() > 998),
            ..Envelope::default()
        });
        tell(draft.id());
        draft.set_headers(format!("{headers}\r\n\r\n").into_bytes());
        draft.append(body.as_bytes()).await.unwrap();
        self.queue.commit(draft, grants).await.unwrap().id
    }

    /// The next attempt at a recipient.
    pub(super) async fn attempt(&mut self, recipient: &str) -> DeliveryAttempt {
        self.event(|event| match event {
            Event::DeliveryAttempt(attempt) if attempt.recipient == recipient => {
                Some(attempt.clone())
            }
            _ => None,
        })
        .await
    }

    /// Whether such an event has come that nobody waited for.
    pub(super) fn heard(&mut self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.passed
            .extend(std::iter::from_fn(|| self.events.try_recv().ok()));
        self.passed.iter().any(wanted)
    }

    /// The next fault told to the operator.
    pub(super) async fn fault(&mut self) -> Fault {
        self.event(|event| match event {
            Event::Fault(fault) => Some(fault.clone()),
            _ => None,
        })
        .await
    }

    async fn event<T>(&mut self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        if let Some(place) = self.passed.iter().position(|event| wanted(event).is_some()) {
            return wanted(&self.passed.remove(place)).unwrap();
        }
        loop {
            let event = tokio::time::timeout(PATIENCE, self.events.recv())
                .await
                .expect("the event does not come")
                .unwrap();
            match wanted(&event) {
                Some(found) => return found,
                None => self.passed.push(event),
            }
        }
    }

    /// Waits until a message was taken and given back untouched: it is due later than when it was committed.
    pub(super) async fn rested(&self, id: QueueId) {
        let due = async || {
            self.queue.entry(id).await.unwrap().unwrap().recipients[0]
                .1
                .due()
                .unwrap()
        };
        let first = due().await;
        let moved = async {
            while due().await == first {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, moved)
            .await
            .expect("the message is not taken");
    }

    /// How many messages are queued in a state, or in any.
    pub(super) async fn total(&self, state: Option<EntryState>) -> usize {
        self.queue
            .list(ListQuery {
                state,
                before: None,
                limit: 1,
            })
            .await
            .unwrap()
            .total
    }

    /// Recipient and content of the only captured message.
    pub(super) async fn only_captured(&self) -> (String, String) {
        let query = ListQuery {
            state: Some(EntryState::Captured),
            before: None,
            limit: 9,
        };
        let [entry] =
            <[_; 1]>::try_from(self.queue.list(query).await.unwrap().entries).expect("one notice");
        let mut content = String::new();
        self.queue
            .content(entry.id)
            .await
            .unwrap()
            .read_to_string(&mut content)
            .await
            .unwrap();
        (entry.recipients[0].0.address().to_string(), content)
    }

    /// Tells delivery to stop; the result is ready when it has.
    pub(super) fn begin_stop(&mut self) -> JoinHandle<()> {
        drop(self.stop.take());
        self.running.take().unwrap()
    }

    pub(super) async fn stop(mut self) {
        tokio::time::timeout(PATIENCE, self.begin_stop())
            .await
            .expect("delivery does not stop")
            .unwrap();
    }
}

fn fresh_directory() -> Directory {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "gatepost-delivery-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let path = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&path).unwrap();
    Directory(path)
}

fn identity() -> Identity {
    let grant = Grant {
        login: "me".to_owned(),
        acts_as: "me".to_owned(),
        credential: "password".to_owned(),
    };
    match Outcome::authenticated(&mechanism::PLAIN, Authcid::parse("me").unwrap(), grant) {
        Outcome::Authenticated(authenticated) => authenticated.identity,
        Outcome::Refused(refusal) => panic!("{refusal:?}"),
    }
}
