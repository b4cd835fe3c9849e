//! The composition root: builds every part, wires them together, and owns their start and end.
//!
//! ```text
//!   Starting ── all listeners bound ──> Serving ── stop ──> Draining ── sessions and attempts done, or out of time ──> Stopped
//! ```
//!
//! Everything that can fail at start fails in [`Program::build`], before the first connection is accepted, and says what to do. Draining
//! stops accepting at once; sessions end at their next command (421), delivery finishes its attempts. What was acknowledged is on disk
//! whatever happens.

mod listeners;
mod live;
mod service_manager;

use std::fs::DirBuilder;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, interval_at, timeout};

use crate::admin::token::Token;
use crate::admin::{self, Site};
use crate::auth::Authenticator;
use crate::auth::account_grant::AccountGrants;
use crate::auth::directories::Directories;
use crate::auth::directory::Directory;
use crate::auth::guard::Rules;
use crate::auth::hash::HashPool;
use crate::auth::kerberos::{self, KerberosDirectory};
use crate::auth::store_directory::StoreDirectory;
use crate::auth::token::TokenDirectory;
use crate::config::ConfigError;
use crate::config::endpoint::Endpoint;
use crate::config::resolved::{self, Config};
use crate::control::backup;
use crate::control::command::Control;
use crate::control::health::Health;
use crate::control::messages::Messages;
use crate::control::queue::QueueDesk;
use crate::control::snapshot::Attempts;
use crate::control::socket::ControlSocket;
use crate::control::token_issuer::{self, TokenIssuer};
use crate::delivery;
use crate::net::interposer::Interposers;
use crate::net::limits::ConnectionLimits;
use crate::net::listener;
use crate::net::service::{AccountFacts, Accounts, Services};
use crate::observe::event::{Draining, Fault, Level, Listening, Started, Stopped};
use crate::observe::log::{Log, LogFormat};
use crate::observe::metrics::Metrics;
use crate::observe::reason::Reason;
use crate::observe::{Observer, Sink};
use crate::queue::{Alarm, Queue, RecoveryReport, SpoolOptions};
use listeners::{Added, Listeners};
use live::Live;
use service_manager::ServiceManager;

use crate::store::{Costs, LookupName, ScramHashes, Store, StoreError};

/// Why the program did not start or did not go on: what, where and what next.
#[derive(Debug, thiserror::Error)]
#[error("{what}\n    {next}")]
pub struct ServeError {
    what: String,
    next: &'static str,
}

impl ServeError {
    fn new(what: impl Into<String>, next: &'static str) -> Self {
        Self {
            what: what.into(),
            next,
        }
    }

    /// The process cannot hear that it is to stop.
    pub(crate) fn signals(error: &std::io::Error) -> Self {
        Self::new(
            format!("signals: {error}"),
            "the system refused to deliver signals",
        )
    }
}

/// Who sees what happens: the log, the metrics, the attempts that the pages show.
#[derive(Clone)]
pub struct Telemetry {
    /// Tells them all.
    pub observer: Observer,
    /// Counts.
    pub metrics: Metrics,
    /// Keeps the last authentication attempts.
    pub attempts: Attempts,
    /// Knows whether the server does what it is for.
    pub health: Health,
}

impl Telemetry {
    /// With a log of events of at least `least`, written to `log`.
    pub fn new(
        format: LogFormat,
        least: Level,
        log: impl std::io::Write + Send + 'static,
    ) -> Result<Self, ServeError> {
        let log = Log::new(format, least, log).map_err(|error| {
            ServeError::new(
                format!("thread of the log: {error}"),
                "the system is short of threads or memory",
            )
        })?;
        let metrics = Metrics::new();
        let attempts = Attempts::new();
        let health = Health::default();
        let sinks: Vec<Box<dyn Sink>> = vec![
            Box::new(log),
            Box::new(metrics.clone()),
            Box::new(attempts.clone()),
            Box::new(health.clone()),
        ];
        Ok(Self {
            observer: Observer::new(sinks),
            metrics,
            attempts,
            health,
        })
    }
}

/// Makes a directory out of the one that knows.
pub(crate) type InterposedDirectory = dyn FnOnce(Box<dyn Directory>) -> Box<dyn Directory> + Send;

/// What stands between the parts of a program that is to misbehave. Nothing does in one that serves: no configuration can say so.
#[derive(Default)]
pub(crate) struct Interposed {
    /// Takes the directory's place, and has it to ask.
    pub(crate) directory: Option<Box<InterposedDirectory>>,
    /// Stand between sessions and their peers.
    pub(crate) interposers: Option<Arc<dyn Interposers>>,
}

/// A listener that has its address.
#[derive(Debug, Clone)]
pub struct Bound {
    /// The listener's name.
    pub name: String,
    /// The address; its port is the one the system chose when the configuration says 0.
    pub address: SocketAddr,
}

/// The whole program, built and bound, not accepting yet.
pub struct Program {
    live: Live,
    telemetry: Telemetry,
    store: Store,
    queue: Queue,
    listeners: Vec<Added>,
    bound: Vec<Bound>,
    pages: Option<Pages>,
    control: Control,
    socket: ControlSocket,
}

/// The web pages, bound.
struct Pages {
    listener: TcpListener,
    site: Site,
}

impl Program {
    /// Opens accounts and queue, reads the certificate, binds every address.
    pub async fn build(config: Config, telemetry: Telemetry) -> Result<Self, ServeError> {
        Self::build_interposed(config, telemetry, Interposed::default()).await
    }

    /// The same, with somebody in between.
    pub(crate) async fn build_interposed(
        mut config: Config,
        telemetry: Telemetry,
        interposed: Interposed,
    ) -> Result<Self, ServeError> {
        telemetry.observer.emit(Started {
            version: env!("CARGO_PKG_VERSION"),
            hostname: config.hostname.clone(),
            data: config.data.display().to_string(),
        });
        // Addresses first: a port in use is the most common fault, and the others take time to find.
        let sockets = Listeners::default().bind(&config.listeners)?;
        let http = config.http.map(bind).transpose()?;
        let (store, queue, report) = {
            let data = config.data.clone();
            let costs = costs(&config);
            let observer = telemetry.observer.clone();
            tokio::task::spawn_blocking(move || open_data(&data, costs, observer))
                .await
                .map_err(|error| {
                    ServeError::new(format!("opening the data directory: {error}"), REPORT)
                })??
        };
        report_recovery(&report, &telemetry.observer);
        let issuer = http
            .as_ref()
            .map(|listener| issuer(&config, listener))
            .transpose()?
            .flatten();
        config
            .token_issuers
            .extend(issuer.as_ref().and_then(own_issuer));
        let services = services(&config, &store, &queue, &telemetry.observer, interposed)?;
        let data = config.data.clone();
        let (live, listeners) = Live::begin(config, sockets, services, telemetry.clone())?;
        let socket = ControlSocket::bind(&data).map_err(|error| {
            ServeError::new(error.to_string(), "commands reach the server through it")
        })?;
        gauges(&telemetry, &live.limits);
        let desk = QueueDesk::new(
            queue.clone(),
            live.delivery_settings(),
            telemetry.observer.clone(),
        );
        let pages = http
            .map(|listener| pages(listener, &queue, &telemetry, issuer))
            .transpose()?;
        Ok(Self {
            control: Control::new(store.clone(), telemetry.observer.clone()).with_queue(desk),
            live,
            telemetry,
            store,
            queue,
            bound: listeners.iter().map(|it| it.bound.clone()).collect(),
            listeners,
            pages,
            socket,
        })
    }

    /// The listeners' addresses, in the order of the configuration.
    pub fn bound(&self) -> &[Bound] {
        &self.bound
    }

    /// Where the web pages are.
    pub fn http(&self) -> Option<SocketAddr> {
        self.pages.as_ref()?.listener.local_addr().ok()
    }

    /// The token that changes through the web pages' API need, new at each start.
    pub fn token(&self) -> Option<&Token> {
        Some(&self.pages.as_ref()?.site.token)
    }

    /// The accounts.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The messages.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Serves until `stop` is ready, then drains. Meanwhile each configuration from `reloads` is put in force, or refused. Fails when a
    /// part ends that should not have.
    pub async fn run(
        self,
        stop: impl Future<Output = ()>,
        reloads: mpsc::Receiver<Result<Config, ConfigError>>,
    ) -> Result<(), ServeError> {
        let observer = self.telemetry.observer;
        let manager = ServiceManager::of_this_process();
        let mut live = self.live;
        let (drain, drained) = watch::channel(false);
        let mut parts = Parts {
            running: JoinSet::new(),
            observer: observer.clone(),
            drained,
        };
        parts.listen(self.listeners);
        parts.run(delivery::run(
            self.queue,
            live.delivery_settings(),
            observer.clone(),
            turned_true(parts.drained.clone()),
        ));
        if let Some(pages) = self.pages {
            parts.show(pages);
        }
        let mut control = JoinSet::new();
        control.spawn(self.socket.serve(self.control));
        manager.ready();

        let broken = watch_over(&mut parts, &mut live, &manager, stop, reloads).await;
        manager.stopping();
        let limit = live.config.limits.drain_timeout;
        observer.emit(Draining {
            sessions: live.limits.open(),
            limit,
        });
        let _ = drain.send(true);
        let _ = timeout(limit, async {
            while parts.running.join_next().await.is_some() {}
        })
        .await;
        observer.emit(Stopped {
            cut_off: live.limits.open(),
        });
        match broken {
            None => Ok(()),
            Some(ended) => Err(ServeError::new(
                format!("a part of the server ended by itself: {ended:?}"),
                REPORT,
            )),
        }
    }
}

/// How a part ended: with the number of its listener, if it was one.
type Ended = Result<Option<u64>, JoinError>;

/// Until the program is to stop. Gives how a part ended that should not have.
async fn watch_over(
    parts: &mut Parts,
    live: &mut Live,
    manager: &ServiceManager,
    stop: impl Future<Output = ()>,
    mut reloads: mpsc::Receiver<Result<Config, ConfigError>>,
) -> Option<Ended> {
    let mut stop = pin!(stop);
    let mut days = interval_at(Instant::now() + DAY, DAY);
    loop {
        tokio::select! {
            () = &mut stop => return None,
            ended = parts.running.join_next() => match ended {
                // A listener that the configuration no longer has.
                Some(Ok(Some(listener))) if !live.listeners.is_open(listener) => {}
                ended => return ended,
            },
            Some(read) = reloads.recv() => {
                manager.reloading();
                parts.listen(live.reload(read));
                manager.ready();
            }
            _ = days.tick() => live.warn_of_expiry(),
        }
    }
}

/// The parts of the program that run.
struct Parts {
    /// Each gives the number of its listener, if it is one.
    running: JoinSet<Option<u64>>,
    observer: Observer,
    drained: watch::Receiver<bool>,
}

impl Parts {
    fn run(&mut self, part: impl Future<Output = ()> + Send + 'static) {
        self.running.spawn(async {
            part.await;
            None
        });
    }

    fn listen(&mut self, listeners: Vec<Added>) {
        for Added {
            number,
            bound,
            listener,
        } in listeners
        {
            self.observer.emit(Listening {
                listener: bound.name,
                address: bound.address,
            });
            let drained = self.drained.clone();
            self.running.spawn(async move {
                listener.run(drained).await;
                Some(number)
            });
        }
    }

    fn show(&mut self, Pages { listener, site }: Pages) {
        if let Ok(address) = listener.local_addr() {
            self.observer.emit(Listening {
                listener: "http".to_owned(),
                address,
            });
        }
        let drained = turned_true(self.drained.clone());
        self.run(admin::http::serve(listener, site, drained));
    }
}

/// How often certificates are looked at.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What remains to do about a failure that should not be possible.
const REPORT: &str = "this is a fault of gatepost: please report it with the log";

async fn turned_true(mut flag: watch::Receiver<bool>) {
    // An error means that the sender is gone, which ends everything as well.
    let _ = flag.wait_for(|flag| *flag).await;
}

fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    use std::io::ErrorKind;
    listener::bind(address).map_err(|error| {
        let next = match error.kind() {
            ErrorKind::AddrInUse => "another program listens there: stop it, or choose another port (`ss -ltnp` shows which)",
            ErrorKind::PermissionDenied => "ports below 1024 need root or CAP_NET_BIND_SERVICE",
            ErrorKind::AddrNotAvailable => "this machine does not have that address",
            _ => "check the address",
        };
        ServeError::new(format!("cannot listen on {address}: {error}"), next)
    })
}

/// What making verifiers costs, and which are made.
pub(crate) fn costs(config: &Config) -> Costs {
    Costs {
        scram: ScramHashes::of(&config.accounts.scram),
        digest_realms: config.accounts.digest_realms.clone(),
        ..Costs::default()
    }
}

/// Opens what is on disk. Blocking.
fn open_data(
    data: &Path,
    costs: Costs,
    observer: Observer,
) -> Result<(Store, Queue, RecoveryReport), ServeError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(|error| {
            ServeError::new(
                format!("data: cannot make {}: {error}", data.display()),
                "make it yourself, writable for the user that runs gatepost",
            )
        })?;
    let store = Store::open(data, costs).map_err(|error| {
        let next = match error {
            StoreError::Database { .. } => {
                "nothing was changed: restore it from the backup, or see whether the disk is full or broken"
            }
            _ => "nothing was changed",
        };
        ServeError::new(error.to_string(), next)
    })?;
    backup::remove_leftovers(data).map_err(|error| {
        ServeError::new(
            format!(
                "data: {}: an unfinished backup cannot be removed: {error}",
                data.display()
            ),
            "remove the directories there whose names begin with snapshot-",
        )
    })?;
    let options = SpoolOptions {
        on_alarm: Arc::new(move |alarm| raise(&observer, &alarm)),
        ..SpoolOptions::default()
    };
    let directory = data.join("queue");
    let (queue, report) = Queue::open(&directory, options).map_err(|error| {
        let next = match error.kind() {
            std::io::ErrorKind::WouldBlock => "another gatepost uses this data directory: stop it, or choose another one",
            _ => "check that the disk is there, has room, and is writable for the user that runs gatepost",
        };
        ServeError::new(format!("queue: {}: {error}", directory.display()), next)
    })?;
    Ok((store, queue, report))
}

fn services(
    config: &Config,
    store: &Store,
    queue: &Queue,
    observer: &Observer,
    interposed: Interposed,
) -> Result<Services, ServeError> {
    let pool = HashPool::start().map_err(|error| {
        ServeError::new(
            format!("threads for password hashing: {error}"),
            "the system is short of threads or memory",
        )
    })?;
    let accounts = StoreDirectory::new(store.clone(), pool, observer.clone())
        .map_err(|error| ServeError::new(error.to_string(), "nothing was changed"))?;
    let grants = AccountGrants::new(store.clone());
    let mut directory = Directories::of(accounts, &grants);
    if let Some(settings) = &config.kerberos {
        let trouble = kerberos::trouble(settings);
        // Without the library GSSAPI is not offered; everything else is.
        if let Ok(kerberos) = KerberosDirectory::new(settings.clone(), grants, observer.clone()) {
            directory = directory.with_kerberos(kerberos);
        }
        if let Some(detail) = trouble {
            observer.emit(Fault {
                part: "kerberos",
                reason: Reason::Unavailable,
                detail,
            });
        }
    }
    if !config.token_issuers.is_empty() {
        directory = directory.with_tokens(tokens(&config.token_issuers, store, observer)?);
    }
    let mut directory: Box<dyn Directory> = Box::new(directory);
    if let Some(interpose) = interposed.directory {
        directory = interpose(directory);
    }
    Ok(Services {
        hostname: config.hostname.as_str().into(),
        authenticator: Authenticator::new(&config.hostname, directory, Rules::default())
            .resuming_within(config.accounts.digest_nonce_time),
        accounts: Arc::new(StoreAccounts(store.clone())),
        queue: queue.clone(),
        routes: config.routes.clone().into(),
        submission: config.submission.clone().into(),
        observer: observer.clone(),
        interposers: interposed.interposers,
    })
}

/// Judges tokens. Issuers are asked when the first token comes, not before: they may start after us.
fn tokens(
    issuers: &[resolved::TokenIssuer],
    store: &Store,
    observer: &Observer,
) -> Result<TokenDirectory, ServeError> {
    let accounts = AccountGrants::new(store.clone());
    TokenDirectory::new(issuers, accounts, observer.clone()).map_err(|error| {
        ServeError::new(
            format!("token_issuer {error}"),
            "check this [[token_issuer]] and the files it names",
        )
    })
}

/// Reads accounts for policy.
struct StoreAccounts(Store);

impl Accounts for StoreAccounts {
    fn facts(&self, account: &str) -> Option<AccountFacts> {
        let account = self.0.account(&LookupName::prepare(account))?;
        Some(AccountFacts {
            addresses: account.addresses.clone(),
            enabled: account.enabled,
        })
    }
}

/// The token issuer of a development server, at the address of its pages.
fn issuer(config: &Config, pages: &TcpListener) -> Result<Option<TokenIssuer>, ServeError> {
    let Some(settings) = &config.dev_issuer else {
        return Ok(None);
    };
    let opened = pages.local_addr().and_then(|address| {
        // Its key is a small file: no time to speak of.
        TokenIssuer::open(&config.data, reachable(address), settings)
    });
    opened.map(Some).map_err(|error| {
        ServeError::new(
            format!("token issuer: {}: {error}", config.data.display()),
            "remove token-key.pem there to begin with a new key",
        )
    })
}

/// The issuer of a development server as one whose tokens are taken: asked like any other, over loopback. Its clock is ours.
fn own_issuer(issuer: &TokenIssuer) -> Option<resolved::TokenIssuer> {
    Some(resolved::TokenIssuer {
        issuer: issuer.url().to_owned(),
        place: Endpoint::parse(issuer.url()).ok()?,
        audience: vec![token_issuer::AUDIENCE.to_owned()],
        scope: vec![token_issuer::SCOPE.to_owned()],
        account_claim: "email".to_owned(),
        clock_skew: Duration::ZERO,
        keys: resolved::KeySource::Discovered,
        introspection: None,
        ca: None,
    })
}

/// Where to connect to: the loopback address for a server that listens everywhere.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

fn pages(
    listener: TcpListener,
    queue: &Queue,
    telemetry: &Telemetry,
    issuer: Option<TokenIssuer>,
) -> Result<Pages, ServeError> {
    let token = Token::draw().map_err(|error| {
        ServeError::new(
            format!("token of the web pages: {error}"),
            "the system has no random bits to give",
        )
    })?;
    Ok(Pages {
        listener,
        site: Site {
            messages: Messages::new(queue.clone()),
            attempts: telemetry.attempts.clone(),
            health: telemetry.health.clone(),
            metrics: telemetry.metrics.clone(),
            token,
            issuer,
        },
    })
}

fn gauges(telemetry: &Telemetry, limits: &ConnectionLimits) {
    let limits = limits.clone();
    let metrics = &telemetry.metrics;
    metrics.gauge("sessions", "Sessions open", move || {
        i64::try_from(limits.open()).unwrap_or(i64::MAX)
    });
    let health = telemetry.health.clone();
    let help = "Unix time at which the first certificate ends, 0 without one";
    metrics.gauge("certificate_expiry_seconds", help, move || {
        let first = health.first_expiry();
        let since = first.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        since.map_or(0, |it| i64::try_from(it.as_secs()).unwrap_or(i64::MAX))
    });
}

/// Tells the operator what the queue found when it was opened.
fn report_recovery(report: &RecoveryReport, observer: &Observer) {
    for damage in &report.damage {
        observer.emit(Fault {
            part: "queue",
            reason: Reason::StorageDamaged,
            detail: format!("set aside when the queue was opened: {damage:?}"),
        });
    }
}

fn raise(observer: &Observer, alarm: &Alarm) {
    let reason = match alarm {
        Alarm::SegmentPoisoned { .. } | Alarm::NoNewSegment { .. } => Reason::StorageFailed,
        _ => Reason::StorageDamaged,
    };
    observer.emit(Fault {
        part: "queue",
        reason,
        detail: format!("{alarm:?}"),
    });
}
