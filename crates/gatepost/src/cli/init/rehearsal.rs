//! The first message, rehearsed: the server of this configuration, on loopback ports and with a copy of the accounts, takes a message
//! from whoever authenticates, and none from others. Mail is captured; nothing of it remains.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use gatepost_client::{
    Address, Client, Connector, Credential, Credentials, Envelope, Error, MechanismChoice, Roots,
    Secret, TlsMode as ClientTls,
};
use tokio::sync::{mpsc, oneshot};

use super::report::{Account, Report};
use crate::cli::account::generate;
use crate::config::resolved::{Config, Route, RouteAction, RouteMatch, TlsMode};
use crate::net::tls::own_ca;
use crate::observe::event::Level;
use crate::observe::log::LogFormat;
use crate::serve::{Program, Telemetry};
use crate::store::{CredentialKind, NewPassword};

const CHECK: &str = "first message";
const STRANGER: &str = "message of a stranger";
const NEXT: &str = "run the server by hand, `gatepost serve -c FILE`, and read what it says";

/// Who sends it.
struct Sender {
    name: String,
    password: Secret,
    /// It is in the copy of the accounts already.
    known: bool,
}

/// Holds the rehearsal.
pub(super) async fn run(config: &Config, report: &mut Report) {
    let directory = Directory(config.data.join("self-test"));
    let held = match sender(config, report.account.as_ref()) {
        Ok(sender) => hold(config, &directory, &sender, report).await,
        Err(error) => Err(error),
    };
    if let Err(error) = held {
        report.fail(CHECK, error, NEXT);
    }
}

/// The new account, if it can send; otherwise one that exists in the copy only.
fn sender(config: &Config, account: Option<&Account>) -> Result<Sender, String> {
    if let Some(Account {
        name,
        password: Some(password),
        ..
    }) = account
        && Address::parse(name).is_ok()
    {
        return Ok(Sender {
            name: name.clone(),
            password: Secret::new(password.as_bytes()),
            known: true,
        });
    }
    let password = generate().map_err(|_| "no random octets".to_owned())?;
    Ok(Sender {
        name: format!("self-test@{}", config.hostname),
        password: Secret::new(password.as_bytes()),
        known: false,
    })
}

async fn hold(
    config: &Config,
    directory: &Directory,
    sender: &Sender,
    report: &mut Report,
) -> Result<(), String> {
    directory
        .fill(sender.known.then_some(config.data.as_path()))
        .map_err(|error| format!("{}: {error}", directory.0.display()))?;
    let silent = Telemetry::new(LogFormat::Text, Level::Error, io::sink())
        .map_err(|error| error.to_string())?;
    let program = Program::build(rehearsed(config, &directory.0)?, silent)
        .await
        .map_err(|error| error.to_string())?;
    if !sender.known {
        let new = NewPassword {
            kind: CredentialKind::Password,
            password: sender.password.clone(),
        };
        let (store, name) = (program.store().clone(), sender.name.clone());
        tokio::task::spawn_blocking(move || store.add_account(&name, &[], &[new]))
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
    }
    let doors: Vec<_> = config
        .listeners
        .iter()
        .zip(program.bound())
        .filter_map(|(listener, bound)| {
            Some(Door {
                mode: client_mode(listener.tls)?,
                port: bound.address.port(),
                directory: &directory.0,
            })
        })
        .collect();
    let (stop, stopped) = oneshot::channel::<()>();
    let (_, reloads) = mpsc::channel(1);
    let stop_asked = async {
        let _ = stopped.await;
    };
    let serving = program.run(stop_asked, reloads);
    let talking = async {
        for door in &doors {
            converse(door, sender, report).await;
        }
        drop(stop);
    };
    let (served, ()) = tokio::join!(serving, talking);
    served.map_err(|error| error.to_string())
}

/// The configuration with other addresses, another directory and no way out.
fn rehearsed(config: &Config, directory: &Path) -> Result<Config, String> {
    let tls = own_ca::issue(
        directory,
        &["localhost"],
        &[[127, 0, 0, 1].into()],
        SystemTime::now(),
    )
    .map_err(|error| error.to_string())?;
    let mut rehearsed = Config {
        data: directory.to_owned(),
        tls: Some(tls),
        http: None,
        routes: vec![Route {
            matches: RouteMatch::default(),
            action: RouteAction::Capture,
        }],
        ..config.clone()
    };
    for listener in &mut rehearsed.listeners {
        listener.address = ([127, 0, 0, 1], 0).into();
        listener.networks.clear();
    }
    Ok(rehearsed)
}

fn client_mode(tls: TlsMode) -> Option<ClientTls> {
    match tls {
        TlsMode::StartTls | TlsMode::StartTlsOptional => Some(ClientTls::StartTls),
        TlsMode::Implicit => Some(ClientTls::Implicit),
        TlsMode::None => None,
    }
}

/// One listener's part: first a stranger's message, then that of the sender.
async fn converse(door: &Door<'_>, sender: &Sender, report: &mut Report) {
    let how = match door.mode {
        ClientTls::Implicit => "TLS from the first octet",
        _ => "STARTTLS",
    };
    match stranger(door, sender).await {
        Ok(false) => report.pass(STRANGER, format!("refused, {how}")),
        Ok(true) => report.fail(
            STRANGER,
            format!("accepted, {how}"),
            "do not open this server to anybody: report it",
        ),
        Err(error) => report.fail(STRANGER, format!("{error}, {how}"), NEXT),
    }
    match user(door, sender).await {
        Ok((true, used)) => report.pass(
            CHECK,
            format!("accepted from {} by {used}, {how}", sender.name),
        ),
        Ok((false, _)) => report.fail(CHECK, format!("refused from {}, {how}", sender.name), NEXT),
        Err(error) => report.fail(CHECK, format!("{error}, {how}"), NEXT),
    }
}

/// Where a listener takes connections, and how.
struct Door<'a> {
    mode: ClientTls,
    port: u16,
    /// Has the certificate's authority.
    directory: &'a Path,
}

impl Door<'_> {
    async fn connect(&self) -> Result<Client, Error> {
        let roots = Roots::from_pem_file(&self.directory.join("ca.pem"))?;
        Connector::new("127.0.0.1", self.port, self.mode)
            .roots(roots)
            .connect()
            .await
    }
}

/// Whether a message is accepted without authentication.
async fn stranger(door: &Door<'_>, sender: &Sender) -> Result<bool, Error> {
    let mut client = door.connect().await?;
    let taken = send(&mut client, sender).await;
    client.quit().await;
    match taken {
        Err(Error::Server(_)) => Ok(false),
        other => other,
    }
}

/// Whether the sender's message is accepted, and the mechanism that let him in.
async fn user(door: &Door<'_>, sender: &Sender) -> Result<(bool, &'static str), Error> {
    let mut client = door.connect().await?;
    let credentials = Credentials {
        authcid: sender.name.clone(),
        authzid: None,
        credential: Credential::Password(sender.password.clone()),
    };
    let used = client
        .authenticate(&credentials, MechanismChoice::Strongest)
        .await?;
    let taken = send(&mut client, sender).await?;
    client.quit().await;
    Ok((taken, used.name))
}

/// Whether the message was accepted.
async fn send(client: &mut Client, sender: &Sender) -> Result<bool, Error> {
    let message = format!(
        "From: {0}\r\nTo: {0}\r\nSubject: Self-test\r\n\r\nBy `gatepost init`.\r\n",
        sender.name
    );
    let Ok(address) = Address::parse(&sender.name) else {
        return Ok(false);
    };
    let envelope = Envelope::new(address.clone(), [address], message.as_bytes());
    let report = client.send(&envelope, message.as_bytes()).await?;
    Ok(report.recipients.iter().all(Result::is_ok))
}

/// Where the rehearsal is held; gone when dropped.
struct Directory(PathBuf);

impl Directory {
    /// Makes it, with a copy of the accounts of this data directory.
    fn fill(&self, accounts: Option<&Path>) -> io::Result<()> {
        if self.0.exists() {
            fs::remove_dir_all(&self.0)?;
        }
        DirBuilder::new().mode(0o700).create(&self.0)?;
        let Some(accounts) = accounts else {
            return Ok(());
        };
        for entry in fs::read_dir(accounts)? {
            let entry = entry?;
            let name = entry.file_name();
            let shown = name.to_string_lossy();
            if shown == "seal.key" || shown.starts_with("accounts.db") {
                fs::copy(entry.path(), self.0.join(&name))?;
            }
        }
        Ok(())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be removed is removed by the next rehearsal.
        let _ = fs::remove_dir_all(&self.0);
    }
}
