//! A question to a server: its name, the rule that says what is right, and who suffers where the rule is broken.

use super::report::{Finding, Verdict};

/// One thing to find out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    /// Its name in the report.
    pub(super) name: &'static str,
    /// The document and section with the rule.
    pub(super) section: &'static str,
    /// The rule's row in the index of standards.
    pub(super) requirement: &'static str,
    /// What another answer breaks in the field.
    pub(super) breaks: &'static str,
}

impl Question {
    /// The answer; `found` may hold what the server said.
    pub(super) fn finding(&self, verdict: Verdict, found: &str) -> Finding {
        Finding::new(self, verdict, found)
    }
}
