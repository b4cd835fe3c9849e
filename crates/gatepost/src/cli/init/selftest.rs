//! The proof: whatever would keep the first user's first message from being accepted is found here, each with what to do about it.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use gatepost_client::{Connector, Error, MechanismChoice, Roots, TlsMode as ClientTls};

use tokio::time::timeout;

use super::plan::Plan;
use super::report::Report;
use super::{certificate, rehearsal};
use crate::config::check::advice;
use crate::config::resolved::{Config, HostPort, Listener, RouteAction, RouteTls, Smarthost};
use crate::delivery::credential::{ProofFault, RouteCredential};
use crate::delivery::next_hop::is_proven_by_tls;
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
        Err(Refused::Proof(error)) => report.fail(
            CHECK,
            error.to_string(),
            "the file must hold what the route names and nothing else, readable for the server",
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
    Proof(ProofFault),
    Dialogue(Error),
}

impl From<ProofFault> for Refused {
    fn from(fault: ProofFault) -> Self {
        Self::Proof(fault)
    }
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
    let proof = match &smarthost.auth {
        Some(auth) => Some((auth, RouteCredential::new(auth).read(Instant::now()).await?)),
        None => None,
    };
    if let Some(certificate) = proof.as_ref().and_then(|(_, it)| it.certificate.as_ref()) {
        connector = connector.certificate(certificate.clone());
    }
    if let Some(auth) = &smarthost.auth {
        connector = connector.layers(auth.terms.layers());
        if let Some(realm) = &auth.terms.realm {
            connector = connector.realm(realm);
        }
    }
    let mut client = connector.connect().await?;
    let channel = match client.tls() {
        Some(tls) => format!("answers over {}, certificate verified", tls.version),
        None => "answers in clear text".to_owned(),
    };
    let mut accepted = String::new();
    if let Some((auth, proof)) = proof
        && !is_proven_by_tls(auth, &client)
    {
        let choice = auth
            .mechanism
            .map_or(MechanismChoice::Strongest, MechanismChoice::Only);
        let used = client
            .authenticate(&proof.credentials(auth), choice)
            .await?;
        accepted = format!(", {} accepted for {}", used.name, auth.user);
    }
    client.quit().await;
    Ok(channel + &accepted)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::resolved::{RouteAuth, SecretFile};

    /// Takes one connection and every password; gives the lines it heard.
    async fn next_server(socket: TcpListener) -> Vec<String> {
        let (stream, _) = socket.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut heard = Vec::new();
        let mut reply = "220 next.example\r\n";
        loop {
            stream.write_all(reply.as_bytes()).await.unwrap();
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return heard;
            }
            reply = match line.split_whitespace().next() {
                Some("EHLO") => "250-next.example\r\n250 AUTH PLAIN GSSAPI XOAUTH2\r\n",
                Some("AUTH") => "235 2.7.0 ok\r\n",
                _ => "221 2.0.0 bye\r\n",
            };
            heard.push(line);
        }
    }

    async fn heard_of(secret: SecretFile) -> (bool, String) {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = HostPort {
            host: "127.0.0.1".to_owned(),
            port: socket.local_addr().unwrap().port(),
        };
        let smarthost = Smarthost {
            hosts: vec![host.clone()],
            tls: RouteTls::None,
            ca: None,
            auth: Some(RouteAuth {
                mechanism: None,
                user: "scans@example.com".to_owned(),
                secret,
                certificate: None,
                terms: Box::default(),
            }),
            send_auth_param: true,
        };
        let (heard, greeted) = tokio::join!(next_server(socket), greet(&smarthost, &host));
        (greeted.is_ok(), heard.concat())
    }

    /// A token and a ticket open more than this one server: neither is ever tried as a password.
    #[tokio::test]
    async fn what_a_route_names_is_tried_as_what_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, "secret\n").unwrap();
            path
        };
        let (taken, heard) = heard_of(SecretFile::Password(file("password"))).await;
        // NUL scans@example.com NUL secret.
        assert!(
            taken && heard.contains("AUTH PLAIN AHNjYW5zQGV4YW1wbGUuY29tAHNlY3JldA=="),
            "{heard}"
        );
        for secret in [
            SecretFile::Token(file("token")),
            SecretFile::Ticket(file("ticket")),
        ] {
            let (taken, heard) = heard_of(secret).await;
            assert!(!taken && !heard.contains("AUTH PLAIN"), "{heard}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_told_by_its_kind() {
        let host = HostPort {
            host: "127.0.0.1".to_owned(),
            port: 1,
        };
        let smarthost = Smarthost {
            hosts: vec![host.clone()],
            tls: RouteTls::StartTls,
            ca: None,
            auth: Some(RouteAuth {
                mechanism: None,
                user: "scans@example.com".to_owned(),
                secret: SecretFile::Token(Path::new("/nonexistent/token").to_owned()),
                certificate: None,
                terms: Box::default(),
            }),
            send_auth_param: true,
        };
        let Err(Refused::Proof(fault)) = greet(&smarthost, &host).await else {
            panic!("there is a token");
        };
        assert!(
            fault.to_string().contains("token file /nonexistent/token"),
            "{fault}"
        );
    }
}
