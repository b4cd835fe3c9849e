//! The whole server in the test's own process, on ports that the system chooses, in a directory of its own.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};

use gatepost::config::ConfigError;
use gatepost::config::resolved::{
    Accounts, Config, Layers, Limits, Listener, ListenerAuth, ListenerProfile, RetrySchedule,
    Route, RouteAction, RouteMatch, SubmissionRules, TlsMode, TlsVersions,
};
use gatepost::net::tls::own_ca;
use gatepost::observe::Observer;
use gatepost::observe::event::Level;
use gatepost::observe::log::LogFormat;
use gatepost::queue::{ListQuery, Queue};
use gatepost::serve::{Program, Telemetry};
use gatepost::store::{CredentialKind, NewPassword, Store};
use gatepost_sasl::Secret;
use gatepost_smtp::path::Address;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::talk::Talk;

/// The account every server of a test has, with this password of both kinds.
const ACCOUNT: &str = "dev@localhost";
const PASSWORD: &str = "gatepost";

/// `AUTH PLAIN` of that account.
pub(crate) const AUTH_PLAIN: &str = "AUTH PLAIN AGRldkBsb2NhbGhvc3QAZ2F0ZXBvc3Q=";

/// A running server. Mail is captured.
pub(crate) struct Server {
    pub(crate) smtp: SocketAddr,
    pub(crate) smtps: SocketAddr,
    pub(crate) legacy: SocketAddr,
    /// Where each listener of the configuration is bound, in its order.
    pub(crate) bound: Vec<SocketAddr>,
    /// The web pages, where the configuration has them.
    pub(crate) http: Option<SocketAddr>,
    /// The token of their API.
    pub(crate) token: Option<String>,
    pub(crate) queue: Queue,
    pub(crate) store: Store,
    pub(crate) directory: TempDir,
    pub(crate) log: Log,
    config: Config,
    reread: mpsc::Sender<Result<Config, ConfigError>>,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
}

impl Server {
    /// A server with three listeners: STARTTLS, implicit TLS, legacy.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same, with something changed in its configuration.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = config(&directory);
        change(&mut config);
        let log = Log::default();
        let telemetry = Telemetry::new(LogFormat::Text, Level::Debug, log.clone()).unwrap();
        log.follow(&telemetry.observer);
        let program = Program::build(config.clone(), telemetry).await.unwrap();
        let store = program.store().clone();
        add_account(&store, ACCOUNT, PASSWORD, &BTreeSet::new()).await;
        let bound: Vec<_> = program.bound().iter().map(|bound| bound.address).collect();
        let [smtp, smtps, legacy] = [0, 1, 2].map(|place| bound[place]);
        let (stop, stopped) = oneshot::channel();
        let (reread, reloads) = mpsc::channel(1);
        let queue = program.queue().clone();
        let http = program.http();
        let token = program.token().map(|token| token.reveal().to_owned());
        let running = tokio::spawn(async move {
            let stop = async {
                let _ = stopped.await;
            };
            program.run(stop, reloads).await.unwrap();
        });
        Self {
            smtp,
            smtps,
            legacy,
            bound,
            http,
            token,
            queue,
            store,
            directory,
            log,
            config,
            reread,
            stop: Some(stop),
            running: Some(running),
        }
    }

    /// Adds an account with this password of both kinds, which may send as these addresses. One that is there gets nothing more.
    pub(crate) async fn add_account(
        &self,
        name: &str,
        password: &str,
        addresses: &BTreeSet<String>,
    ) {
        add_account(&self.store, name, password, addresses).await;
    }

    /// A conversation on the STARTTLS listener, after its greeting.
    pub(crate) async fn talk(&self) -> Talk {
        let mut talk = Talk::connect(self.smtp).await;
        talk.expect("220 ").await;
        talk
    }

    /// A conversation on the legacy listener, after its greeting.
    pub(crate) async fn talk_legacy(&self) -> Talk {
        let mut talk = Talk::connect(self.legacy).await;
        talk.expect("220 ").await;
        talk
    }

    /// A conversation on the legacy listener, authenticated.
    pub(crate) async fn talk_authenticated(&self) -> Talk {
        let mut talk = self.talk_legacy().await;
        talk.ask("EHLO client.example", "250 ").await;
        talk.ask(AUTH_PLAIN, "235 2.7.0 ").await;
        talk
    }

    /// How many messages are in the queue, captured ones included.
    pub(crate) async fn queued(&self) -> usize {
        let query = ListQuery {
            state: None,
            before: None,
            limit: 1,
        };
        self.queue.list(query).await.unwrap().total
    }

    /// The content of the message that came last.
    pub(crate) async fn newest(&self) -> Vec<u8> {
        let query = ListQuery {
            state: None,
            before: None,
            limit: 1,
        };
        let listing = self.queue.list(query).await.unwrap();
        let mut content = self.queue.content(listing.entries[0].id).await.unwrap();
        let mut octets = Vec::new();
        content.read_to_end(&mut octets).await.unwrap();
        octets
    }

    /// Gives the server another configuration, which then stands in the log as taken or refused.
    pub(crate) async fn reload(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
        let told = self.log.lines_with("event=reload").len();
        self.reread.send(Ok(self.config.clone())).await.unwrap();
        self.log.wait_for_count("event=reload", told + 1).await;
    }

    /// Tells the server to drain.
    pub(crate) fn begin_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until it has stopped.
    pub(crate) async fn stopped(&mut self) {
        self.running.take().unwrap().await.unwrap();
    }
}

fn config(directory: &TempDir) -> Config {
    let tls = own_ca::issue(
        directory.path(),
        &["localhost"],
        &[[127, 0, 0, 1].into()],
        std::time::SystemTime::now(),
    )
    .unwrap();
    let listener = |name: &str, tls, profile| Listener {
        name: name.to_owned(),
        address: ([127, 0, 0, 1], 0).into(),
        tls,
        tls_versions: TlsVersions::Current,
        profile,
        networks: Vec::new(),
        proxy: None,
        reached_as: std::sync::Arc::default(),
        tolerate: Vec::new(),
        plus_on_tls12: false,
        require_auth: true,
        layers: Layers::default(),
        auth: ListenerAuth::default(),
    };
    let submission = ListenerProfile::Submission;
    Config {
        hostname: "submit.example.com".to_owned(),
        data: directory.path().to_owned(),
        listeners: vec![
            listener("smtp", TlsMode::StartTls, submission),
            listener("smtps", TlsMode::Implicit, submission),
            listener("legacy", TlsMode::None, ListenerProfile::Legacy),
        ],
        tls: Some(tls),
        more_tls: Vec::new(),
        token_issuers: Vec::new(),
        routes: vec![Route {
            matches: RouteMatch::default(),
            action: RouteAction::Capture,
        }],
        http: None,
        dev_issuer: None,
        submission: SubmissionRules::default(),
        limits: Limits::default(),
        accounts: Accounts::default(),
        kerberos: None,
        client_certificates: Arc::default(),
        retry: RetrySchedule::default(),
    }
}

async fn add_account(store: &Store, name: &str, password: &str, addresses: &BTreeSet<String>) {
    let (store, name) = (store.clone(), name.to_owned());
    let passwords = CredentialKind::ALL.map(|kind| NewPassword {
        kind,
        password: Secret::new(password.as_bytes()),
    });
    let addresses: Vec<Address> = addresses
        .iter()
        .filter_map(|address| Address::parse(address).ok())
        .collect();
    tokio::task::spawn_blocking(move || store.add_account(&name, &addresses, &passwords).unwrap())
        .await
        .unwrap();
}

/// What the server logged.
#[derive(Clone, Default)]
pub(crate) struct Log {
    octets: Arc<Mutex<Vec<u8>>>,
    grown: Arc<Notify>,
    observer: Arc<OnceLock<Observer>>,
}

impl Log {
    /// Has all that was observed before each look at the log.
    pub(crate) fn follow(&self, observer: &Observer) {
        let _ = self.observer.set(observer.clone());
    }

    /// Lines that contain this text.
    pub(crate) fn lines_with(&self, text: &str) -> Vec<String> {
        if let Some(observer) = self.observer.get() {
            observer.flush();
        }
        let log = String::from_utf8(self.octets.lock().unwrap().clone()).unwrap();
        log.lines()
            .filter(|line| line.contains(text))
            .map(str::to_owned)
            .collect()
    }
}

impl Log {
    /// Waits until a line contains this text.
    pub(crate) async fn wait_for(&self, text: &str) {
        self.wait_for_count(text, 1).await;
    }

    /// Waits until so many lines contain this text.
    pub(crate) async fn wait_for_count(&self, text: &str, count: usize) {
        loop {
            let grown = self.grown.notified();
            if self.lines_with(text).len() >= count {
                return;
            }
            grown.await;
        }
    }
}

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.octets.lock().unwrap().extend_from_slice(octets);
        self.grown.notify_waiters();
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
