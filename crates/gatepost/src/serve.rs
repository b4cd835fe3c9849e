//! The composition root: builds every part, wires them together, and owns their start and end.
//!
//! ```text
//!   Starting ── all listeners bound ──> Serving ── stop ──> Draining ── sessions and attempts done, or out of time ──> Stopped
//! ```
//!
//! Everything that can fail at start fails in [`Program::build`], before the first connection is accepted, and says what to do. Draining
//! stops accepting at once; sessions end at their next command (421), delivery finishes its attempts. What was acknowledged is on disk
//! whatever happens.

use std::fs::DirBuilder;
use std::future::Future;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::admin::token::Token;
use crate::admin::{self, Site};
use crate::auth::Authenticator;
use crate::auth::guard::Rules;
use crate::auth::hash::HashPool;
use crate::auth::store_directory::StoreDirectory;
use crate::config::resolved::{self, Config, TlsMode};
use crate::control::command::Control;
use crate::control::messages::Messages;
use crate::control::snapshot::Attempts;
use crate::control::socket::ControlSocket;
use crate::delivery;
use crate::net::limits::ConnectionLimits;
use crate::net::listener::{self, Listener};
use crate::net::profile::profile;
use crate::net::service::{AccountFacts, Accounts, ListenerContext, Services};
use crate::net::tls::{self, Certificate};
use crate::observe::event::{Draining, Fault, Level, Listening, Started, Stopped};
use crate::observe::log::{Log, LogFormat};
use crate::observe::metrics::Metrics;
use crate::observe::reason::Reason;
use crate::observe::{Observer, Sink};
use crate::queue::{Alarm, Queue, RecoveryReport, SpoolOptions};
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
}

impl Telemetry {
    /// With a log of events of at least `least`, written to `log`.
    pub fn new(format: LogFormat, least: Level, log: impl std::io::Write + Send + 'static) -> Self {
        let metrics = Metrics::new();
        let attempts = Attempts::new();
        let sinks: Vec<Box<dyn Sink>> = vec![
            Box::new(Log::new(format, least, log)),
            Box::new(metrics.clone()),
            Box::new(attempts.clone()),
        ];
        Self {
            observer: Observer::new(sinks),
            metrics,
            attempts,
        }
    }
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
    config: Config,
    telemetry: Telemetry,
    store: Store,
    queue: Queue,
    limits: ConnectionLimits,
    listeners: Vec<(Listener, watch::Sender<Arc<ListenerContext>>)>,
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
        telemetry.observer.emit(Started {
            version: env!("CARGO_PKG_VERSION"),
            hostname: config.hostname.clone(),
            data: config.data.display().to_string(),
        });
        // Addresses first: a port in use is the most common fault, and the others take time to find.
        let mut sockets = Vec::new();
        for listener in &config.listeners {
            sockets.push((listener, bind(listener.address)?));
        }
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
        let services = services(&config, &store, &queue, &telemetry.observer)?;
        let limits = ConnectionLimits::new(&config.limits);
        let certificate = config.tls.as_ref().map(Certificate::load).transpose();
        let certificate = certificate.map_err(|error| {
            ServeError::new(
                error.to_string(),
                "check [tls]: both files must be PEM and belong together",
            )
        })?;
        let mut listeners = Vec::new();
        let mut bound = Vec::new();
        for (listener, socket) in sockets {
            bound.push(Bound {
                name: listener.name.clone(),
                address: socket.local_addr().unwrap_or(listener.address),
            });
            let context = context(&config, listener, certificate.as_ref(), &services, &limits)?;
            let (change, settings) = watch::channel(Arc::new(context));
            listeners.push((Listener::new(socket, settings), change));
        }
        let socket = ControlSocket::bind(&config.data).map_err(|error| {
            ServeError::new(error.to_string(), "commands reach the server through it")
        })?;
        gauges(&telemetry.metrics, &limits);
        let pages = http
            .map(|listener| pages(listener, &queue, &telemetry))
            .transpose()?;
        Ok(Self {
            control: Control::new(store.clone(), telemetry.observer.clone()),
            config,
            telemetry,
            store,
            queue,
            limits,
            listeners,
            bound,
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

    /// Serves until `stop` is ready, then drains. Fails when a part ends that should not have.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
        let observer = self.telemetry.observer;
        let (drain, drained) = watch::channel(false);
        let mut parts = JoinSet::new();
        let mut settings = Vec::new();
        for ((listener, change), bound) in self.listeners.into_iter().zip(self.bound) {
            settings.push(change);
            observer.emit(Listening {
                listener: bound.name,
                address: bound.address,
            });
            parts.spawn(listener.run(drained.clone()));
        }
        parts.spawn(delivery::run(
            self.queue,
            delivery::Settings::from(&self.config),
            observer.clone(),
            turned_true(drained.clone()),
        ));
        if let Some(Pages { listener, site }) = self.pages {
            if let Ok(address) = listener.local_addr() {
                observer.emit(Listening {
                    listener: "http".to_owned(),
                    address,
                });
            }
            parts.spawn(admin::http::serve(
                listener,
                site,
                turned_true(drained.clone()),
            ));
        }
        let mut control = JoinSet::new();
        control.spawn(self.socket.serve(self.control));

        let broken = tokio::select! {
            () = stop => None,
            ended = parts.join_next() => ended,
        };
        observer.emit(Draining {
            sessions: self.limits.open(),
            limit: self.config.limits.drain_timeout,
        });
        let _ = drain.send(true);
        let _ = timeout(self.config.limits.drain_timeout, async {
            while parts.join_next().await.is_some() {}
        })
        .await;
        observer.emit(Stopped {
            cut_off: self.limits.open(),
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
) -> Result<Services, ServeError> {
    let pool = HashPool::start().map_err(|error| {
        ServeError::new(
            format!("threads for password hashing: {error}"),
            "the system is short of threads or memory",
        )
    })?;
    let directory = StoreDirectory::new(store.clone(), pool, observer.clone())
        .map_err(|error| ServeError::new(error.to_string(), "nothing was changed"))?;
    Ok(Services {
        hostname: config.hostname.as_str().into(),
        authenticator: Authenticator::new(&config.hostname, Box::new(directory), Rules::default()),
        accounts: Arc::new(StoreAccounts(store.clone())),
        queue: queue.clone(),
        routes: config.routes.clone().into(),
        observer: observer.clone(),
    })
}

fn context(
    config: &Config,
    listener: &resolved::Listener,
    certificate: Option<&Certificate>,
    services: &Services,
    connections: &ConnectionLimits,
) -> Result<ListenerContext, ServeError> {
    let acceptor = match (listener.tls, certificate) {
        (TlsMode::None, _) => None,
        (_, Some(certificate)) => Some(TlsAcceptor::from(
            tls::server_config(certificate)
                .map_err(|error| ServeError::new(error.to_string(), REPORT))?,
        )),
        (_, None) => {
            return Err(ServeError::new(
                format!("listener {}: TLS without a certificate", listener.name),
                "add a [tls] section with certificate and key",
            ));
        }
    };
    Ok(ListenerContext {
        name: listener.name.clone(),
        profile: Arc::new(profile(&config.hostname, listener, &config.limits)),
        tls: listener.tls,
        acceptor,
        serves: listener.profile,
        networks: listener.networks.clone(),
        proxy: listener.proxy.clone(),
        connections: connections.clone(),
        limits: config.limits.clone(),
        services: services.clone(),
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

fn pages(listener: TcpListener, queue: &Queue, telemetry: &Telemetry) -> Result<Pages, ServeError> {
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
            metrics: telemetry.metrics.clone(),
            token,
        },
    })
}

fn gauges(metrics: &Metrics, limits: &ConnectionLimits) {
    let limits = limits.clone();
    metrics.gauge("sessions", "Sessions open", move || {
        i64::try_from(limits.open()).unwrap_or(i64::MAX)
    });
}

/// Tells the operator what the queue found when it was opened.
fn report_recovery(report: &RecoveryReport, observer: &Observer) {
    for damage in &report.damage {
        observer.emit(Fault {
            part: "queue",
            reason: Reason::StorageFailed,
            detail: format!("set aside when the queue was opened: {damage:?}"),
        });
    }
}

fn raise(observer: &Observer, alarm: &Alarm) {
    observer.emit(Fault {
        part: "queue",
        reason: Reason::StorageFailed,
        detail: format!("{alarm:?}"),
    });
}
