//! The proof: whatever would keep the first user's first message from being accepted is found here, each with what to do about it.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use gatepost_client::{
    Connector, Credential, Credentials, Error, MechanismChoice, Roots, Secret, TlsMode as ClientTls,
};

use tokio::time::timeout;

use super::plan::Plan;
use super::report::Report;
use super::{certificate, rehearsal};
use crate::config::check::advice;
use crate::config::resolved::{Config, HostPort, Listener, RouteAction, RouteTls, Smarthost};
use crate::net::listener;

/// How long the next server may take over greeting, TLS and AUTH together.
const PATIENCE: Duration = Duration::from_secs(30);

/// Looks at everything. Nothing that is found changes anything.
pub(super) async fn run(plan: &Plan, config: &Config, report: &mut Report) {
    configuration(plan, config, report);
    host_name(&plan.hostname, report).await;
    certificate::check(plan, report);
    for listener in &config.listeners {
        port(listener, report);
    }
    data_directory(&config.data, report);
    readable(plan, config, report);
    rehearsal::run(config, report).await;
    if plan.test_smarthost {
        for route in &config.routes {
            if let RouteAction::Smarthost(smarthost) = &route.action {
                for host in &smarthost.hosts {
                    next_server(smarthost, host, report).await;
                }
            }
        }
    }
}

fn configuration(plan: &Plan, config: &Config, report: &mut Report) {
    const CHECK: &str = "configuration";
    report.pass(CHECK, format!("{} is valid", plan.file.display()));
    for advice in advice(config) {
        report.warn(CHECK, advice.what, advice.next);
    }
}

async fn host_name(name: &str, report: &mut Report) {
    const CHECK: &str = "host name";
    match tokio::net::lookup_host((name, 0)).await {
        Ok(addresses) => {
            let mut addresses: Vec<_> = addresses.map(|it| it.ip().to_string()).collect();
            addresses.dedup();
            report.pass(CHECK, format!("{name} is {}", addresses.join(", ")));
        }
        Err(error) => report.warn(
            CHECK,
            format!("{name} does not resolve here: {error}"),
            "mail programs need it: add the name to the DNS, with the address of this machine",
        ),
    }
}

fn port(listener: &Listener, report: &mut Report) {
    use std::io::ErrorKind;
    const CHECK: &str = "port";
    let address = listener.address;
    match listener::bind(address) {
        Ok(_) => report.pass(CHECK, format!("{address} is free")),
        Err(error) => {
            let next = match error.kind() {
                ErrorKind::AddrInUse => {
                    "another program listens there: stop it, or choose another port (`ss -ltnp` shows which)"
                }
                ErrorKind::PermissionDenied => {
                    "ports below 1024 need root or CAP_NET_BIND_SERVICE, which the packaged service has; or choose others with \
                     --smtp, --smtps and --legacy"
                }
                _ => "this machine does not have that address",
            };
            report.fail(CHECK, format!("cannot listen on {address}: {error}"), next);
        }
    }
}

fn data_directory(data: &Path, report: &mut Report) {
    const CHECK: &str = "data directory";
    let shown = data.display();
    match std::fs::metadata(data).map(|found| found.permissions().mode() & 0o7777) {
        Ok(0o700) => report.pass(CHECK, format!("{shown} is for its owner alone")),
        Ok(mode) if mode % 8 == 0 => report.warn(
            CHECK,
            format!("{shown} is open to a group (mode {mode:04o})"),
            format!("run `chmod 700 {shown}` unless its members may read all mail"),
        ),
        Ok(mode) => report.fail(
            CHECK,
            format!("{shown} is open to others (mode {mode:04o})"),
            format!("run `chmod 700 {shown}`"),
        ),
        Err(error) => report.fail(
            CHECK,
            format!("{shown}: {error}"),
            "choose another with --data",
        ),
    }
}

/// The server runs as the data directory's owner, who must be able to read the key.
fn readable(plan: &Plan, config: &Config, report: &mut Report) {
    const CHECK: &str = "key";
    let key = plan.tls_files().key;
    let (Ok(owner), Ok(file)) = (std::fs::metadata(&config.data), std::fs::metadata(&key)) else {
        return;
    };
    let mode = file.permissions().mode();
    let can = owner.uid() == 0
        || (file.uid() == owner.uid() && mode & 0o400 != 0)
        || (file.gid() == owner.gid() && mode & 0o040 != 0)
        || mode & 0o004 != 0;
    if !can {
        report.fail(
            CHECK,
            format!(
                "{} cannot be read by user {}, who owns {} and runs the server",
                key.display(),
                owner.uid(),
                config.data.display()
            ),
            format!(
                "run `chgrp {} {key}; chmod g+r {key}`, also after each renewal",
                owner.gid(),
                key = key.display()
            ),
        );
    }
}

/// Connects, verifies and authenticates; sends nothing.
async fn next_server(smarthost: &Smarthost, host: &HostPort, report: &mut Report) {
    const CHECK: &str = "next server";
    let shown = format!("{}:{}", host.host, host.port);
    let Ok(greeted) = timeout(PATIENCE, greet(smarthost, host)).await else {
        return report.fail(
            CHECK,
            format!("{shown} does not answer within {} s", PATIENCE.as_secs()),
            "check host, port and --to-tls, and whether something between here and there swallows data",
        );
    };
    match greeted {
        Ok(detail) => report.pass(CHECK, format!("{shown} {detail}")),
        Err(Refused::Password(error)) => report.fail(
            CHECK,
            error,
            "the file must hold the password and nothing else, readable for the server",
        ),
        Err(Refused::Dialogue(error)) => {
            let next = match error {
                Error::Credential(_) => "check --to-user and the password",
                Error::Channel(_) => {
                    "check host, port and --to-tls; name a private authority with --to-ca"
                }
                _ => "it may be busy: try again; mail waits in the queue meanwhile",
            };
            report.fail(CHECK, format!("{shown}: {error}"), next);
        }
    }
}

enum Refused {
    Password(String),
    Dialogue(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Dialogue(error)
    }
}

async fn greet(smarthost: &Smarthost, host: &HostPort) -> Result<String, Refused> {
    let mode = match smarthost.tls {
        RouteTls::StartTls => ClientTls::StartTls,
        RouteTls::Implicit => ClientTls::Implicit,
        RouteTls::None => ClientTls::None,
    };
    let mut connector =
        Connector::new(&host.host, host.port, mode).allow_clear_password(mode == ClientTls::None);
    if let Some(ca) = &smarthost.ca {
        let roots = Roots::from_pem_file(ca).map_err(Error::from)?;
        connector = connector.roots(roots);
    }
    let mut client = connector.connect().await?;
    let channel = match client.tls() {
        Some(tls) => format!("answers over {}, certificate verified", tls.version),
        None => "answers in clear text".to_owned(),
    };
    let mut proof = String::new();
    if let Some(auth) = &smarthost.auth {
        let file = auth.secret.path();
        let password = std::fs::read_to_string(file)
            .map_err(|error| Refused::Password(format!("{}: {error}", file.display())))?;
        let line = password.strip_suffix('\n').unwrap_or(&password);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let credentials = Credentials {
            authcid: auth.user.clone(),
            authzid: None,
            credential: Credential::Password(Secret::new(line.as_bytes())),
        };
        let choice = auth
            .mechanism
            .map_or(MechanismChoice::Strongest, MechanismChoice::Only);
        let used = client.authenticate(&credentials, choice).await?;
        proof = format!(", {} accepted for {}", used.name, auth.user);
    }
    client.quit().await;
    Ok(channel + &proof)
}
