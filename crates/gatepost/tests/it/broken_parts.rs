//! Parts that fail behind a running session: the client keeps responsibility and its password, and nothing is half kept.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gatepost::auth::Authenticator;
use gatepost::auth::channel::Channel;
use gatepost::auth::directory::{Answering, Asker, Directory};
use gatepost::auth::guard::Rules;
use gatepost::config::resolved::{
    self, Layers, Limits, ListenerAuth, ListenerProfile, SubmissionRules, TlsMode, TlsVersions,
};
use gatepost::net::limits::ConnectionLimits;
use gatepost::net::listener::{self, Listener};
use gatepost::net::profile::profile;
use gatepost::net::service::{AccountFacts, Accounts, ListenerContext, Services};
use gatepost::observe::Observer;
use gatepost::observe::event::Level;
use gatepost::observe::log::{Log as LogSink, LogFormat};
use gatepost::queue::storage::{Area, FileStorage, Storage, StoredFile};
use gatepost::queue::{ListQuery, Queue, SpoolOptions};
use gatepost_sasl::{Answer, Grant, Mechanism, Question, Verdict};
use gatepost_smtp::path::Address;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::server::{AUTH_PLAIN, Log};
use crate::talk::Talk;

/// CODE-09: "A backend temp-fail must never be 535": clients throw the saved password away.
#[tokio::test]
async fn a_directory_that_is_down_is_454() {
    let rig = Rig::start(Says(|| Answer::Unavailable));
    let mut talk = rig.talk().await;
    for attempt in [
        "AUTH PLAIN AGRldgBwYXNz",
        "AUTH PLAIN AGRldgBwYXNz",
        "AUTH PLAIN AGRldgBwYXNz",
        "AUTH PLAIN AGRldgBwYXNz",
    ] {
        talk.ask(attempt, "454 4.7.0 Temporary authentication failure")
            .await;
    }
    talk.ask("NOOP", "250 ").await;
    let lines = rig.log.lines_with("event=auth");
    assert_eq!(lines.len(), 4);
    assert!(
        lines
            .iter()
            .all(|line| line.ends_with("reason=unavailable")),
        "{lines:?}"
    );
}

/// SMTP-09, T-40: no room is 452, before and after it is found out; nothing is kept, and with room again the same session goes on.
#[tokio::test]
async fn a_full_disk_is_452_and_keeps_nothing() {
    let rig = Rig::start(Says(accepted));
    let mut talk = rig.talk().await;
    talk.ask(AUTH_PLAIN, "235 ").await;
    submit(&mut talk, 100, "250 2.0.0 ").await;
    rig.full.store(true, Ordering::SeqCst);
    for size in [100, 1_000_000] {
        submit(&mut talk, size, "452 4.3.1 ").await;
        assert_eq!(rig.queued().await, 1, "{size}");
    }
    assert!(!rig.log.lines_with("reason=storage-full").is_empty());
    rig.full.store(false, Ordering::SeqCst);
    for size in [100, 1_000_000] {
        submit(&mut talk, size, "250 2.0.0 ").await;
    }
    assert_eq!(rig.queued().await, 3);
}

async fn submit(talk: &mut Talk, size: usize, begin: &str) {
    talk.ask("MAIL FROM:<dev@localhost>", "250 ").await;
    talk.ask("RCPT TO:<you@example.com>", "250 ").await;
    talk.ask("DATA", "354 ").await;
    let line = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n";
    let body = line.repeat(size / line.len() + 1);
    talk.ask(&format!("From: dev@localhost\r\n\r\n{body}."), begin)
        .await;
}

fn accepted() -> Answer {
    Answer::Verdict(Verdict::Accepted(Grant {
        login: "dev@localhost".into(),
        acts_as: "dev@localhost".into(),
        credential: "password".into(),
    }))
}

/// A directory that always says the same.
struct Says(fn() -> Answer);

impl Directory for Says {
    fn answer<'a>(&'a self, _: &'a Question, _: &'a Asker) -> Answering<'a> {
        Box::pin(async { (self.0)() })
    }

    fn completes(&self, mechanism: &Mechanism, _: &Channel) -> bool {
        mechanism.name == "PLAIN"
    }
}

struct OneAccount;

impl Accounts for OneAccount {
    fn facts(&self, _: &str) -> Option<AccountFacts> {
        Some(AccountFacts {
            addresses: vec![Address::parse("dev@localhost").unwrap()],
            enabled: true,
        })
    }
}

/// One legacy listener on parts of the test's choice.
struct Rig {
    address: std::net::SocketAddr,
    queue: Queue,
    full: Arc<AtomicBool>,
    log: Log,
    _directory: TempDir,
    _settings: watch::Sender<Arc<ListenerContext>>,
    _drain: watch::Sender<bool>,
}

impl Rig {
    fn start(accounts: Says) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let full = Arc::new(AtomicBool::new(false));
        let storage = Disk {
            files: FileStorage::open(directory.path()).unwrap(),
            full: Arc::clone(&full),
        };
        // Segments of a size that is soon used up, so that new ones are needed while the disk is full.
        let options = SpoolOptions {
            segment_octets: 1 << 20,
            ..SpoolOptions::default()
        };
        let (queue, _) = Queue::open_with(Arc::new(storage), options).unwrap();
        let log = Log::default();
        let sink = LogSink::new(LogFormat::Text, Level::Debug, log.clone()).unwrap();
        let observer = Observer::new(vec![Box::new(sink)]);
        log.follow(&observer);
        let services = Services {
            hostname: "submit.example.com".into(),
            authenticator: Authenticator::new(
                "submit.example.com",
                Box::new(accounts),
                Rules::default(),
            ),
            accounts: Arc::new(OneAccount),
            queue: queue.clone(),
            routes: Arc::new([]),
            submission: Arc::default(),
            observer,
            interposers: None,
        };
        let socket = listener::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = socket.local_addr().unwrap();
        let limits = Limits::default();
        let settings = resolved::Listener {
            name: "legacy".into(),
            address,
            tls: TlsMode::None,
            tls_versions: TlsVersions::Current,
            profile: ListenerProfile::Legacy,
            networks: Vec::new(),
            reached_as: Arc::default(),
            tolerate: Vec::new(),
            plus_on_tls12: false,
            proxy: None,
            require_auth: true,
            layers: Layers::default(),
            auth: ListenerAuth::default(),
        };
        let context = ListenerContext {
            name: "legacy".into(),
            profile: Arc::new(profile(
                "submit.example.com",
                &settings,
                &SubmissionRules::default(),
                &limits,
            )),
            tls: TlsMode::None,
            acceptor: None,
            serves: ListenerProfile::Legacy,
            layers: Layers::default(),
            reached_as: Arc::default(),
            networks: Vec::new(),
            proxy: None,
            auth: ListenerAuth::default(),
            client_certificates: None,
            connections: ConnectionLimits::new(&limits),
            limits: limits.clone(),
            services,
        };
        let (drain, drained) = watch::channel(false);
        let (settings, told) = watch::channel(Arc::new(context));
        let listener = Listener::new(socket, told);
        tokio::spawn(listener.run(drained));
        Self {
            address,
            queue,
            full,
            log,
            _directory: directory,
            _drain: drain,
            _settings: settings,
        }
    }

    async fn talk(&self) -> Talk {
        let mut talk = Talk::connect(self.address).await;
        talk.expect("220 ").await;
        talk.ask("EHLO client.example", "250 ").await;
        talk
    }

    async fn queued(&self) -> usize {
        let query = ListQuery {
            state: None,
            before: None,
            limit: 1,
        };
        self.queue.list(query).await.unwrap().total
    }
}

/// A directory of files on a disk that can be full.
struct Disk {
    files: FileStorage,
    full: Arc<AtomicBool>,
}

struct DiskFile {
    file: Arc<dyn StoredFile>,
    full: Arc<AtomicBool>,
}

fn room(full: &AtomicBool) -> io::Result<()> {
    if full.load(Ordering::SeqCst) {
        return Err(io::ErrorKind::StorageFull.into());
    }
    Ok(())
}

impl Disk {
    fn wrap(&self, file: Arc<dyn StoredFile>) -> Arc<dyn StoredFile> {
        Arc::new(DiskFile {
            file,
            full: Arc::clone(&self.full),
        })
    }
}

impl Storage for Disk {
    fn list(&self, area: Area) -> io::Result<Vec<String>> {
        self.files.list(area)
    }

    fn create(&self, area: Area, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        room(&self.full)?;
        self.files.create(area, name).map(|file| self.wrap(file))
    }

    fn open(&self, area: Area, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        self.files.open(area, name).map(|file| self.wrap(file))
    }

    fn rename(&self, area: Area, from: &str, to: &str) -> io::Result<()> {
        self.files.rename(area, from, to)
    }

    fn unlink(&self, area: Area, name: &str) -> io::Result<()> {
        self.files.unlink(area, name)
    }

    fn sync_dir(&self, area: Area) -> io::Result<()> {
        self.files.sync_dir(area)
    }
}

impl StoredFile for DiskFile {
    fn preallocate(&self, octets: u64) -> io::Result<()> {
        room(&self.full)?;
        self.file.preallocate(octets)
    }

    fn write_at(&self, parts: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        room(&self.full)?;
        self.file.write_at(parts, offset)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
}
