//! What only servers of others with TLS of their own can show of our client: EXTERNAL by a client certificate, and SCRAM bound to the connection.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use gatepost::config::resolved::{CertificateFiles, RouteAuth, RouteTls, SecretFile};
use gatepost::net::tls::own_ca;
use gatepost_sasl::Mechanism;
use gatepost_sasl::mechanism::{
    EXTERNAL, PLAIN, SCRAM_SHA_1_PLUS, SCRAM_SHA_256, SCRAM_SHA_256_PLUS,
};
use tokio::process::Command;

use super::server_peer::{PASSWORD, Program, ServerPeer, USER};
use super::smarthost::{route_with, server_with, submit};
use crate::child;
use crate::peer_table::passed;

const CHANNELS: [(RouteTls, &str, &str); 2] = [
    (RouteTls::StartTls, "starttls", "STARTTLS"),
    (RouteTls::Implicit, "implicit", "implicit"),
];

const MESSAGE: &[u8] = b"From: dev@localhost\r\nSubject: x\r\n\r\nx\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ext_02_exim_knows_us_by_our_certificate() {
    let peer = ServerPeer::start_with(Program::Exim, &["--mechanisms", "PLAIN EXTERNAL"]).await;
    send_by_certificate(&peer, Program::Exim).await;
    relay_by_certificate(&peer, Program::Exim).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ext_02_dovecot_knows_us_by_our_certificate() {
    let peer = ServerPeer::start_with(Program::Dovecot, &["--mechanisms", "PLAIN EXTERNAL"]).await;
    send_by_certificate(&peer, Program::Dovecot).await;
    relay_by_certificate(&peer, Program::Dovecot).await;
}

async fn send_by_certificate(peer: &ServerPeer, program: Program) {
    let files = files(peer);
    let [certificate, key] = [&files.certificate, &files.key].map(|path| path.to_str().unwrap());
    for (tls, word, channel) in CHANNELS {
        for (number, (more, accepted)) in [
            (&["--auth", "external"][..], true),
            (&["--user", USER], true),
            (&["--user", "other@peer.test"], false),
        ]
        .into_iter()
        .enumerate()
        {
            let to = format!("{word}-{number}@peer.test");
            let arguments = [&["--certificate", certificate, "--key", key], more].concat();
            let (said, ok) = send(peer, tls, &arguments, &to, "").await;
            assert_eq!(ok, accepted, "{more:?}: {said}");
            if accepted {
                let envelope = peer.message_to(&to).await.envelope;
                assert!(envelope.contains(&format!("user\t{USER}\n")), "{envelope}");
            } else {
                assert!(said.contains("refuses AUTH EXTERNAL: 535"), "{said}");
            }
        }
        passed(program.name(), "EXTERNAL", channel, "from gatepost send");
    }
}

/// Named or not; and a password beside a certificate that is shown in TLS.
async fn relay_by_certificate(peer: &ServerPeer, program: Program) {
    let files = files(peer);
    let password_file = password_file(&files);
    let by_certificate = |mechanism: Option<&'static Mechanism>| RouteAuth {
        mechanism,
        user: String::new(),
        secret: SecretFile::Certificate(files.clone()),
        certificate: None,
        terms: Box::default(),
    };
    let by_password = RouteAuth {
        mechanism: None,
        user: USER.to_owned(),
        secret: SecretFile::Password(password_file),
        certificate: Some(files.clone()),
        terms: Box::default(),
    };
    let ways = [
        ("named", by_certificate(Some(&EXTERNAL)), &EXTERNAL),
        ("found", by_certificate(None), &EXTERNAL),
        ("beside", by_password, &PLAIN),
    ];
    let rows: Vec<_> = CHANNELS
        .iter()
        .flat_map(|channel| ways.iter().map(move |way| (channel, way)))
        .map(|((tls, word, channel), (name, auth, used))| {
            (
                format!("{name}.{word}.test"),
                *tls,
                *channel,
                auth.clone(),
                *used,
            )
        })
        .collect();
    let routes = rows
        .iter()
        .map(|(domain, tls, _, auth, _)| route_with(peer, domain, *tls, Some(auth.clone())));
    let server = server_with(routes.collect()).await;
    for (domain, ..) in &rows {
        submit(&server, &format!("you@{domain}"), MESSAGE).await;
    }
    for (domain, _, channel, _, used) in &rows {
        let envelope = peer.message_to(&format!("you@{domain}")).await.envelope;
        assert!(envelope.contains(&format!("user\t{USER}\n")), "{envelope}");
        if program.tells_mechanism() {
            let method = format!("method\t{used}\n");
            assert!(envelope.contains(&method), "{domain}: {envelope}");
        }
        passed(
            program.name(),
            used.name,
            channel,
            "from Gatepost (delivery)",
        );
    }
}

/// EXT-04: Exim offers EXTERNAL to certificates that it can verify. Mail waits, with the reason in the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ext_04_mail_waits_at_an_exim_that_does_not_know_the_certificate() {
    let peer = ServerPeer::start_with(Program::Exim, &["--mechanisms", "PLAIN EXTERNAL"]).await;
    let directory = tempfile::tempdir().unwrap();
    let foreign = own_ca::issue_client(directory.path(), USER, SystemTime::now()).unwrap();
    let files = CertificateFiles {
        certificate: foreign.certificate,
        key: foreign.key,
    };
    let auth = RouteAuth {
        mechanism: None,
        user: String::new(),
        secret: SecretFile::Certificate(files),
        certificate: None,
        terms: Box::default(),
    };
    let route = route_with(&peer, "peer.test", RouteTls::StartTls, Some(auth));
    let server = server_with(vec![route]).await;
    submit(&server, "you@peer.test", MESSAGE).await;
    server.log.wait_for("reason=next-hop-credential").await;
    let said = server
        .log
        .lines_with("reason=next-hop-credential")
        .remove(0);
    assert!(
        said.contains(
            "the server got our certificate and does not offer EXTERNAL; it offers PLAIN"
        ),
        "{said}"
    );
    assert!(server.log.lines_with("result=bounced").is_empty());
    assert_eq!(server.queued().await, 1);
}

/// EXT-04: "else skip": at a server that has no AUTH, showing the certificate is all there is to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ext_04_a_certificate_is_shown_to_a_server_without_auth() {
    let peer = ServerPeer::start_open(Program::Exim).await;
    let files = files(&peer);
    let [certificate, key] = [&files.certificate, &files.key].map(|path| path.to_str().unwrap());
    let shown = ["--certificate", certificate, "--key", key];
    let insisting = [&shown[..], &["--auth", "external"]].concat();
    let (tls, to) = (RouteTls::Implicit, "sent@peer.test");
    let (said, ok) = send(&peer, tls, &insisting, to, "").await;
    assert!(!ok && said.contains("does not offer EXTERNAL"), "{said}");
    let (said, ok) = send(&peer, tls, &shown, to, "").await;
    assert!(ok, "{said}");
    let auth = RouteAuth {
        mechanism: None,
        user: String::new(),
        secret: SecretFile::Certificate(files.clone()),
        certificate: None,
        terms: Box::default(),
    };
    let route = route_with(&peer, "peer.test", RouteTls::StartTls, Some(auth));
    let server = server_with(vec![route]).await;
    submit(&server, "relayed@peer.test", MESSAGE).await;
    for to in [to, "relayed@peer.test"] {
        let envelope = peer.message_to(to).await.envelope;
        let seen = format!("method\t\nuser\t\ncertificate\tCN={USER}\n");
        assert!(envelope.contains(&seen), "{envelope}");
    }
}

/// CB-07, CB-01, SCR-13: Dovecot 2.4 binds by `tls-exporter` over TLS 1.3, and has a `-PLUS` form beside each SCRAM.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cb_07_dovecot_and_we_bind_scram_to_the_same_connection() {
    let offered = "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256";
    let peer = ServerPeer::start_with(Program::Dovecot, &["--mechanisms", offered]).await;
    let bound: [&'static Mechanism; 2] = [&SCRAM_SHA_256_PLUS, &SCRAM_SHA_1_PLUS];
    let password_file = password_file(&files(&peer));
    let mut routes = Vec::new();
    for (tls, word, channel) in CHANNELS {
        for mechanism in bound {
            let to = format!("{}-{word}@peer.test", mechanism.name.to_ascii_lowercase());
            let arguments = ["--user", USER, "--password-stdin", "--auth", mechanism.name];
            let (said, ok) = send(&peer, tls, &arguments, &to, PASSWORD).await;
            assert!(ok, "{said}");
            peer.message_to(&to).await;
            let (said, ok) = send(&peer, tls, &arguments, &to, "wrong").await;
            assert!(!ok && said.contains("535"), "{said}");
            passed(
                Program::Dovecot.name(),
                mechanism.name,
                channel,
                "from gatepost send",
            );
        }
        for (name, mechanism) in [("named", Some(bound[1])), ("strongest", None)] {
            let auth = RouteAuth {
                mechanism,
                user: USER.to_owned(),
                secret: SecretFile::Password(password_file.clone()),
                certificate: None,
                terms: Box::default(),
            };
            let domain = format!("{name}.{word}.test");
            routes.push(route_with(&peer, &domain, tls, Some(auth)));
        }
    }
    let server = server_with(routes).await;
    for (_, word, channel) in CHANNELS {
        for (name, used) in [("named", bound[1]), ("strongest", bound[0])] {
            let to = format!("you@{name}.{word}.test");
            submit(&server, &to, MESSAGE).await;
            peer.message_to(&to).await;
            passed(
                Program::Dovecot.name(),
                used.name,
                channel,
                "from Gatepost (delivery)",
            );
        }
    }
    // Each mechanism at least twice by `send` and twice by the queue, and Dovecot says so itself.
    let log = std::fs::read_to_string(peer.file("dovecot.log")).unwrap();
    for mechanism in bound {
        let method = format!("method={mechanism},");
        let came_in = log
            .lines()
            .filter(|line| line.contains("Logged in") && line.contains(&method));
        assert!(came_in.count() >= 4, "{mechanism}: {log}");
    }
    assert!(!log.contains(&format!("method={SCRAM_SHA_256},")), "{log}");
}

/// `gatepost send` to the peer: what it said, and whether it succeeded.
async fn send(
    peer: &ServerPeer,
    tls: RouteTls,
    arguments: &[&str],
    to: &str,
    input: &str,
) -> (String, bool) {
    let (port, word) = match tls {
        RouteTls::StartTls => (peer.starttls, "starttls"),
        RouteTls::Implicit | RouteTls::None => (peer.implicit, "implicit"),
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command
        .args(["send", &format!("localhost:{port}"), "--tls", word])
        .args(["--from", "dev@localhost", "--to", to, "--ca"])
        .arg(peer.ca())
        .args(arguments);
    let output = child::run(&mut command, input).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (said, output.status.success())
}

/// The certificate that the peer's authority signed for its account.
fn files(peer: &ServerPeer) -> CertificateFiles {
    CertificateFiles {
        certificate: peer.file("client.pem"),
        key: peer.file("client-key.pem"),
    }
}

fn password_file(beside: &CertificateFiles) -> PathBuf {
    let file: &Path = &beside.key.with_file_name("relay.password");
    std::fs::write(file, format!("{PASSWORD}\n")).unwrap();
    file.to_owned()
}
