//! `gatepost probe HOST:PORT`: what a server offers, and what it gets wrong.
//!
//! One connection at a time, a new one for each question that may end a session. No message is ever sent: the furthest a question goes is
//! one RCPT without authentication. A password is given away only by `--user`, within TLS whose certificate is good or where `--tls none`
//! asks for it.
//!
//! Some questions are logins that fail, and a server counts those: against this address one with a name that nobody has, and as many more
//! as the server takes for one (the report says how often it answered that a login failed); against the user of `--user` three where
//! SCRAM binds (see [`binding`]), behind logins that succeed, and four with `--timing`. Programs lock out after five or ten in a row.
//!
//! A further question is a row in [`rows`]. Findings are `ok`, `note` (allowed, and some clients trip over it) or `fault` (against the
//! section named); the exit status is 1 when there is a fault.

mod binding;
mod certificate;
mod connection;
mod login;
mod question;
mod report;
mod rows;
mod standing;
mod survey;
mod timing;
mod tls_versions;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use self::connection::Target;
use self::login::Login;
use self::report::{Report, Verdict};
use self::survey::Channel;
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
    /// Also measure whether a refusal takes as long for the user as for a name that nobody has; costs four failed logins of each
    #[arg(long, requires = "user")]
    timing: bool,
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
    for row in rows::all() {
        let finding = row.ask(&target, &channel, &report);
        report.add(finding);
    }
    match &arguments.user {
        Some(user) => ask_as(user, arguments, &target, &channel, &mut report)?,
        None => report.add(standing::in_transaction(&target, &channel, None)),
    }
    report.refused_logins = target.refused_logins();
    arguments.form.print(&report);
    match report.count(Verdict::Fault) {
        0 => Ok(()),
        1 => Err(CommandError::Failed("1 fault".to_owned())),
        faults => Err(CommandError::Failed(format!("{faults} faults"))),
    }
}

/// What only a user can ask. A password that is wrong is tried once.
fn ask_as(
    user: &str,
    arguments: &Arguments,
    target: &Target,
    channel: &Channel,
    report: &mut Report,
) -> Result<(), CommandError> {
    let password = crate::cli::send::password_line()?;
    let ca = arguments.ca.as_deref();
    let (finding, used) =
        process::runtime()?.block_on(survey::authenticate(target, ca, user, &password));
    report.add(finding);
    let Some(mechanism) = used else {
        report.add(standing::in_transaction(target, channel, None));
        return Ok(());
    };
    let login = Login {
        target,
        channel,
        user,
        password: &password,
        mechanism,
    };
    // What counts against the user comes before what makes good for it.
    if arguments.timing {
        report.add(timing::ask(&login));
    }
    report.add(standing::in_transaction(target, channel, Some(&login)));
    standing::ask(&login, report);
    binding::ask(&login, report);
    Ok(())
}
