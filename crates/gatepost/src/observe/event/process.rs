//! Events of the process as a whole and of its administration.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Fields, Level, Record};
use crate::observe::reason::Reason;

/// The process begins.
#[derive(Debug, Clone)]
pub struct Started {
    /// Version of the program.
    pub version: &'static str,
    /// Host name it goes by.
    pub hostname: String,
    /// Its data directory.
    pub data: String,
}

/// A listener accepts connections.
#[derive(Debug, Clone)]
pub struct Listening {
    /// Its name.
    pub listener: String,
    /// The address it is bound to.
    pub address: SocketAddr,
}

/// The process accepts nothing new and waits for what runs.
#[derive(Debug, Clone)]
pub struct Draining {
    /// Sessions still open.
    pub sessions: usize,
    /// How long they get.
    pub limit: Duration,
}

/// The process ends.
#[derive(Debug, Clone)]
pub struct Stopped {
    /// Sessions cut off because they did not end in time.
    pub cut_off: usize,
}

/// A part of the program, or something it depends on, does not work.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Which part: `store`, `queue`, `directory`, `listener` …
    pub part: &'static str,
    /// What kind of failure.
    pub reason: Reason,
    /// What exactly, for the operator.
    pub detail: String,
}

/// A changed configuration is in force.
#[derive(Debug, Clone)]
pub struct Reloaded {
    /// How many listeners there are now.
    pub listeners: usize,
    /// Names of those that are new.
    pub added: Vec<String>,
    /// Names of those that accept nothing more.
    pub gone: Vec<String>,
    /// Options that were changed and hold from the next start only.
    pub waiting: Vec<&'static str>,
}

/// A changed configuration cannot be used; the former one stays in force.
#[derive(Debug, Clone)]
pub struct ReloadRefused {
    /// Why: what, where and what next.
    pub detail: String,
}

/// A certificate ends soon, or has ended.
#[derive(Debug, Clone)]
pub struct CertificateExpires {
    /// Which, and when.
    pub detail: String,
}

/// Lines of the log were left out: too many of a kind in a short time, or nobody took them.
#[derive(Debug, Clone)]
pub struct LogGap {
    /// The kind of event, or `all`.
    pub kind: &'static str,
    /// How many lines.
    pub lines: u64,
}

/// Someone changed an account.
#[derive(Debug, Clone)]
pub struct AccountChanged {
    /// Whose.
    pub account: String,
    /// What was done: `added`, `password-set` …
    pub act: &'static str,
    /// By whom: `command`, `socket` …
    pub by: &'static str,
}

/// Someone changed a queued message.
#[derive(Debug, Clone)]
pub struct QueueChanged {
    /// Its queue id.
    pub id: String,
    /// What was done: `held`, `released`, `retried`, `deleted`, or `returned` to its sender.
    pub act: &'static str,
    /// The way it was asked: `command`, `socket`.
    pub by: &'static str,
    /// The person, as the command names him.
    pub operator: String,
}

impl Record for Started {
    fn name(&self) -> &'static str {
        "started"
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.text("version", self.version);
        to.text("hostname", &self.hostname);
        to.text("data", &self.data);
    }
}

impl Record for Listening {
    fn name(&self) -> &'static str {
        "listening"
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.show("address", self.address);
        to.text("listener", &self.listener);
    }
}

impl Record for Draining {
    fn name(&self) -> &'static str {
        "draining"
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.number("sessions", self.sessions as u64);
        to.millis("limit_ms", self.limit);
    }
}

impl Record for Stopped {
    fn name(&self) -> &'static str {
        "stopped"
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.number("cut_off", self.cut_off as u64);
    }
}

impl Record for Fault {
    fn name(&self) -> &'static str {
        "fault"
    }

    fn level(&self) -> Level {
        Level::Error
    }

    fn reason(&self) -> Option<&'static str> {
        Some(self.reason.as_str())
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.text("part", self.part);
        to.text("detail", &self.detail);
    }
}

impl Record for Reloaded {
    fn name(&self) -> &'static str {
        "reloaded"
    }

    fn level(&self) -> Level {
        if self.waiting.is_empty() {
            Level::Info
        } else {
            Level::Warn
        }
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.number("listeners", self.listeners as u64);
        let lists = [
            ("added", self.added.join(", ")),
            ("gone", self.gone.join(", ")),
        ];
        for (key, names) in lists {
            to.some(key, Some(names.as_str()).filter(|names| !names.is_empty()));
        }
        if !self.waiting.is_empty() {
            to.text("needs_restart", &self.waiting.join(", "));
        }
    }
}

impl Record for ReloadRefused {
    fn name(&self) -> &'static str {
        "reload-refused"
    }

    fn level(&self) -> Level {
        Level::Error
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.text("detail", &self.detail);
    }
}

impl Record for CertificateExpires {
    fn name(&self) -> &'static str {
        "certificate-expires"
    }

    fn level(&self) -> Level {
        Level::Warn
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.text("detail", &self.detail);
    }
}

impl Record for LogGap {
    fn name(&self) -> &'static str {
        "log-gap"
    }

    fn level(&self) -> Level {
        Level::Warn
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.text("kind", self.kind);
        to.number("lines", self.lines);
    }
}

impl Record for AccountChanged {
    fn name(&self) -> &'static str {
        "account-changed"
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.text("account", &self.account);
        to.text("act", self.act);
        to.text("by", self.by);
    }
}

impl Record for QueueChanged {
    fn name(&self) -> &'static str {
        "queue-changed"
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.text("id", &self.id);
        to.text("act", self.act);
        to.text("by", self.by);
        to.text("operator", &self.operator);
    }
}
