//! What was found, for people and for programs.

use std::fmt;

use serde::Serialize;

use super::question::Question;
use crate::cli::output::printable;

/// Everything that was found about a server.
#[derive(Serialize)]
pub(super) struct Report {
    server: String,
    findings: Vec<Finding>,
    /// How often the server answered that a login failed (535): it may count each against the address of the probe.
    pub(super) refused_logins: usize,
}

/// The answer to one question.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    verdict: Verdict,
    question: &'static str,
    section: &'static str,
    requirement: &'static str,
    /// What was found; may hold what the server said, escaped.
    found: String,
    /// Of a note or a fault: what it breaks in the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    breaks: Option<&'static str>,
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
    pub(super) fn new(question: &Question, verdict: Verdict, found: &str) -> Self {
        Self {
            verdict,
            question: question.name,
            section: question.section,
            requirement: question.requirement,
            found: printable(found),
            breaks: matches!(verdict, Verdict::Note | Verdict::Fault).then_some(question.breaks),
        }
    }
}

impl Report {
    pub(super) fn new(server: String) -> Self {
        Self {
            server,
            findings: Vec::new(),
            refused_logins: 0,
        }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Whether this question was asked, and all is well with it.
    pub(super) fn is_ok(&self, question: &str) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.question == question && finding.verdict == Verdict::Ok)
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
            writeln!(f, "{finding}")?;
        }
        writeln!(
            f,
            "{} ok, {} notes, {} faults",
            self.count(Verdict::Ok),
            self.count(Verdict::Note),
            self.count(Verdict::Fault)
        )?;
        writeln!(
            f,
            "answers that say a login failed: {}; the server may count each against this address",
            self.refused_logins
        )
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Fault => "FAULT",
            Verdict::Skipped => "-",
        };
        write!(
            f,
            "{verdict:<6} {:<20} {:<18} {:<8} {}",
            self.question, self.section, self.requirement, self.found
        )?;
        match self.breaks {
            Some(breaks) => write!(f, "\n       {:<20} {breaks}", "in the field:"),
            None => Ok(()),
        }
    }
}
