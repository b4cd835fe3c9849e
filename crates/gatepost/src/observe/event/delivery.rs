//! Events of mail going out.

use std::time::Duration;

use super::{Fields, Level, Record};
use crate::observe::reason::Reason;

/// One recipient of one attempt.
#[derive(Debug, Clone)]
pub struct DeliveryAttempt {
    /// The queue id.
    pub id: String,
    /// The recipient.
    pub recipient: String,
    /// Host and port tried last; none when no connection was tried.
    pub next_hop: Option<String>,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// How it ended.
    pub outcome: DeliveryOutcome,
    /// Why.
    pub reason: Reason,
    /// The next hop's reply, code and text.
    pub reply: Option<String>,
    /// Mechanism used towards the next hop.
    pub mechanism: Option<&'static str>,
    /// Version of TLS towards the next hop.
    pub tls: Option<String>,
    /// How long the attempt took.
    pub duration: Duration,
}

/// How an attempt ended for a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryOutcome {
    /// The next hop has it.
    Delivered,
    /// To be tried again.
    Deferred,
    /// Given up; the sender is told.
    Bounced,
    /// Waits for a person.
    Held,
}

/// A notice about failed recipients was queued.
#[derive(Debug, Clone)]
pub struct NoticeQueued {
    /// The queue id of the notice.
    pub id: String,
    /// The queue id of the message it is about.
    pub about: String,
    /// Who is told.
    pub recipient: String,
    /// How many recipients failed.
    pub failed: usize,
    /// How many take long.
    pub delayed: usize,
    /// How many were passed on to where nobody tells.
    pub relayed: usize,
}

impl DeliveryOutcome {
    /// The outcome as it stands in the log, metrics and pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Deferred => "deferred",
            Self::Bounced => "bounced",
            Self::Held => "held",
        }
    }
}

impl Record for DeliveryAttempt {
    fn name(&self) -> &'static str {
        "delivery"
    }

    fn level(&self) -> Level {
        match self.reason {
            // The lane stands still until someone repairs it.
            Reason::NextHopCredential | Reason::NextHopTls => Level::Error,
            _ => Level::Info,
        }
    }

    fn reason(&self) -> Option<&'static str> {
        Some(self.reason.as_str())
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.text("id", &self.id);
        to.text("result", self.outcome.as_str());
        to.text("recipient", &self.recipient);
        to.some("next_hop", self.next_hop.as_deref());
        to.number("attempt", u64::from(self.attempt));
        to.some("reply", self.reply.as_deref());
        to.some("mechanism", self.mechanism);
        to.some("tls", self.tls.as_deref());
        to.millis("duration_ms", self.duration);
    }
}

impl Record for NoticeQueued {
    fn name(&self) -> &'static str {
        "notice"
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.text("id", &self.id);
        to.text("about", &self.about);
        to.text("recipient", &self.recipient);
        to.number("failed", self.failed as u64);
        to.number("delayed", self.delayed as u64);
        to.number("relayed", self.relayed as u64);
    }
}
