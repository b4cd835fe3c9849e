//! What is to be made: every answer, from flags, from the machine, from the person at the terminal.

use std::io::{IsTerminal as _, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::configuration::Configuration;
use super::questions::Questions;
use super::{Arguments, NextHopTls, SmarthostOptions, machine};
use crate::cli::CommandError;
use crate::config;
use crate::config::resolved::TlsFiles;

/// The port of implicit TLS (RFC 8314 §7.3).
const IMPLICIT_TLS_PORT: &str = ":465";

/// Longest password read, in octets.
const LONGEST_PASSWORD: u64 = 4096;

/// Every answer.
pub(super) struct Plan {
    /// The configuration file, absolute.
    pub(super) file: PathBuf,
    /// It may be there already.
    pub(super) replace: bool,
    pub(super) hostname: String,
    /// The data directory, absolute.
    pub(super) data: PathBuf,
    /// The first account, if there is to be one.
    pub(super) account: Option<String>,
    /// Its password, unless one is to be generated.
    pub(super) account_password: Option<Zeroizing<String>>,
    pub(super) destination: Destination,
    /// Networks of old devices.
    pub(super) networks: Vec<String>,
    pub(super) certificate: CertificateSource,
    pub(super) smtp: SocketAddr,
    pub(super) smtps: SocketAddr,
    pub(super) legacy: SocketAddr,
    /// Connect to the next server.
    pub(super) test_smarthost: bool,
}

/// Where mail goes.
pub(super) enum Destination {
    Hold,
    Capture,
    Smarthost(NextHop),
}

/// The next server.
pub(super) struct NextHop {
    pub(super) host: String,
    pub(super) tls: NextHopTls,
    pub(super) ca: Option<PathBuf>,
    pub(super) user: Option<String>,
    /// The file that holds the password of the user, or is to.
    pub(super) password_file: PathBuf,
    /// What to write there.
    pub(super) password: Option<Zeroizing<String>>,
}

/// Where certificate and key come from.
pub(super) enum CertificateSource {
    Given(TlsFiles),
    /// An authority of our own in this directory.
    Trial(PathBuf),
}

impl Plan {
    /// Collects the answers, and proves that they make a configuration. Writes nothing.
    pub(super) fn of(arguments: &Arguments) -> Result<Self, CommandError> {
        let questions = Questions::new(arguments.yes);
        if !questions.may_ask() && !arguments.yes {
            complete(arguments)?;
        }
        let file = file_to_write(arguments)?;
        let place = &arguments.place;
        let hostname = questions.hostname(
            arguments.hostname.as_deref(),
            machine::hostname().as_deref(),
        )?;
        let account = questions.account(arguments.users.as_deref())?;
        let destination = destination(&questions, arguments, &file)?;
        let networks = questions.networks(&arguments.allow)?;
        let certificate = certificate(&questions, arguments, &hostname, &file)?;
        let data = place.data.clone();
        let plan = Self {
            replace: arguments.force,
            data: absolute(&data.unwrap_or_else(|| machine::data_directory(&file)))?,
            account_password: (arguments.password_stdin && account.is_some())
                .then(password_from_stdin)
                .transpose()?,
            hostname,
            account,
            destination,
            networks,
            certificate,
            smtp: place.smtp.unwrap_or_else(|| machine::everywhere(587)),
            smtps: place.smtps.unwrap_or_else(|| machine::everywhere(465)),
            legacy: place.legacy.unwrap_or_else(|| machine::everywhere(25)),
            test_smarthost: arguments.smarthost.test_smarthost,
            file,
        };
        config::parse(&plan.file, &Configuration(&plan).to_string()).map_err(|error| {
            CommandError::Usage(format!("these answers make no configuration\n{error}"))
        })?;
        Ok(plan)
    }

    /// Certificate and key, as they are or will be.
    pub(super) fn tls_files(&self) -> TlsFiles {
        match &self.certificate {
            CertificateSource::Given(files) => files.clone(),
            CertificateSource::Trial(directory) => TlsFiles {
                certificate: directory.join("certificate.pem"),
                key: directory.join("key.pem"),
            },
        }
    }
}

/// The configuration's file. Fails when it is there and is not to be replaced.
fn file_to_write(arguments: &Arguments) -> Result<PathBuf, CommandError> {
    let named = arguments.output.clone();
    let file = absolute(&named.unwrap_or_else(machine::configuration_file))?;
    if file.exists() && !arguments.force {
        return Err(CommandError::Failed(format!(
            "{} is there already and stays as it is\n    name another file with -o, or add --force to replace it",
            file.display()
        )));
    }
    Ok(file)
}

/// Without anybody to ask, every question must be answered.
fn complete(arguments: &Arguments) -> Result<(), CommandError> {
    let given = [
        ("--hostname", arguments.hostname.is_some()),
        ("--users", arguments.users.is_some()),
        ("--to", arguments.to.is_some()),
        ("--allow", !arguments.allow.is_empty()),
    ];
    let missing: Vec<_> = given
        .iter()
        .filter(|(_, given)| !given)
        .map(|(flag, _)| *flag)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(CommandError::Usage(format!(
        "nobody to ask, standard input is no terminal: {} missing\n    add it, or --yes to take the defaults (no account, hold, \
         authenticated)",
        missing.join(", ")
    )))
}

fn destination(
    questions: &Questions,
    arguments: &Arguments,
    file: &Path,
) -> Result<Destination, CommandError> {
    let to = questions.destination(arguments.to.as_deref())?;
    let options = &arguments.smarthost;
    match to.as_str() {
        "hold" | "capture" if options.to_user.is_some() => Err(CommandError::Usage(format!(
            "--to {to} reaches no other server: --to-user has no meaning there"
        ))),
        "hold" => Ok(Destination::Hold),
        "capture" => Ok(Destination::Capture),
        _ => next_hop(questions, options, arguments.to.is_none(), to, file)
            .map(Destination::Smarthost),
    }
}

fn next_hop(
    questions: &Questions,
    options: &SmarthostOptions,
    asked: bool,
    host: String,
    file: &Path,
) -> Result<NextHop, CommandError> {
    let user = match &options.to_user {
        None if asked => questions.next_hop_user()?,
        given => given.clone(),
    };
    let (password_file, password) = match (&options.to_password_file, &user) {
        (Some(file), _) => (absolute(file)?, None),
        (None, None) => (PathBuf::new(), None),
        (None, Some(_)) => {
            let password = if options.to_password_stdin {
                password_from_stdin()?
            } else {
                questions.next_hop_password()?
            };
            (file.with_file_name("smarthost.secret"), Some(password))
        }
    };
    let implied = if host.ends_with(IMPLICIT_TLS_PORT) {
        NextHopTls::Implicit
    } else {
        NextHopTls::Starttls
    };
    Ok(NextHop {
        host,
        tls: options.to_tls.unwrap_or(implied),
        ca: options.to_ca.as_deref().map(absolute).transpose()?,
        user,
        password_file,
        password,
    })
}

fn certificate(
    questions: &Questions,
    arguments: &Arguments,
    hostname: &str,
    file: &Path,
) -> Result<CertificateSource, CommandError> {
    let trial = CertificateSource::Trial(file.with_file_name("trial-tls"));
    let place = &arguments.place;
    if place.self_signed {
        return Ok(trial);
    }
    if let (Some(certificate), Some(key)) = (&place.certificate, &place.key) {
        return Ok(CertificateSource::Given(TlsFiles {
            certificate: absolute(certificate)?,
            key: absolute(key)?,
        }));
    }
    if let Some(files) = machine::certificate(hostname) {
        return Ok(CertificateSource::Given(files));
    }
    if questions.trial_certificate(hostname)? {
        return Ok(trial);
    }
    Err(CommandError::Usage(format!(
        "there is no certificate for {hostname} on this machine\n    name one with --certificate and --key, or add --self-signed to \
         make one for a trial"
    )))
}

fn absolute(path: &Path) -> Result<PathBuf, CommandError> {
    std::path::absolute(path)
        .map_err(|error| CommandError::Usage(format!("{}: {error}", path.display())))
}

fn password_from_stdin() -> Result<Zeroizing<String>, CommandError> {
    let mut stdin = std::io::stdin().lock();
    if stdin.is_terminal() {
        return Err(CommandError::Usage(
            "a password on standard input comes from a pipe or a file, so that nobody sees it typed"
                .to_owned(),
        ));
    }
    let mut text = Zeroizing::new(String::with_capacity(4096));
    stdin
        .by_ref()
        .take(LONGEST_PASSWORD)
        .read_to_string(&mut text)
        .map_err(|error| CommandError::Failed(format!("cannot read standard input: {error}")))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(CommandError::Usage(
            "no password on standard input".to_owned(),
        ));
    }
    Ok(Zeroizing::new(line.to_owned()))
}
