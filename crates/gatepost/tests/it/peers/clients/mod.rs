//! Mail clients of others submit to Gatepost, each by every mechanism it has, over every kind of listener.

mod certificates;
mod curl;
mod faults;
mod gsasl;
pub(super) mod javamail;
mod msmtp;
mod nodemailer;
mod old_tls;
mod phpmailer;
mod s_nail;
mod scramp;
mod smtplib;
mod smtptest;
mod swaks;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use gatepost::config::resolved::{Config, Layers, Listener, ListenerProfile, TlsMode, TlsVersions};
use gatepost_sasl::mechanism;
use tokio::process::Command;

use super::corpus::{self, LineEnd, Sample};
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

    /// `starttls`, `implicit` or `none`, for programs of ours that take a word.
    fn word(self) -> &'static str {
        match self.tls() {
            Some(TlsMode::Implicit) => "implicit",
            Some(_) => "starttls",
            None => "none",
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
    config.accounts.digest_realms = vec!["localhost".to_owned()];
    config.listeners[2].auth.mechanisms = Some(mechanism::ALL.into());
    for (name, tls) in [
        ("old-starttls", TlsMode::StartTls),
        ("old-tls", TlsMode::Implicit),
    ] {
        config.listeners.push(Listener {
            name: name.to_owned(),
            address: ([127, 0, 0, 1], 0).into(),
            tls,
            tls_versions: TlsVersions::Current,
            profile: ListenerProfile::Legacy,
            networks: Vec::new(),
            reached_as: std::sync::Arc::default(),
            tolerate: Vec::new(),
            plus_on_tls12: false,
            proxy: None,
            require_auth: true,
            layers: Layers::default(),
            auth: config.listeners[2].auth.clone(),
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

/// What a program that writes its message itself is told to put in it.
const TEXT: &str = "Hello from a program of others.";

/// Each mechanism over each lane, with mail of every shape: the program sends the octets of a file as they are.
async fn exercise(peer: &str, mechanisms: &[&str], command: impl Fn(&Submission<'_>) -> Command) {
    let samples = corpus::samples();
    let mut shapes = samples.iter();
    let next = |lane: Lane| {
        shapes
            .by_ref()
            .find(|sample| lane.is_legacy() || !sample.legacy)
            .unwrap_or(&samples[0])
    };
    exercise_with(
        &Lane::ALL,
        peer,
        mechanisms,
        command,
        next,
        |sample, stored| {
            corpus::check(sample, stored, LineEnd::MayBeAdded);
        },
    )
    .await;
}

/// The same for a program that writes its message itself, with [`TEXT`] in it.
async fn exercise_writer(
    peer: &str,
    mechanisms: &[&str],
    command: impl Fn(&Submission<'_>) -> Command,
) {
    exercise_writer_over(&Lane::ALL, peer, mechanisms, command).await;
}

/// The same over some lanes, for a program that cannot do the others.
async fn exercise_writer_over(
    lanes: &[Lane],
    peer: &str,
    mechanisms: &[&str],
    command: impl Fn(&Submission<'_>) -> Command,
) {
    let samples = corpus::samples();
    let next = |_| &samples[0];
    exercise_with(lanes, peer, mechanisms, command, next, |_, stored| {
        let stored = String::from_utf8_lossy(stored);
        assert!(stored.contains(TEXT), "{peer}: {stored}");
    })
    .await;
}

async fn exercise_with<'a>(
    lanes: &[Lane],
    peer: &str,
    mechanisms: &[&str],
    command: impl Fn(&Submission<'_>) -> Command,
    mut next: impl FnMut(Lane) -> &'a Sample,
    check: impl Fn(&Sample, &[u8]),
) {
    let server = Server::start_with(legacy_inside_tls).await;
    let ca = server.directory.path().join("ca.pem");
    let message = server.directory.path().join("message");
    for lane in lanes.iter().copied() {
        // Gatepost offers these two to devices only.
        for mechanism in mechanisms
            .iter()
            .filter(|name| lane.is_legacy() || !matches!(**name, "CRAM-MD5" | "DIGEST-MD5"))
        {
            let sample = next(lane);
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
            run(&mut command(&submission), &what).await;
            let stored = server.newest().await;
            check(sample, &stored);
            let head = String::from_utf8_lossy(&stored[..stored.len().min(600)]).into_owned();
            // TRC-02: the types of RFC 3848.
            let kind = if lane.tls().is_some() {
                "with ESMTPSA "
            } else {
                "with ESMTPA "
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

/// Runs it to its end, which must be a good one.
pub(super) async fn run(command: &mut Command, what: &str) {
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    assert!(
        output.status.success(),
        "{what}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
