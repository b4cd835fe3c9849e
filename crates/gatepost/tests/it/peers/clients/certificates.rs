//! Programs of others with a TLS client certificate: EXTERNAL, and a password beside it; and ANONYMOUS.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use gatepost::config::resolved::{
    AskedCertificates, CertificateName, CertificateRule, Config, TlsFiles,
};
use gatepost::net::tls::own_ca;
use tokio::process::Command;

use super::run;
use crate::peer_table::passed;
use crate::server::Server;

/// A server that knows a client by its certificate, and has guests on its legacy listener.
struct World {
    server: Server,
    ca: PathBuf,
    client: TlsFiles,
    message: PathBuf,
}

impl World {
    async fn new() -> Self {
        let server = Server::start_with(|config: &mut Config| {
            config.client_certificates = [CertificateRule {
                account: "dev@localhost".to_owned(),
                name: CertificateName::Email("dev@localhost".to_owned()),
            }]
            .into();
            let authority = config.data.join("ca.pem");
            for listener in &mut config.listeners {
                if listener.name == "legacy" {
                    listener.auth.mechanisms = Some(gatepost_sasl::mechanism::ALL.into());
                    listener.auth.anonymous_account = Some("dev@localhost".into());
                } else {
                    listener.auth.client_certificates = Some(AskedCertificates {
                        authority: Some(authority.clone()),
                    });
                }
            }
        })
        .await;
        let directory = server.directory.path();
        let client = own_ca::issue_client(directory, "dev@localhost", SystemTime::now()).unwrap();
        let ca = directory.join("ca.pem");
        let message = directory.join("message");
        std::fs::write(&message, "From: dev@localhost\r\nSubject: x\r\n\r\nx\r\n").unwrap();
        Self {
            server,
            ca,
            client,
            message,
        }
    }

    /// The program submits, and is let in by this mechanism and credential.
    async fn check(&self, command: &mut Command, peer: &str, mechanism: &str, channel: &str) {
        let before = self.server.queued().await;
        run(command, &format!("{peer} {mechanism} {channel}")).await;
        assert_eq!(self.server.queued().await, before + 1, "{peer} {mechanism}");
        self.assert_let_in(peer, mechanism);
        passed(peer, mechanism, channel, "to Gatepost");
    }

    fn assert_let_in(&self, peer: &str, mechanism: &str) {
        let lines = self
            .server
            .log
            .lines_with(&format!("result=ok mechanism={mechanism} "));
        assert!(!lines.is_empty(), "{peer} {mechanism}");
    }
}

/// EXT-02, EXT-03: curl names the account it wants to be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ext_02_curl_authenticates_by_its_certificate() {
    let world = World::new().await;
    for (scheme, address, channel) in [
        ("smtp", world.server.smtp, "STARTTLS"),
        ("smtps", world.server.smtps, "implicit"),
    ] {
        let mut command = Command::new("curl");
        command
            .args([
                "--silent",
                "--show-error",
                "--verbose",
                "--max-time",
                "60",
                "--ssl-reqd",
            ])
            .args([
                "--url",
                &format!("{scheme}://localhost:{}/client.example", address.port()),
            ])
            .args([
                "--user",
                "dev@localhost:",
                "--login-options",
                "AUTH=EXTERNAL",
            ])
            .args([
                "--mail-from",
                "dev@localhost",
                "--mail-rcpt",
                "you@example.com",
            ])
            .arg("--cert")
            .arg(&world.client.certificate)
            .arg("--key")
            .arg(&world.client.key)
            .arg("--cacert")
            .arg(&world.ca)
            .arg("--upload-file")
            .arg(&world.message);
        world.check(&mut command, "curl", "EXTERNAL", channel).await;
    }
}

/// CB-12: swaks 20201014 has no EXTERNAL; its password is that of the certificate's owner.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cb_12_swaks_gives_the_password_of_its_certificates_owner() {
    let world = World::new().await;
    let mut command = Command::new("swaks");
    command
        .args([
            "--server",
            &format!("127.0.0.1:{}", world.server.smtp.port()),
        ])
        .args([
            "--tls",
            "--auth",
            "PLAIN",
            "--auth-user",
            "dev@localhost",
            "--auth-password",
            "gatepost",
        ])
        .args(["--from", "dev@localhost", "--to", "you@example.com"])
        .arg("--tls-cert")
        .arg(&world.client.certificate)
        .arg("--tls-key")
        .arg(&world.client.key);
    world
        .check(&mut command, "swaks", "PLAIN", "STARTTLS, certificate")
        .await;
    let seen = world.server.log.lines_with("event=client-certificate");
    assert!(seen[0].contains("account=dev@localhost"), "{seen:?}");
}

/// EXT-07: a dialogue by hand, its commands in one go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ext_07_openssl_authenticates_by_its_certificate() {
    let world = World::new().await;
    for (starttls, address, version) in [
        ("-starttls smtp", world.server.smtp, "-tls1_3"),
        ("", world.server.smtps, "-tls1_2"),
    ] {
        let said = shell(
            r"printf 'EHLO client.example\r\nAUTH EXTERNAL =\r\nQUIT\r\n' \
              | openssl s_client -connect 127.0.0.1:$PORT -servername localhost $STARTTLS $VERSION -quiet -ign_eof -CAfile $CA -cert $CERTIFICATE -key $KEY",
            &[
                ("PORT", &address.port().to_string()),
                ("STARTTLS", starttls),
                ("VERSION", version),
                ("CA", &text(&world.ca)),
                ("CERTIFICATE", &text(&world.client.certificate)),
                ("KEY", &text(&world.client.key)),
            ],
        )
        .await;
        assert!(said.contains("\r\n235 2.7.0 "), "{said}");
        passed("openssl s_client", "EXTERNAL", version, "to Gatepost");
    }
}

/// EXT-02, ANON-01: GNU SASL with its certificate, and as a guest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anon_01_gsasl_by_external_and_anonymous() {
    let world = World::new().await;
    let external = format!(
        "--starttls --no-cb -m EXTERNAL -z dev@localhost --x509-ca-file {} --x509-cert-file {} --x509-key-file {}",
        text(&world.ca),
        text(&world.client.certificate),
        text(&world.client.key)
    );
    for (options, mechanism, port) in [
        (external.as_str(), "EXTERNAL", world.server.smtp.port()),
        (
            "--no-starttls -m ANONYMOUS -n sirhc@example.com",
            "ANONYMOUS",
            world.server.legacy.port(),
        ),
    ] {
        let said = shell(
            "gsasl --smtp --connect localhost:$PORT $OPTIONS </dev/null",
            &[("PORT", &port.to_string()), ("OPTIONS", options)],
        )
        .await;
        assert!(said.contains("235 2.7.0 "), "{said}");
        world.assert_let_in("gsasl", mechanism);
        passed(
            "GNU SASL 2.2.0",
            mechanism,
            if mechanism == "EXTERNAL" {
                "STARTTLS"
            } else {
                "none"
            },
            "to Gatepost",
        );
    }
    let guest = world.server.log.lines_with("mechanism=ANONYMOUS");
    assert!(guest[0].contains("trace=sirhc@example.com"), "{guest:?}");
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// What a line of shell says, on both of its outputs.
async fn shell(script: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new("timeout");
    command.args(["60", "sh", "-c", &format!("{{ {script}; }} 2>&1")]);
    command.envs(variables.iter().copied());
    let output = command.kill_on_drop(true).output().await.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
