//! A program in `peers/sasl` that submits a message for each line that it is told.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

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
