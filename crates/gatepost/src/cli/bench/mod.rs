//! `gatepost bench HOST:PORT`: a load of authenticated submissions, and what it was like for each client.
//!
//! So many sessions at a time, each of which waits for a reply before it goes on (a closed loop): latencies are those of that many clients
//! at once, and a slow server is asked less. Percentiles come from every single sample, by nearest rank. Certificates are verified.
//!
//! Only against this machine, unless the caller says that the server is his own.

mod load;
mod report;

use std::net::ToSocketAddrs as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use gatepost_client::{Connector, Credential, Credentials, MechanismChoice, Roots, TlsMode};
use gatepost_sasl::Mechanism;

use self::load::Load;
use crate::cli::output::Form;
use crate::cli::send::{Protection, address, known_mechanism, password_line, split};
use crate::cli::{CommandError, complain, process};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The server
    #[arg(value_name = "HOST[:PORT]")]
    server: String,
    /// Name to authenticate as
    #[arg(long, value_name = "NAME")]
    user: String,
    /// Read the password from the first line of standard input
    #[arg(long, required = true)]
    password_stdin: bool,
    /// Sessions at the same time
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    sessions: u32,
    /// Messages altogether
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    messages: u64,
    /// Messages of one session before it quits; default: as many as there are
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    per_session: Option<u64>,
    /// Octets of one message
    #[arg(long, value_name = "OCTETS", default_value_t = 4_096, value_parser = clap::value_parser!(u64).range(200..=100_000_000))]
    size: u64,
    /// Seconds that a session stays open, idle, after its messages
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    hold: u64,
    /// How the connection is protected; default: implicit on port 465, starttls elsewhere
    #[arg(long, value_enum)]
    tls: Option<Protection>,
    /// Use this mechanism; otherwise the strongest that the server offers
    #[arg(long, value_name = "MECHANISM", value_parser = known_mechanism)]
    auth: Option<&'static Mechanism>,
    /// Trust the certificate authorities in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Sender in the envelope; default: the user
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// Recipient of every message
    #[arg(long, value_name = "ADDRESS", default_value = "bench@example.com")]
    to: String,
    /// The server is mine, and so is whatever the mail meets behind it: allow a server on another machine
    #[arg(long)]
    i_own_this_server: bool,
    #[command(flatten)]
    form: Form,
}

/// Sends. Fails when a message was not accepted.
pub(super) fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let (host, port) = split(&arguments.server)?;
    let port = port.unwrap_or_else(|| Protection::default_port(arguments.tls));
    if !arguments.i_own_this_server && !is_here(&host, port)? {
        return Err(CommandError::Usage(format!(
            "{host} is not this machine: load on a server of others is an attack\n    if it is yours, and the mail goes nowhere else, add \
             --i-own-this-server"
        )));
    }
    let load = Arc::new(arguments.load(&host, port)?);
    complain(&format!(
        "{} messages of {} octets to {host}:{port}, {} sessions at a time",
        arguments.messages, arguments.size, arguments.sessions
    ));
    let report = process::runtime()?.block_on(load.run(arguments.sessions));
    arguments.form.print(&report);
    match report.failed() {
        0 => Ok(()),
        failed => Err(CommandError::Failed(format!(
            "{failed} of {} messages were not accepted",
            arguments.messages
        ))),
    }
}

impl Arguments {
    fn load(&self, host: &str, port: u16) -> Result<Load, CommandError> {
        let mode = match self.tls.or_else(|| Protection::implied_by(port)) {
            Some(Protection::Implicit) => TlsMode::Implicit,
            Some(Protection::None) => TlsMode::None,
            Some(Protection::Starttls) | None => TlsMode::StartTls,
        };
        let mut connector =
            Connector::new(host, port, mode).allow_clear_password(mode == TlsMode::None);
        if let Some(ca) = &self.ca {
            let roots = Roots::from_pem_file(ca)
                .map_err(|error| CommandError::Failed(error.to_string()))?;
            connector = connector.roots(roots);
        }
        let sender = address(self.from.as_deref().unwrap_or(&self.user))?;
        let recipient = address(&self.to)?;
        let credentials = Credentials {
            authcid: self.user.clone(),
            authzid: None,
            credential: Credential::Password(password_line()?),
        };
        Ok(Load::new(load::Settings {
            connector,
            credentials,
            choice: self
                .auth
                .map_or(MechanismChoice::Strongest, MechanismChoice::Only),
            sender,
            recipient,
            messages: self.messages,
            per_session: self.per_session.unwrap_or(u64::MAX),
            size: usize::try_from(self.size).unwrap_or(usize::MAX),
            hold: Duration::from_secs(self.hold),
        }))
    }
}

/// Whether every address of the name is of this machine.
fn is_here(host: &str, port: u16) -> Result<bool, CommandError> {
    let mut addresses = (host, port).to_socket_addrs().map_err(|error| {
        CommandError::Failed(format!("{host}: {error}\n    check the name of the server"))
    })?;
    Ok(addresses.all(|address| address.ip().to_canonical().is_loopback()))
}
