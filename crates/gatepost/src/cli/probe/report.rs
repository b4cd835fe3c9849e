//! What was found, for people and for programs.

use std::fmt;

use serde::Serialize;

use crate::cli::output::printable;

/// Everything that was found about a server.
#[derive(Serialize)]
pub(super) struct Report {
    server: String,
    pub(super) findings: Vec<Finding>,
}

/// The answer to one question.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    pub(super) question: &'static str,
    /// The document and section that say what is right.
    pub(super) section: &'static str,
    /// What was found; may hold what the server said, escaped.
    pub(super) found: String,
}

/// How right it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As the section wants it.
    Ok,
    /// Allowed, and worth knowing.
    Note,
    /// Against the section.
    Fault,
    /// The question has no meaning for this server.
    Skipped,
}

impl Finding {
    pub(super) fn new(
        verdict: Verdict,
        question: &'static str,
        section: &'static str,
        found: &str,
    ) -> Self {
        Self {
            verdict,
            question,
            section,
            found: printable(found),
        }
    }
}

impl Report {
    pub(super) fn new(server: String) -> Self {
        Self {
            server,
            findings: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// How many findings are of this kind.
    pub(super) fn count(&self, verdict: Verdict) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.verdict == verdict)
            .count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.server)?;
        for finding in &self.findings {
            let verdict = match finding.verdict {
                Verdict::Ok => "ok",
                Verdict::Note => "note",
                Verdict::Fault => "FAULT",
                Verdict::Skipped => "-",
            };
            writeln!(
                f,
                "{verdict:<6} {:<20} {:<15} {}",
                finding.question, finding.section, finding.found
            )?;
        }
        writeln!(
            f,
            "{} ok, {} notes, {} faults",
            self.count(Verdict::Ok),
            self.count(Verdict::Note),
            self.count(Verdict::Fault)
        )
    }
}
