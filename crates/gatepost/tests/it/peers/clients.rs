//! swaks, curl and Python's smtplib submit to Gatepost, each by every mechanism it has, over every kind of listener.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use gatepost::config::resolved::{Config, Listener, ListenerProfile, TlsMode};
use tokio::process::Command;

use super::corpus::{self, LineEnd};
use crate::peer_table::passed;
use crate::server::Server;

/// How a client reaches a listener.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    StartTls,
    Implicit,
    /// The legacy profile in clear text, and inside TLS for those old mechanisms that only it offers.
    Clear,
    LegacyStartTls,
    LegacyImplicit,
}

impl Lane {
    const ALL: [Self; 5] = [
        Self::StartTls,
        Self::Implicit,
        Self::Clear,
        Self::LegacyStartTls,
        Self::LegacyImplicit,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::StartTls => "STARTTLS",
            Self::Implicit => "implicit",
            Self::Clear => "none (legacy)",
            Self::LegacyStartTls => "STARTTLS (legacy)",
            Self::LegacyImplicit => "implicit (legacy)",
        }
    }

    fn is_legacy(self) -> bool {
        !matches!(self, Self::StartTls | Self::Implicit)
    }

    fn tls(self) -> Option<TlsMode> {
        match self {
            Self::StartTls | Self::LegacyStartTls => Some(TlsMode::StartTls),
            Self::Implicit | Self::LegacyImplicit => Some(TlsMode::Implicit),
            Self::Clear => None,
        }
    }

    fn address(self, server: &Server) -> SocketAddr {
        match self {
            Self::StartTls => server.smtp,
            Self::Implicit => server.smtps,
            Self::Clear => server.legacy,
            Self::LegacyStartTls => server.bound[3],
            Self::LegacyImplicit => server.bound[4],
        }
    }
}

fn legacy_inside_tls(config: &mut Config) {
    for (name, tls) in [
        ("old-starttls", TlsMode::StartTls),
        ("old-tls", TlsMode::Implicit),
    ] {
        config.listeners.push(Listener {
            name: name.to_owned(),
            address: ([127, 0, 0, 1], 0).into(),
            tls,
            profile: ListenerProfile::Legacy,
            networks: Vec::new(),
            tolerate: Vec::new(),
            proxy: None,
            require_auth: true,
        });
    }
}

/// What a client is told to do.
struct Submission<'a> {
    lane: Lane,
    address: SocketAddr,
    mechanism: &'a str,
    ca: &'a Path,
    message: &'a Path,
    /// The lines of the message end in bare line feeds.
    line_feeds: bool,
}

/// Each mechanism over each lane with a small message, then every shape of mail once.
async fn exercise(peer: &str, mechanisms: &[&str], command: impl Fn(&Submission<'_>) -> Command) {
    let server = Server::start_with(legacy_inside_tls).await;
    let ca = server.directory.path().join("ca.pem");
    let message = server.directory.path().join("message");
    let samples = corpus::samples();
    let mut shapes = samples.iter();
    for lane in Lane::ALL {
        // Gatepost offers CRAM-MD5 to devices only.
        for mechanism in mechanisms
            .iter()
            .filter(|name| lane.is_legacy() || **name != "CRAM-MD5")
        {
            let sample = shapes
                .by_ref()
                .find(|sample| lane.is_legacy() || !sample.legacy)
                .unwrap_or(&samples[0]);
            std::fs::write(&message, &sample.octets).unwrap();
            let submission = Submission {
                lane,
                address: lane.address(&server),
                mechanism,
                ca: &ca,
                message: &message,
                line_feeds: !sample.octets.windows(2).any(|two| two == b"\r\n"),
            };
            let what = format!("{peer} {mechanism} {} {}", lane.name(), sample.name);
            let output = command(&submission)
                .stdin(Stdio::null())
                .output()
                .await
                .unwrap();
            assert!(
                output.status.success(),
                "{what}: {}\n{}\n{}",
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            let stored = server.newest().await;
            corpus::check(sample, &stored, LineEnd::MayBeAdded);
            let head = String::from_utf8_lossy(&stored[..stored.len().min(600)]).into_owned();
            // TRC-02: the types of RFC 3848.
            let kind = if lane.tls().is_some() {
                "with ESMTPSA id"
            } else {
                "with ESMTPA id"
            };
            assert!(head.contains(kind), "{what}: {head}");
            let logged = server
                .log
                .lines_with(&format!("result=ok mechanism={mechanism} "));
            assert!(!logged.is_empty(), "{what}: no attempt logged");
            passed(peer, mechanism, lane.name(), "to Gatepost");
        }
    }
}

// LC-02, LC-06, LC-13 as a current client does them; PLAIN-03.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swaks_submits_by_every_mechanism_it_has() {
    exercise("swaks", &["PLAIN", "LOGIN", "CRAM-MD5"], |submission| {
        let mut command = Command::new("swaks");
        command
            .args([
                "--server",
                "127.0.0.1",
                "--port",
                &submission.address.port().to_string(),
            ])
            .args(["--auth", submission.mechanism])
            .args([
                "--auth-user",
                "dev@localhost",
                "--auth-password",
                "gatepost",
            ])
            .args([
                "--from",
                "dev@localhost",
                "--to",
                "you@example.com",
                "--ehlo",
                "client.example",
            ])
            .arg("--data")
            .arg(submission.message);
        match submission.lane.tls() {
            Some(TlsMode::Implicit) => command.arg("--tls-on-connect"),
            Some(_) => command.arg("--tls"),
            None => &mut command,
        };
        if submission.lane.tls().is_some() {
            command
                .arg("--tls-verify")
                .arg("--tls-ca-path")
                .arg(submission.ca);
        }
        command
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_submits_by_every_mechanism_it_has() {
    exercise("curl", &["PLAIN", "LOGIN", "CRAM-MD5"], |submission| {
        let scheme = if submission.lane.tls() == Some(TlsMode::Implicit) {
            "smtps"
        } else {
            "smtp"
        };
        let mut command = Command::new("curl");
        command
            .args(["--silent", "--show-error", "--verbose", "--max-time", "60"])
            .args([
                "--url",
                &format!("{scheme}://{}/client.example", submission.address),
            ])
            .args(["--user", "dev@localhost:gatepost"])
            .args(["--login-options", &format!("AUTH={}", submission.mechanism)])
            .args([
                "--mail-from",
                "dev@localhost",
                "--mail-rcpt",
                "you@example.com",
            ])
            .arg("--cacert")
            .arg(submission.ca)
            .arg("--upload-file")
            .arg(submission.message);
        if submission.lane.tls() == Some(TlsMode::StartTls) {
            command.arg("--ssl-reqd");
        }
        // It turns line feeds into line ends when told, and would turn line ends into something else.
        if submission.line_feeds {
            command.arg("--crlf");
        }
        command
    })
    .await;
}

const SMTPLIB: &str = r"
import smtplib, ssl, sys
host, port, tls, mechanism, ca, path = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
if tls == 'implicit':
    client = smtplib.SMTP_SSL(host, int(port), local_hostname='client.example', context=context)
else:
    client = smtplib.SMTP(host, int(port), local_hostname='client.example')
if tls == 'starttls':
    client.starttls(context=context)
client.ehlo()
client.user, client.password = 'dev@localhost', 'gatepost'
client.auth(mechanism, getattr(client, 'auth_' + mechanism.lower().replace('-', '_')))
with open(path, 'rb') as message:
    client.sendmail('dev@localhost', ['you@example.com'], message.read())
client.quit()
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn smtplib_submits_by_every_mechanism_it_has() {
    exercise("smtplib", &["PLAIN", "LOGIN", "CRAM-MD5"], |submission| {
        let tls = match submission.lane.tls() {
            Some(TlsMode::Implicit) => "implicit",
            Some(_) => "starttls",
            None => "none",
        };
        let mut command = Command::new("python3");
        command
            .args([
                "-c",
                SMTPLIB,
                "127.0.0.1",
                &submission.address.port().to_string(),
                tls,
                submission.mechanism,
            ])
            .arg(submission.ca)
            .arg(submission.message);
        command
    })
    .await;
}
