//! One submission with a token, by a client of others, to a server whose messages and log are looked at.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use gatepost::config::resolved::Config;
use tokio::process::Command;

use super::clients::Submission;
use crate::server::Server;

const MESSAGE: &str =
    "From: dev@localhost\r\nTo: you@example.com\r\nSubject: by token\r\n\r\nHello.\r\n";

/// Starts a submission.
pub(super) type Begin<'a> = &'a dyn Fn(&Submission<'_>) -> Command;

/// A listener with TLS.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    StartTls,
    Implicit,
}

impl Lane {
    pub(super) const BOTH: [Self; 2] = [Self::StartTls, Self::Implicit];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::StartTls => "STARTTLS",
            Self::Implicit => "implicit",
        }
    }
}

/// A server, and the message to submit.
pub(super) struct Target {
    pub(super) server: Server,
    ca: PathBuf,
    message: PathBuf,
}

impl Target {
    pub(super) async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let server = Server::start_with(change).await;
        let ca = server.directory.path().join("ca.pem");
        let message = server.directory.path().join("message");
        std::fs::write(&message, MESSAGE).unwrap();
        Self {
            server,
            ca,
            message,
        }
    }

    /// Runs the client, which must end well and leave a message.
    pub(super) async fn takes(&self, begin: Begin<'_>, mechanism: &str, lane: Lane, token: &str) {
        let before = self.server.queued().await;
        let (output, what) = self.run(begin, mechanism, lane, token).await;
        assert!(output.status.success(), "{what}");
        assert_eq!(self.server.queued().await, before + 1, "{what}");
        let logged = format!("result=ok mechanism={mechanism} ");
        assert!(!self.server.log.lines_with(&logged).is_empty(), "{what}");
    }

    /// Runs the client, which must be refused, for this reason as the log has it. Gives what it said.
    pub(super) async fn refuses(
        &self,
        begin: Begin<'_>,
        mechanism: &str,
        token: &str,
        reason: &str,
    ) -> String {
        let before = self.server.queued().await;
        let logged = format!("reason={reason}");
        let told = self.server.log.lines_with(&logged).len();
        let (output, what) = self.run(begin, mechanism, Lane::Implicit, token).await;
        assert!(!output.status.success(), "{what}");
        assert_eq!(self.server.queued().await, before, "{what}");
        assert!(
            self.server.log.lines_with(&logged).len() > told,
            "{reason}: {what}"
        );
        what
    }

    async fn run(
        &self,
        begin: Begin<'_>,
        mechanism: &str,
        lane: Lane,
        token: &str,
    ) -> (Output, String) {
        let submission = Submission {
            server: match lane {
                Lane::StartTls => self.server.smtp,
                Lane::Implicit => self.server.smtps,
            },
            implicit: lane == Lane::Implicit,
            mechanism,
            token,
            ca: &self.ca,
            message: &self.message,
        };
        let output = begin(&submission)
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        let said = [&output.stdout[..], &output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let what = format!("{mechanism} {}:\n{said}", lane.name());
        (output, what)
    }
}
