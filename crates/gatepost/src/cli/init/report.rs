//! What was made and what was proven, for people and for programs.

use std::fmt;

use serde::Serialize;
use zeroize::Zeroizing;

use super::plan::{CertificateSource, Plan};

/// The whole result.
#[derive(Serialize)]
pub(super) struct Report {
    /// The configuration file.
    configuration: String,
    /// The data directory.
    data: String,
    /// Every file that was written.
    pub(super) wrote: Vec<String>,
    /// The authority that clients must trust, when the certificate is for trial.
    authority: Option<String>,
    /// The first account.
    pub(super) account: Option<Account>,
    /// What was proven.
    pub(super) checks: Vec<Check>,
}

/// The first account.
#[derive(Serialize)]
pub(super) struct Account {
    pub(super) name: String,
    /// Its password, when it was generated: shown this once.
    #[serde(rename = "password")]
    pub(super) shown: Option<String>,
    /// Its password, when the account is new.
    #[serde(skip)]
    pub(super) password: Option<Zeroizing<String>>,
}

/// One thing that was looked at.
#[derive(Serialize)]
pub(super) struct Check {
    verdict: Verdict,
    #[serde(rename = "check")]
    subject: &'static str,
    detail: String,
    next: Option<String>,
}

/// How it stands with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// It works.
    Pass,
    /// The server works; some of its clients will not.
    Warn,
    /// It does not work.
    Fail,
}

impl Report {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            configuration: plan.file.display().to_string(),
            data: plan.data.display().to_string(),
            wrote: Vec::new(),
            authority: match &plan.certificate {
                CertificateSource::Given(_) => None,
                CertificateSource::Trial(directory) => {
                    Some(directory.join("ca.pem").display().to_string())
                }
            },
            account: None,
            checks: Vec::new(),
        }
    }

    pub(super) fn pass(&mut self, subject: &'static str, detail: impl Into<String>) {
        self.add(Verdict::Pass, subject, detail.into(), None);
    }

    pub(super) fn warn(
        &mut self,
        subject: &'static str,
        detail: impl Into<String>,
        next: impl Into<String>,
    ) {
        self.add(Verdict::Warn, subject, detail.into(), Some(next.into()));
    }

    pub(super) fn fail(
        &mut self,
        subject: &'static str,
        detail: impl Into<String>,
        next: impl Into<String>,
    ) {
        self.add(Verdict::Fail, subject, detail.into(), Some(next.into()));
    }

    /// How many checks ended so.
    pub(super) fn count(&self, verdict: Verdict) -> usize {
        self.checks
            .iter()
            .filter(|check| check.verdict == verdict)
            .count()
    }

    fn add(
        &mut self,
        verdict: Verdict,
        subject: &'static str,
        detail: String,
        next: Option<String>,
    ) {
        self.checks.push(Check {
            verdict,
            subject,
            detail,
            next,
        });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.wrote {
            writeln!(f, "wrote {file}")?;
        }
        if let Some(authority) = &self.authority {
            writeln!(
                f,
                "\nThe certificate is for a trial: clients must be told to trust {authority}.\n\
                 For others, get one for this name from an authority they know, and name it under [tls]."
            )?;
        }
        if let Some(account) = &self.account {
            writeln!(f, "\naccount   {}", account.name)?;
            match (&account.shown, &account.password) {
                (Some(password), _) => writeln!(
                    f,
                    "password  {password}\n          (shown this once; it is not kept in readable form)"
                )?,
                (None, Some(_)) => writeln!(f, "password  as given")?,
                (None, None) => {
                    writeln!(f, "          was there already and keeps its password")?;
                }
            }
        }
        writeln!(f)?;
        for check in &self.checks {
            write!(f, "{check}")?;
        }
        let file = &self.configuration;
        if self.count(Verdict::Fail) == 0 {
            writeln!(
                f,
                "\nReady. Run `gatepost serve -c {file}`, or `systemctl start gatepost` where the package is installed.\n\
                 More accounts: `gatepost account add NAME -c {file}`"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Pass => "PASS",
            Verdict::Warn => "WARN",
            Verdict::Fail => "FAIL",
        };
        writeln!(f, "{verdict}  {}: {}", self.subject, self.detail)?;
        match &self.next {
            Some(next) => writeln!(f, "      {next}"),
            None => Ok(()),
        }
    }
}
