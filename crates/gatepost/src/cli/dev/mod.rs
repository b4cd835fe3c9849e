//! `gatepost dev`: a local submission server to develop and test against, with nothing to configure.
//!
//! Speaks every mechanism on loopback addresses, captures all mail and never relays any. Everything it makes (certificate authority, account,
//! captured mail) is in one directory, which is gone after the run unless `--dir` names one.
//! Another than a loopback address takes `--expose`, and then the password is a random one (T-09).

mod asked;
mod directory;
mod fault;
mod hints;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use clap::Args;
use gatepost_sasl::{Secret, mechanism};
use gatepost_smtp::path::Address;
use gatepost_smtp::quirk::Quirk;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::cli::serve::{LogOptions, stop_signal};
use crate::cli::{CommandError, complain, print, process};
use crate::config::resolved::{
    Accounts, AskedCertificates, CertificateName, CertificateRule, Config, DevIssuer, Layers,
    Limits, Listener, ListenerAuth, ListenerProfile, RetrySchedule, Route, RouteAction, RouteMatch,
    SubmissionRules, TlsFiles, TlsMode, TlsVersions,
};
use crate::net::tls::own_ca;
use crate::serve::Program;
use crate::store::{CredentialKind, NewPassword, Store, StoreError};
use asked::{Asked, TICKET_ACCOUNT};
use directory::Directory;
pub(crate) use directory::default_directory;
use fault::Faults;
use hints::Hints;

/// The account that every development server has.
pub(crate) const ACCOUNT: &str = "dev@localhost";

/// Its password while the server can be reached from this machine only.
pub(crate) const PASSWORD: &str = "gatepost";

/// Where it listens, unless told otherwise: STARTTLS.
pub(crate) const SMTP: SocketAddr = loopback(2587);

/// TLS from the first byte.
pub(crate) const SMTPS: SocketAddr = loopback(2465);

/// Clear text and every mechanism.
pub(crate) const LEGACY: SocketAddr = loopback(2525);

/// Web pages and API.
const HTTP: SocketAddr = loopback(2580);

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Keep accounts, certificate and captured mail in this directory between runs
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Listener with STARTTLS
    #[arg(long, value_name = "ADDR", default_value_t = SMTP)]
    smtp: SocketAddr,
    /// Listener with TLS from the first byte
    #[arg(long, value_name = "ADDR", default_value_t = SMTPS)]
    smtps: SocketAddr,
    /// Listener for old devices: clear text and every mechanism
    #[arg(long, value_name = "ADDR", default_value_t = LEGACY)]
    legacy: SocketAddr,
    /// Web pages and API
    #[arg(long, value_name = "ADDR", default_value_t = HTTP)]
    http: SocketAddr,
    /// Allow addresses that other machines can reach; the password is then a random one
    #[arg(long)]
    expose: bool,
    /// Get something wrong, to see what a client does: `MECHANISM:STEP[:FAULT]`, as `scram-sha-256:final:wrong-signature`; may be repeated; `list` shows what there is
    #[arg(long, value_name = "FAULT")]
    fault: Vec<String>,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    log: LogOptions,
}

/// Runs the development server until it is told to stop.
pub(super) fn run(arguments: &Arguments) -> Result<(), CommandError> {
    if arguments.fault.iter().any(|word| word == fault::LIST) {
        print(fault::List.to_string().trim_end());
        return Ok(());
    }
    let telemetry = arguments.log.telemetry()?;
    let faults = Arc::new(Faults::read(&arguments.fault, telemetry.observer.clone())?);
    let exposed = arguments.exposed();
    if let (Some((option, address)), false) = (exposed, arguments.expose) {
        return Err(CommandError::Usage(format!(
            "{option} {address}: other machines could reach this server\n    use a loopback address such as 127.0.0.1, or add \
             --expose to allow it with a random password"
        )));
    }
    if exposed.is_some() {
        complain(
            "other machines can reach this server: it captures mail and shows it to whoever reaches its pages",
        );
    }
    let password = match exposed {
        Some(_) => crate::cli::account::generate()?,
        None => Zeroizing::new(PASSWORD.to_owned()),
    };
    let directory = Directory::open(arguments.dir.as_deref())?;
    let tls = certificate(directory.path(), arguments.addresses())?;
    own_ca::issue_client(directory.path(), ACCOUNT, SystemTime::now())
        .map_err(|error| CommandError::Failed(error.to_string()))?;
    let config = config(arguments, directory.path(), tls)?;
    let tickets = config.kerberos.is_some();
    let observer = telemetry.observer.clone();
    let served = process::runtime()?.block_on(async {
        let stop = stop_signal()?;
        let program = Program::build_interposed(config, telemetry, faults.interposed()).await?;
        let store = program.store().clone();
        let secret = Secret::new(password.as_bytes());
        tokio::task::spawn_blocking(move || set_accounts(&store, &secret, tickets))
            .await
            .map_err(|error| CommandError::Failed(format!("account {ACCOUNT}: {error}")))?
            .map_err(|error| CommandError::Failed(format!("account {ACCOUNT}: {error}")))?;
        let hints = Hints {
            bound: program.bound(),
            pages: program.http().zip(program.token()),
            guarded: exposed.is_some(),
            password: &password,
            directory: directory.path(),
            faults: &faults,
        };
        print(&hints.to_string());
        // The sockets listen already: whoever reads this line can connect.
        print("ready");
        // There is no file to read again.
        let (_, reloads) = mpsc::channel(1);
        program.run(stop, reloads).await.map_err(CommandError::from)
    });
    observer.flush();
    served
}

impl Arguments {
    fn addresses(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        let always = [
            ("--smtp", self.smtp),
            ("--smtps", self.smtps),
            ("--legacy", self.legacy),
            ("--http", self.http),
        ];
        let old_tls = self.asked.old_tls.map(|address| ("--old-tls", address));
        always.into_iter().chain(old_tls)
    }

    /// The first address that other machines can reach.
    fn exposed(&self) -> Option<(&'static str, SocketAddr)> {
        self.addresses()
            .find(|(_, address)| !address.ip().to_canonical().is_loopback())
    }
}

fn certificate(
    directory: &Path,
    addresses: impl Iterator<Item = (&'static str, SocketAddr)>,
) -> Result<TlsFiles, CommandError> {
    let mut ips: Vec<IpAddr> = vec![[127, 0, 0, 1].into(), std::net::Ipv6Addr::LOCALHOST.into()];
    ips.extend(
        addresses
            .map(|(_, address)| address.ip())
            .filter(|ip| !ip.is_unspecified()),
    );
    ips.dedup();
    own_ca::issue(directory, &["localhost"], &ips, SystemTime::now())
        .map_err(|error| CommandError::Failed(error.to_string()))
}

fn config(arguments: &Arguments, data: &Path, tls: TlsFiles) -> Result<Config, CommandError> {
    let listener = |name: &str, address, tls, profile| Listener {
        name: name.to_owned(),
        address,
        tls,
        tls_versions: TlsVersions::Current,
        profile,
        networks: Vec::new(),
        proxy: None,
        reached_as: std::sync::Arc::default(),
        tolerate: match profile {
            ListenerProfile::Submission => Vec::new(),
            ListenerProfile::Legacy => vec![Quirk::AuthEqualsLine],
        },
        plus_on_tls12: false,
        require_auth: true,
        // For trying clients out: whatever they ask for.
        layers: Layers {
            weak_ciphers: true,
            ..Layers::default()
        },
        auth: listener_auth(data, profile),
    };
    let (submission, legacy) = (ListenerProfile::Submission, ListenerProfile::Legacy);
    let mut listeners = vec![
        listener("smtp", arguments.smtp, TlsMode::StartTls, submission),
        listener("smtps", arguments.smtps, TlsMode::Implicit, submission),
        listener("legacy", arguments.legacy, TlsMode::None, legacy),
    ];
    if let Some((address, tls_versions)) = arguments.asked.old_tls(data)? {
        listeners.push(Listener {
            tls_versions,
            ..listener("old-tls", address, TlsMode::StartTls, legacy)
        });
    }
    Ok(Config {
        hostname: "localhost".to_owned(),
        data: data.to_owned(),
        listeners,
        tls: Some(tls),
        more_tls: Vec::new(),
        token_issuers: Vec::new(),
        routes: vec![Route {
            matches: RouteMatch::default(),
            action: RouteAction::Capture,
        }],
        http: Some(arguments.http),
        dev_issuer: Some(DevIssuer {
            account: ACCOUNT.to_owned(),
            guarded: arguments.exposed().is_some(),
        }),
        submission: SubmissionRules::default(),
        limits: Limits::default(),
        accounts: Accounts {
            digest_realms: vec!["localhost".to_owned()],
            ..Accounts::default()
        },
        kerberos: arguments.asked.kerberos(),
        client_certificates: Arc::new([CertificateRule {
            account: ACCOUNT.to_owned(),
            name: CertificateName::Email(ACCOUNT.to_owned()),
        }]),
        retry: RetrySchedule::default(),
    })
}

/// Inside TLS certificates of the authority are asked for; in clear text every mechanism that needs no TLS is offered, those included
/// that have to be named.
fn listener_auth(data: &Path, profile: ListenerProfile) -> ListenerAuth {
    match profile {
        ListenerProfile::Submission => ListenerAuth {
            client_certificates: Some(AskedCertificates {
                authority: Some(data.join("ca.pem")),
            }),
            ..ListenerAuth::default()
        },
        ListenerProfile::Legacy => ListenerAuth {
            mechanisms: Some(mechanism::ALL.into()),
            anonymous_account: Some(ACCOUNT.into()),
            client_certificates: None,
        },
    }
}

/// Makes sure that the account is there, and where tickets are accepted the one that they open, which sends as the same address.
fn set_accounts(store: &Store, password: &Secret, tickets: bool) -> Result<(), StoreError> {
    set_account(store, password)?;
    if !tickets {
        return Ok(());
    }
    let addresses: Vec<Address> = Address::parse(ACCOUNT).ok().into_iter().collect();
    match store.add_account(TICKET_ACCOUNT, &addresses, &[]) {
        Err(StoreError::AccountExists { .. }) => Ok(()),
        added => added.map(drop),
    }
}

/// Makes sure that the account is there, with this password of both kinds, so that every mechanism works.
fn set_account(store: &Store, password: &Secret) -> Result<(), StoreError> {
    let passwords = CredentialKind::ALL.map(|kind| NewPassword {
        kind,
        password: password.clone(),
    });
    match store.add_account(ACCOUNT, &[], &passwords) {
        Err(StoreError::AccountExists { .. }) => {
            for new in passwords {
                store.set_password(ACCOUNT, new)?;
            }
            Ok(())
        }
        added => added.map(drop),
    }
}
