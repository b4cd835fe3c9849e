//! Why something is refused: the reply, the reason that is counted, and the facts that explain it.

use gatepost_smtp::reply::Refusal;

use crate::observe::reason::Reason;

/// A "no" of policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What the peer is told.
    pub refusal: Refusal,
    /// What is counted and logged.
    pub reason: Reason,
    /// What it was about: constant keys, values that may come from the peer. No secrets.
    pub facts: Vec<(&'static str, String)>,
}

impl Decision {
    /// A "no" without facts.
    pub fn new(refusal: Refusal, reason: Reason) -> Self {
        Self {
            refusal,
            reason,
            facts: Vec::new(),
        }
    }

    /// Adds a fact.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.facts.push((key, value.into()));
        self
    }

    /// The facts as one text: `key=value key=value`.
    pub fn detail(&self) -> String {
        self.facts
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect::<Vec<_>>()
            .join(" ")
    }
}
