//! `gatepost init`: from nothing to a server that takes mail.
//!
//! Four questions, each of which a flag answers as well: the name of the server, who the first user is, where mail goes, who may
//! send. Asks on a terminal only; elsewhere it says which flag is missing. Then writes a short configuration, makes the data
//! directory, a certificate for trial if asked, and the first account, and proves that all of it works: one line per check.
//!
//! Never replaces a configuration without `--force`, and never a password of an account that is there. What is found wrong before the
//! first file is written leaves nothing behind.

mod certificate;
mod configuration;
mod layout;
mod machine;
mod plan;
mod questions;
mod rehearsal;
mod report;
mod selftest;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use self::plan::Plan;
use self::report::{Account, Report, Verdict};
use crate::cli::account::{execute, generate};
use crate::cli::output::Form;
use crate::cli::{CommandError, ConfigFile, process};
use crate::config;
use crate::control::account::WireKind;
use crate::control::command::{Command, Done};
use crate::control::wire_secret::WirePassword;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Write the configuration here; default: /etc/gatepost/gatepost.toml for root or where that directory exists, else
    /// ./gatepost.toml
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Name of this server, as mail programs connect to it
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// First account, an address such as alice@example.com; its password is generated and shown once. `none`: add accounts later
    #[arg(long, value_name = "NAME")]
    users: Option<String>,
    /// Where mail goes: HOST:PORT of the next server, `hold` (queue until released) or `capture` (keep, never send)
    #[arg(long, value_name = "WHERE")]
    to: Option<String>,
    /// Who may send: `authenticated` (whoever proves who they are), or a network such as 192.168.7.0/24 whose old devices may
    /// do so in clear text as well; may be repeated
    #[arg(long, value_name = "WHO")]
    allow: Vec<String>,
    /// Ask nothing: take the default for whatever is not given
    #[arg(short, long)]
    yes: bool,
    /// Replace an existing configuration file
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    smarthost: SmarthostOptions,
    #[command(flatten)]
    place: PlaceOptions,
    /// Read the first account's password from standard input instead of generating one
    #[arg(long, conflicts_with = "to_password_stdin")]
    password_stdin: bool,
    #[command(flatten)]
    form: Form,
}

/// How to reach the next server.
#[derive(Debug, Args)]
struct SmarthostOptions {
    /// User name at the next server
    #[arg(long, value_name = "NAME")]
    to_user: Option<String>,
    /// File that holds the password for it and nothing else
    #[arg(long, value_name = "FILE", requires = "to_user")]
    to_password_file: Option<PathBuf>,
    /// Read the password for it from standard input; it is kept in a file beside the configuration
    #[arg(long, requires = "to_user", conflicts_with = "to_password_file")]
    to_password_stdin: bool,
    /// TLS towards the next server; default: implicit on port 465, starttls elsewhere
    #[arg(long, value_enum)]
    to_tls: Option<NextHopTls>,
    /// PEM file of the private authority that signed its certificate
    #[arg(long, value_name = "FILE")]
    to_ca: Option<PathBuf>,
    /// Also connect to the next server, verify its certificate and authenticate; no message is sent
    #[arg(long)]
    test_smarthost: bool,
}

/// TLS towards the next server, as the configuration says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NextHopTls {
    /// STARTTLS, required
    Starttls,
    /// TLS from the first octet
    Implicit,
    /// Clear text
    None,
}

/// Where things are on this machine.
#[derive(Debug, Args)]
struct PlaceOptions {
    /// Directory of accounts and mail; default: /var/lib/gatepost for a configuration in /etc/gatepost, else gatepost-data
    /// beside the configuration
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// PEM file of the certificate; default: what certbot keeps for the name
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// PEM file of its key
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// For a trial, make a certificate of an authority of this server's own, which every client must be told to trust
    #[arg(long, conflicts_with = "certificate")]
    self_signed: bool,
    /// Listener with STARTTLS; default: port 587 everywhere
    #[arg(long, value_name = "ADDR")]
    smtp: Option<SocketAddr>,
    /// Listener with TLS from the first octet; default: port 465 everywhere
    #[arg(long, value_name = "ADDR")]
    smtps: Option<SocketAddr>,
    /// Listener for old devices, if a network is allowed; default: port 25 everywhere
    #[arg(long, value_name = "ADDR")]
    legacy: Option<SocketAddr>,
}

/// Asks, writes, proves. Fails when a check failed: what was written stays.
pub(super) fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let plan = Plan::of(arguments)?;
    let mut report = Report::new(&plan);
    layout::write(&plan, &mut report)?;
    let config = config::load(&plan.file)
        .map_err(|error| CommandError::Failed(format!("configuration cannot be used\n{error}")))?;
    if let Some(name) = &plan.account {
        report.account = Some(add_account(&plan, name)?);
    }
    process::runtime()?.block_on(selftest::run(&plan, &config, &mut report));
    arguments.form.print(&report);
    match report.count(Verdict::Fail) {
        0 => Ok(()),
        failed => Err(CommandError::Failed(format!(
            "{failed} of {} checks failed; put it right as said there, then run `gatepost check -c {}`",
            report.checks.len(),
            plan.file.display()
        ))),
    }
}

/// Adds the first account. One that is there keeps its password.
fn add_account(plan: &Plan, name: &str) -> Result<Account, CommandError> {
    let file = ConfigFile {
        config: plan.file.clone(),
    };
    let given = match &plan.account_password {
        Some(password) => password.clone(),
        None => generate()?,
    };
    let command = Command::AccountAdd {
        name: name.to_owned(),
        addresses: Vec::new(),
        password: WirePassword::new(&given),
        kind: WireKind::Password,
    };
    let added = match execute(&file, command) {
        Ok(_) => true,
        Err(_) if exists(&file, name)? => false,
        Err(error) => return Err(error),
    };
    layout::hand_over_data(plan)?;
    Ok(Account {
        name: name.to_owned(),
        shown: (added && plan.account_password.is_none()).then(|| given.to_string()),
        password: added.then_some(given),
    })
}

fn exists(file: &ConfigFile, name: &str) -> Result<bool, CommandError> {
    let done = execute(file, Command::AccountList {})?;
    Ok(
        matches!(done, Done::Accounts { accounts } if accounts.iter().any(|account| account.name == name)),
    )
}
