//! `gatepost account import`: accounts from elsewhere.
//!
//! Reads a whole file into entries, each with its line, and hands them over at once. What stops an entry, in the file or in the
//! accounts that exist, is told with its line; then nothing is added, unless `--skip-bad` says to add the rest. No
//! message repeats what a line contains.

use std::io::Read as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use zeroize::Zeroizing;

use super::{csv, execute, export, mismatch, passwd};
use crate::cli::{CommandError, ConfigFile, complain, print};
use crate::control::account::{ImportProblem, ImportReport, WireKind};
use crate::control::command::{Command, Done};
use crate::control::portable::{Entry, PortableAccount, PortableCredential};
use crate::control::wire_secret::WirePassword;

/// Octets of the largest file read.
const MAX_FILE: u64 = 64 * 1024 * 1024;

#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches of a command line, each read alone"
)]
pub(in crate::cli) struct Import {
    /// The file to read; - is standard input
    from: PathBuf,
    /// What the file is; found out by its first line when absent
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Give accounts whose name is no address the address NAME@DOMAIN to send as
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// Import the passwords as legacy credentials: for old devices, on legacy listeners and nowhere else
    #[arg(long)]
    legacy: bool,
    /// Leave out what cannot be imported, and import the rest
    #[arg(long)]
    skip_bad: bool,
    /// Say what would come of it, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// name:password, as Dovecot's passwd-file, Apache's htpasswd and /etc/shadow have it
    Passwd,
    /// A table whose first line names its columns: name, address, password, hash
    Csv,
    /// What `gatepost account export` writes
    Export,
}

/// One line of a file: an account, or why it is none.
pub(super) type Line = (usize, Result<PortableAccount, String>);

impl Import {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let text = self.read()?;
        let format = self.format.unwrap_or_else(|| detect(&text));
        let kind = if self.legacy {
            WireKind::Legacy
        } else {
            WireKind::Password
        };
        let lines = match format {
            Format::Passwd => passwd::parse(&text, kind),
            Format::Csv => csv::parse(&text, kind).map_err(|why| self.unusable(&why))?,
            Format::Export => exported(&text).map_err(|why| self.unusable(&why))?,
        };
        let mut problems = Vec::new();
        let mut entries = Vec::new();
        for (line, account) in lines {
            match account {
                Ok(account) => entries.push(Entry {
                    line,
                    account: self.addressed(account),
                }),
                Err(why) => problems.push(ImportProblem { line, why }),
            }
        }
        if entries.is_empty() && problems.is_empty() {
            return Err(self.unusable("there is no account in it"));
        }
        let all_good = self.skip_bad || problems.is_empty();
        let command = Command::AccountImport {
            entries,
            skip_bad: self.skip_bad,
            dry_run: self.dry_run || !all_good,
        };
        let Done::Imported(mut report) = execute(&self.file, command)? else {
            return Err(mismatch());
        };
        report.problems.extend(problems);
        report.problems.sort_by_key(|problem| problem.line);
        self.tell(&report)
    }

    fn tell(&self, report: &ImportReport) -> Result<(), CommandError> {
        if self.json {
            print(&serde_json::json!({ "import": report, "dry_run": self.dry_run }).to_string());
        } else {
            for problem in &report.problems {
                complain(&format!(
                    "{}:{}: {}",
                    self.place(),
                    problem.line,
                    problem.why
                ));
            }
        }
        let bad = report.problems.len();
        if bad > 0 && !self.skip_bad {
            return Err(CommandError::Failed(format!(
                "nothing was imported: {bad} {} wrong, {} could be imported\n    mend the file, or leave them out with --skip-bad",
                if bad == 1 { "line is" } else { "lines are" },
                report.good
            )));
        }
        if !self.json {
            print(&if self.dry_run {
                format!("would import {}, leave out {bad}", report.good)
            } else {
                format!("imported {}, left out {bad}", report.added)
            });
        }
        Ok(())
    }

    fn read(&self) -> Result<Zeroizing<String>, CommandError> {
        // Room for most files from the start: growing would leave copies of secrets behind.
        let mut octets = Zeroizing::new(Vec::with_capacity(1024 * 1024));
        let read = if self.from.as_os_str() == "-" {
            std::io::stdin()
                .lock()
                .take(MAX_FILE)
                .read_to_end(&mut octets)
        } else {
            std::fs::File::open(&self.from)
                .and_then(|file| file.take(MAX_FILE).read_to_end(&mut octets))
        };
        let read = read.map_err(|error| self.unusable(&error.to_string()))?;
        if read as u64 == MAX_FILE {
            return Err(self.unusable("it is longer than 64 MiB; split it"));
        }
        match std::str::from_utf8(&octets) {
            Ok(text) => Ok(Zeroizing::new(
                text.trim_start_matches('\u{feff}').to_owned(),
            )),
            Err(error) => {
                let before = octets.get(..error.valid_up_to()).unwrap_or_default();
                let line = before.split(|octet| *octet == b'\n').count();
                Err(self.unusable(&format!(
                    "line {line} is not UTF-8; convert the file first, for example with `iconv -f WINDOWS-1252 -t UTF-8`"
                )))
            }
        }
    }

    /// With the address that `--domain` makes of a name.
    fn addressed(&self, mut account: PortableAccount) -> PortableAccount {
        if let Some(domain) = &self.domain
            && account.addresses.is_empty()
            && !account.name.contains('@')
        {
            account.addresses.push(format!("{}@{domain}", account.name));
        }
        account
    }

    fn place(&self) -> String {
        if self.from.as_os_str() == "-" {
            "standard input".to_owned()
        } else {
            self.from.display().to_string()
        }
    }

    fn unusable(&self, why: &str) -> CommandError {
        CommandError::Failed(format!("{} cannot be imported: {why}", self.place()))
    }
}

/// By the first line that says something.
fn detect(text: &str) -> Format {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty());
    let first = first.unwrap_or_default();
    if first.starts_with("{\"") {
        Format::Export
    } else if csv::is_header(first) {
        Format::Csv
    } else {
        Format::Passwd
    }
}

/// The lines of our own export.
fn exported(text: &str) -> Result<Vec<Line>, String> {
    let mut lines = (1..).zip(text.lines());
    let header: serde_json::Value = lines
        .next()
        .and_then(|(_, line)| serde_json::from_str(line).ok())
        .unwrap_or_default();
    match header
        .get(export::HEADER)
        .and_then(serde_json::Value::as_u64)
    {
        Some(export::VERSION) => {}
        Some(newer) => {
            return Err(format!(
                "its form has version {newer}, this program reads version {}: use the gatepost that wrote it",
                export::VERSION
            ));
        }
        None => {
            return Err("its first line does not say that it is an export of accounts".to_owned());
        }
    }
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    Ok(lines
        .map(|(number, line)| {
            // The position only: the text could repeat a secret.
            let account = serde_json::from_str(line).map_err(|error| {
                format!(
                    "column {}: this is not an account of an export",
                    error.column()
                )
            });
            (number, account)
        })
        .collect())
}

/// An account with one credential, of which this is kept.
pub(super) fn account(name: &str, kind: WireKind, verifier: &str) -> PortableAccount {
    PortableAccount {
        name: name.to_owned(),
        addresses: Vec::new(),
        enabled: true,
        acts_as: Vec::new(),
        credentials: vec![PortableCredential {
            mechanisms: None,
            label: None,
            kind,
            verifiers: vec![WirePassword::new(verifier)],
        }],
    }
}
