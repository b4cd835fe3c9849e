//! A program in `peers/sasl` that submits a message for each line that it is told; and Gatepost as the server of one.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::super::corpus::{self, LineEnd, Sample};
use super::{check_arrived, layered_server, long_message, program};
use crate::peer_table::passed;
use crate::server::Server;

/// The program as a client of Gatepost's legacy lane, with a long message.
pub(super) struct Client {
    name: &'static str,
    server: Server,
    sample: Sample,
    submitter: Submitter,
}

impl Client {
    /// Starts it by its interpreter; `name` is for the table of peers.
    pub(super) async fn start(name: &'static str, interpreter: &str, file: &str) -> Self {
        let server = layered_server().await;
        let sample = long_message();
        let message = server.directory.path().join("message");
        std::fs::write(&message, &sample.octets).unwrap();
        let submitter = Submitter::start(
            Command::new(interpreter)
                .arg(program(file))
                .arg(server.legacy.port().to_string())
                .args(["dev@localhost", "gatepost"])
                .arg(&message),
        );
        Self {
            name,
            server,
            sample,
            submitter,
        }
    }

    /// Submits by a mechanism without layers.
    pub(super) async fn submit(&mut self, mechanism: &str, way: &str) {
        assert_eq!(self.submitter.submit(way).await, "auth", "{way}");
        let stored = self.server.newest().await;
        corpus::check(&self.sample, &stored, LineEnd::Exact);
        let logged = format!("result=ok mechanism={mechanism} ");
        let logged = self.server.log.lines_with(&logged);
        assert_eq!(logged.len(), 1, "{logged:?}");
        passed(self.name, mechanism, "none (legacy)", "to Gatepost");
    }

    /// Submits by DIGEST-MD5 through this layer in each of these ways.
    pub(super) async fn submit_through(&mut self, layer: &str, ways: &[String]) {
        let qop = layer.split('/').next().unwrap();
        for way in ways {
            assert_eq!(self.submitter.submit(way).await, qop, "{way}");
            check_arrived(&self.server, &self.sample, layer).await;
        }
        let mechanism = format!("DIGEST-MD5 {layer}");
        passed(self.name, &mechanism, "none (legacy)", "to Gatepost");
    }
}

/// It ends when this is dropped.
pub(super) struct Submitter {
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Submitter {
    pub(super) fn start(command: &mut Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self {
            input: process.stdin.take().unwrap(),
            lines,
            _process: process,
        }
    }

    /// What it says first.
    pub(super) async fn line(&mut self) -> String {
        let line = self.lines.next_line().await.unwrap();
        line.expect("the program says above what it has run into")
    }

    /// Submits in this way; the quality of protection that was agreed on.
    pub(super) async fn submit(&mut self, way: &str) -> String {
        self.input
            .write_all(format!("{way}\n").as_bytes())
            .await
            .unwrap();
        let line = self.line().await;
        line.strip_prefix("done ").expect(way).to_owned()
    }
}
