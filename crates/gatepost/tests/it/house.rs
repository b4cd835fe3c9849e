//! An installed Gatepost: a directory with configuration, accounts and queue, and the program as a process on it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::accounts::account;
use crate::talk::Talk;

pub(crate) const ACCOUNT: &str = "fred@own.example";
pub(crate) const PASSWORD: &str = "flintstone";
/// `AUTH PLAIN` with the account's legacy password.
const AUTH: &str = "AUTH PLAIN AGZyZWRAb3duLmV4YW1wbGUAZmxpbnRzdG9uZQ==";

/// What outlives the process.
pub(crate) struct Installed {
    pub(crate) directory: TempDir,
}

/// One life of the process.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
    log: Option<JoinHandle<String>>,
}

impl Installed {
    /// Mail for `hold.example` is held, notices are captured, all else goes to the next hop on `port`.
    pub(crate) fn new(port: u16) -> Self {
        let installed = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        installed.configure(port);
        installed
    }

    pub(crate) fn configure(&self, port: u16) {
        let text = format!(
            r#"
hostname = "own.example"
data = "data"
[[listener]]
name = "legacy"
address = "127.0.0.1:0"
tls = "none"
profile = "legacy"
networks = ["127.0.0.0/8"]
[[route]]
recipient_domain = "hold.example"
hold = true
[[route]]
sender = ""
capture = true
[[route]]
smarthost = "127.0.0.1:{port}"
tls = "none"
"#
        );
        std::fs::write(self.configuration(), text).unwrap();
    }

    pub(crate) fn add_account(&self) {
        let arguments = ["add", ACCOUNT, "--legacy", "--password-stdin"];
        let added = account(&self.configuration(), &arguments, PASSWORD);
        assert!(added.status.success(), "{added:?}");
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.directory.path().join("gatepost.toml")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
        command
            .args(arguments)
            .arg("-c")
            .arg(self.configuration())
            .env("SUDO_USER", "jane")
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command that succeeds prints.
    pub(crate) fn prints(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command that succeeds prints as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.prints(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// What a command that fails complains of.
    pub(crate) fn complains(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Starts the server; its listener accepts when this returns.
    pub(crate) fn start(&self) -> Running {
        let mut child = self
            .command(&["serve"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        let address = loop {
            let mut line = String::new();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ends: {log}");
            log.push_str(&line);
            if let Some((_, address)) = listening(&line) {
                break address;
            }
        };
        let log = std::thread::spawn(move || {
            // What could be read before an error is the log.
            let _ = stderr.read_to_string(&mut log);
            log
        });
        Running {
            child,
            address,
            log: Some(log),
        }
    }
}

/// Name and address of a listener, of the line that says it is one.
pub(crate) fn listening(line: &str) -> Option<(String, SocketAddr)> {
    let field = |name: &str| line.split(' ').find_map(|field| field.strip_prefix(name));
    field("event=").filter(|event| *event == "listening")?;
    let address = field("address=")?.parse().ok()?;
    Some((field("listener=")?.to_owned(), address))
}

impl Running {
    /// An authenticated session.
    pub(crate) async fn login(&self) -> Talk {
        let mut talk = Talk::connect(self.address).await;
        talk.expect("220 ").await;
        talk.ask("EHLO client.example", "250 ").await;
        talk.ask(AUTH, "235 ").await;
        talk
    }

    /// Submits a message and gives its queue id.
    pub(crate) async fn submit(&self, recipient: &str) -> String {
        let mut talk = self.login().await;
        talk.ask(&format!("MAIL FROM:<{ACCOUNT}>"), "250 ").await;
        talk.ask(&format!("RCPT TO:<{recipient}>"), "250 ").await;
        talk.ask("DATA", "354 ").await;
        let content = format!("From: {ACCOUNT}\r\nSubject: to {recipient}\r\n\r\nbody\r\n.");
        let reply = talk.ask(&content, "250 2.0.0 ").await;
        talk.ask("QUIT", "221 ").await;
        let id = reply
            .split_ascii_whitespace()
            .find(|word| word.parse::<gatepost::queue::QueueId>().is_ok());
        id.expect("the reply names the message").to_owned()
    }

    /// Ends it with SIGTERM and gives its log.
    pub(crate) fn stop(mut self) -> String {
        self.end(Signal::TERM)
    }

    /// Kills it.
    pub(crate) fn kill(mut self) {
        self.end(Signal::KILL);
    }

    fn end(&mut self, signal: Signal) -> String {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap();
        self.log.take().unwrap().join().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.log.is_some() {
            // It may have ended by itself.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
