//! Which queued messages are meant.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::view::received_ms;
use crate::config::pattern::Pattern;
use crate::queue::{EntryState, EntryView};

/// Conditions that all hold; what is absent holds. Patterns may contain `*`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// In this state.
    pub state: Option<WireState>,
    /// From senders like this; `<>` is the sender of notices.
    pub sender: Option<String>,
    /// To at least one recipient like this.
    pub recipient: Option<String>,
    /// Submitted by accounts like this.
    pub account: Option<String>,
    /// With at least one recipient whose last reply, or the reason why it is held, is like this.
    pub reply: Option<String>,
    /// Here for at least so many seconds.
    pub older_than: Option<u64>,
    /// Here for less than so many seconds.
    pub newer_than: Option<u64>,
}

/// A message's state on the socket and in output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireState {
    /// [`EntryState::Queued`].
    Queued,
    /// [`EntryState::Held`].
    Held,
    /// [`EntryState::Captured`].
    Captured,
}

impl From<EntryState> for WireState {
    fn from(state: EntryState) -> Self {
        match state {
            // What is finished is gone as soon as its record is written.
            EntryState::Queued | EntryState::Finished => Self::Queued,
            EntryState::Held => Self::Held,
            EntryState::Captured => Self::Captured,
        }
    }
}

impl WireState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Held => "held",
            Self::Captured => "captured",
        }
    }
}

impl Filter {
    /// The state, as the queue names it.
    pub(super) fn entry_state(&self) -> Option<EntryState> {
        self.state.map(|state| match state {
            WireState::Queued => EntryState::Queued,
            WireState::Held => EntryState::Held,
            WireState::Captured => EntryState::Captured,
        })
    }

    pub(super) fn matcher(&self) -> Matcher {
        let pattern = |text: &Option<String>| text.as_deref().map(Pattern::new);
        let sender = self.sender.as_deref().map(|sender| match sender {
            "<>" => Pattern::new(""),
            other => Pattern::new(other),
        });
        Matcher {
            sender,
            recipient: pattern(&self.recipient),
            account: pattern(&self.account),
            reply: pattern(&self.reply),
            older_than: self.older_than,
            newer_than: self.newer_than,
        }
    }
}

/// A filter, ready for many messages. The state is the queue's affair.
pub(super) struct Matcher {
    sender: Option<Pattern>,
    recipient: Option<Pattern>,
    account: Option<Pattern>,
    reply: Option<Pattern>,
    older_than: Option<u64>,
    newer_than: Option<u64>,
}

impl Matcher {
    pub(super) fn fits(&self, entry: &EntryView) -> bool {
        let holds = |pattern: &Option<Pattern>, text: &str| {
            pattern.as_ref().is_none_or(|pattern| pattern.matches(text))
        };
        let sender = entry.envelope.reverse_path.address();
        let auth = entry.envelope.submission.auth.as_ref();
        let to_one = |pattern: &Pattern| {
            let mut recipients = entry.recipients.iter();
            recipients.any(|(path, _)| pattern.matches(path.address().as_str()))
        };
        let says = |pattern: &Pattern| {
            let mut recipients = entry.recipients.iter();
            recipients.any(|(_, state)| pattern.matches(&state.diagnostic))
        };
        holds(&self.sender, sender.map_or("", |address| address.as_str()))
            && holds(&self.account, auth.map_or("", |auth| &auth.account))
            && self.recipient.as_ref().is_none_or(to_one)
            && self.reply.as_ref().is_none_or(says)
            && self.is_of_age(entry)
    }

    fn is_of_age(&self, entry: &EntryView) -> bool {
        if self.older_than.is_none() && self.newer_than.is_none() {
            return true;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ms = now.map_or(0, |since| since.as_millis());
        let age = now_ms.saturating_sub(u128::from(received_ms(entry))) / 1000;
        self.older_than.is_none_or(|least| age >= u128::from(least))
            && self.newer_than.is_none_or(|most| age < u128::from(most))
    }
}
