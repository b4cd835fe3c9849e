//! `gatepost dev` as a process of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Ports that the system chooses.
pub(crate) const LOOPBACK: [&str; 8] = [
    "--smtp",
    "127.0.0.1:0",
    "--smtps",
    "127.0.0.1:0",
    "--legacy",
    "127.0.0.1:0",
    "--http",
    "127.0.0.1:0",
];

/// A development server in a process of its own.
pub(crate) struct Dev {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// What it printed up to `ready`.
    pub(crate) printed: String,
}

impl Dev {
    /// With these arguments, keeping what it makes in this directory.
    pub(crate) fn start(directory: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gatepost"))
            .args(["dev", "--dir", directory.to_str().unwrap()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut printed = String::new();
        while !printed.ends_with("\nready\n") {
            assert_ne!(
                stdout.read_line(&mut printed).unwrap(),
                0,
                "ended after {printed}"
            );
        }
        Self {
            child,
            stdout,
            printed,
        }
    }

    /// The address printed behind this word.
    pub(crate) fn address(&self, word: &str) -> SocketAddr {
        self.word(word).parse().unwrap()
    }

    /// What is printed behind this word.
    pub(crate) fn word(&self, word: &str) -> String {
        let mut lines = self.printed.lines();
        let line = lines.find_map(|line| line.trim_start().strip_prefix(word));
        let next = line.unwrap().split_whitespace().next();
        next.unwrap().to_owned()
    }

    /// Sends SIGTERM and waits: gives exit status, what else it printed, and its log.
    pub(crate) fn stop(mut self, signal: Signal) -> (Option<i32>, String, String) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let (mut rest, mut log) = (String::new(), String::new());
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut log)
            .unwrap();
        self.stdout.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest, log)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // One that has been stopped is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
