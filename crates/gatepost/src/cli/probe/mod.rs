//! `gatepost probe HOST:PORT`: what a server offers, and what it gets wrong.
//!
//! One connection at a time, a new one for each question that may end a session. No message is ever sent: the furthest a question goes is
//! one RCPT without authentication. Wrong passwords are never tried; a password is given away only by `--user`, over verified TLS.
//!
//! A further question is a row in [`rows`]. Findings are `ok`, `note` (allowed, and some clients trip over it) or `fault` (against the
//! section named); the exit status is 1 when there is a fault.

mod certificate;
mod connection;
mod report;
mod rows;
mod survey;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use self::connection::Target;
use self::report::{Report, Verdict};
use crate::cli::output::Form;
use crate::cli::send::{Protection, split};
use crate::cli::{CommandError, process};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The server; port 587 when left out
    #[arg(value_name = "HOST[:PORT]")]
    server: String,
    /// How the connection is protected; default: implicit on port 465, else STARTTLS if offered
    #[arg(long, value_enum)]
    tls: Option<Protection>,
    /// Trust the certificate authorities in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Also authenticate, as this user
    #[arg(long, value_name = "NAME", requires = "password_stdin")]
    user: Option<String>,
    /// Read the password from the first line of standard input
    #[arg(long, requires = "user")]
    password_stdin: bool,
    /// Seconds to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    patience: u64,
    #[command(flatten)]
    form: Form,
}

/// Asks everything. Fails when the server cannot be reached, or has a fault.
pub(super) fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let (host, port) = split(&arguments.server)?;
    let port = port.unwrap_or_else(|| Protection::default_port(arguments.tls));
    let protection = arguments.tls.or_else(|| Protection::implied_by(port));
    let target = Target::new(
        &host,
        port,
        protection,
        arguments.ca.as_deref(),
        Duration::from_secs(arguments.patience),
    )?;
    let mut report = Report::new(format!("{host}:{port}"));
    let channel = survey::run(&target, &mut report).map_err(|error| {
        CommandError::Failed(format!(
            "{host}:{port}: {error}\n    check host and port, and whether the server runs"
        ))
    })?;
    for row in rows::ROWS {
        report.add(row.ask(&target, &channel));
    }
    if let Some(user) = &arguments.user {
        let password = crate::cli::send::password_line()?;
        let finding = process::runtime()?.block_on(survey::authenticate(
            &target,
            arguments.ca.as_deref(),
            user,
            password,
        ));
        report.add(finding);
    }
    arguments.form.print(&report);
    match report.count(Verdict::Fault) {
        0 => Ok(()),
        1 => Err(CommandError::Failed("1 fault".to_owned())),
        faults => Err(CommandError::Failed(format!("{faults} faults"))),
    }
}
