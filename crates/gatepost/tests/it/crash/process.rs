//! The program itself, as its own process, with accounts, certificate and configuration in a directory of the test.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use gatepost::net::tls::own_ca;
use rustix::process::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};

use super::mail::Road;
use crate::accounts::account;
use crate::house::listening;

/// The account that submits, and its password of both kinds.
pub(super) const ACCOUNT: &str = "load@crash.example";
pub(super) const PASSWORD: &str = "flintstone";

/// Lines of the log kept to be shown when something goes wrong.
const KEPT_LINES: usize = 40;

/// What outlives the process.
pub(super) struct Installation {
    directory: tempfile::TempDir,
}

/// One life of the process.
pub(super) struct Process {
    child: Child,
    pub(super) starttls: SocketAddr,
    pub(super) legacy: SocketAddr,
    log: Arc<Mutex<VecDeque<String>>>,
}

impl Installation {
    /// With a route to the next hop on `port`.
    pub(super) fn new(port: u16) -> Self {
        let installation = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        let here = installation.directory.path();
        let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
        own_ca::issue(here, &["crash.example"], &addresses, SystemTime::now()).unwrap();
        let (hold, capture) = (Road::Hold.domain(), Road::Capture.domain());
        let text = format!(
            r#"
hostname = "crash.example"
data = "data"
[tls]
certificate = "certificate.pem"
key = "key.pem"
[[listener]]
name = "starttls"
address = "127.0.0.1:0"
[[listener]]
name = "legacy"
address = "127.0.0.1:0"
tls = "none"
profile = "legacy"
networks = ["127.0.0.0/8"]
[[route]]
recipient_domain = "{hold}"
hold = true
[[route]]
recipient_domain = "{capture}"
capture = true
[[route]]
smarthost = "127.0.0.1:{port}"
tls = "none"
[retry]
first = "1s"
longest = "1s"
"#
        );
        std::fs::write(installation.configuration(), text).unwrap();
        installation.account(&["add", ACCOUNT]);
        installation.account(&["password", ACCOUNT, "--legacy"]);
        installation
    }

    pub(super) fn queue(&self) -> PathBuf {
        self.directory.path().join("data/queue")
    }

    pub(super) fn authority(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    fn configuration(&self) -> PathBuf {
        self.directory.path().join("gatepost.toml")
    }

    fn account(&self, arguments: &[&str]) {
        let arguments = [arguments, &["--password-stdin"]].concat();
        let done = account(&self.configuration(), &arguments, PASSWORD);
        assert!(done.status.success(), "{done:?}");
    }

    /// Starts the process; its listeners accept when this is ready.
    pub(super) async fn start(&self) -> Process {
        let mut child = spawn(&self.configuration());
        let log = Arc::default();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut bound = Vec::new();
        while bound.len() < 2 {
            let Some(line) = lines.next_line().await.unwrap() else {
                panic!("the server ends instead of listening: {log:?}");
            };
            bound.extend(listening(&line));
            keep(&log, line);
        }
        let address = |name: &str| {
            bound
                .iter()
                .find(|(listener, _)| listener == name)
                .unwrap()
                .1
        };
        let (starttls, legacy) = (address("starttls"), address("legacy"));
        tokio::spawn(follow(lines, Arc::clone(&log)));
        Process {
            child,
            starttls,
            legacy,
            log,
        }
    }

    /// Starts the process without waiting for anything, for it to die while it recovers.
    pub(super) fn start_blindly(&self) -> Child {
        spawn(&self.configuration())
    }
}

fn spawn(configuration: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .arg("serve")
        .arg("-c")
        .arg(configuration)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

impl Process {
    pub(super) fn id(&self) -> Pid {
        let id = self.child.id().expect("it runs");
        Pid::from_raw(id.cast_signed()).unwrap()
    }

    /// Waits for its end.
    pub(super) async fn ended(&mut self) -> ExitStatus {
        self.child.wait().await.unwrap()
    }

    /// The last lines of its log.
    pub(super) fn log(&self) -> String {
        let lines = self.log.lock().unwrap();
        lines
            .iter()
            .fold(String::new(), |all, line| all + line + "\n")
    }
}

async fn follow(
    mut lines: tokio::io::Lines<BufReader<ChildStderr>>,
    log: Arc<Mutex<VecDeque<String>>>,
) {
    while let Ok(Some(line)) = lines.next_line().await {
        keep(&log, line);
    }
}

fn keep(log: &Mutex<VecDeque<String>>, line: String) {
    let mut log = log.lock().unwrap();
    if log.len() == KEPT_LINES {
        log.pop_front();
    }
    log.push_back(line);
}
