//! The golden dialogues of `transcripts/`, played to the whole server over real sockets and real TLS.
//!
//! Those whose settings only a session in memory can have (a published nonce, a directory that fails on purpose, a quirk switched by hand) are
//! played there, by the crate of the sessions, and so are messages without an author, which the whole server refuses; everything else has to
//! come out the same here.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatepost::config::resolved::TlsMode;
use gatepost_testkit::peer::{Handshake, SocketWire, Stream};
use gatepost_testkit::play::play;
use gatepost_testkit::split::Cuts;
use gatepost_testkit::transcript::{Action, Listener, Scene, ServerSettings, Side, Transcript};
use gatepost_testkit::wire::{Split, Wire};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::server::Server;

/// How many of a theme's dialogues the whole server can be asked: fewer mean that the choice below has become too narrow.
async fn play_theme(theme: &str, at_least: usize) {
    let folder =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../transcripts")).join(theme);
    let mut played = 0;
    let mut failures = Vec::new();
    for transcript in Transcript::load_folder(&folder).unwrap() {
        let Side::Server(settings) = &transcript.side else {
            continue;
        };
        if !fits(settings, &transcript) {
            continue;
        }
        played += 1;
        let server = serve(settings, &transcript.path).await;
        let address = match settings.listener {
            Listener::Submissions => server.smtps,
            Listener::Submission | Listener::Optional => server.smtp,
            Listener::Legacy => server.legacy,
        };
        let implicit = matches!(settings.listener, Listener::Submissions);
        let directory = server.directory.path().to_owned();
        let played = tokio::task::spawn_blocking(move || {
            play_all(&transcript, address, implicit, &directory)
        });
        failures.extend(played.await.unwrap());
    }
    assert!(failures.is_empty(), "\n\n{}\n", failures.join("\n\n"));
    assert!(played >= at_least, "{theme}: only {played}");
}

#[tokio::test(flavor = "multi_thread")]
async fn auth() {
    play_theme("auth", 15).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data() {
    play_theme("data", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn legacy() {
    play_theme("legacy", 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn relay() {
    play_theme("relay", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn starttls() {
    play_theme("starttls", 3).await;
}

/// Whether a real server can be in these surroundings.
fn fits(settings: &ServerSettings, transcript: &Transcript) -> bool {
    let time_passes = transcript
        .scenes
        .iter()
        .flat_map(|scene| &scene.steps)
        .any(|step| matches!(step.action, Action::Wait(_)));
    transcript.scenes.iter().any(is_ours)
        && settings.nonce.is_none()
        && settings.challenge_host.is_none()
        && settings.scram.is_none()
        && settings.offer.is_none()
        && settings.quirks.is_empty()
        && !settings.open
        && !settings.reject_bare_line_ends
        && !settings.directory_down
        && settings.refusals.is_empty()
        && settings
            .accounts
            .iter()
            .all(|account| account.may_act_as.is_empty())
        && !time_passes
}

/// A server with the accounts of a transcript; they own every sender that it names.
async fn serve(settings: &ServerSettings, path: &Path) -> Server {
    let server = Server::start_with(|config| {
        config.hostname.clone_from(&settings.host);
        if let Some(limit) = settings.size_limit {
            config.limits.message_size = limit;
        }
        if matches!(settings.listener, Listener::Optional) {
            config.listeners[0].tls = TlsMode::StartTlsOptional;
        }
    })
    .await;
    let text = std::fs::read_to_string(path).unwrap();
    let senders: BTreeSet<String> = text.lines().filter_map(sender).collect();
    for account in &settings.accounts {
        server
            .add_account(&account.name, &account.password, &senders)
            .await;
    }
    server
}

/// The address that a line names as a sender, in the envelope or in a header.
fn sender(line: &str) -> Option<String> {
    let (_, after) = line
        .split_once("FROM:")
        .or_else(|| line.split_once("From:"))?;
    let word = after.split_whitespace().find(|word| word.contains('@'))?;
    Some(word.trim_matches(['<', '>']).to_owned())
}

/// Whether the whole server can give these replies: it draws its own CRAM-MD5 challenges, and wants to know the author of a message.
fn is_ours(scene: &Scene) -> bool {
    let said: Vec<&[u8]> = scene
        .steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::Say { octets, .. } => Some(octets.as_slice()),
            _ => None,
        })
        .collect();
    let says = |begin: &[u8]| said.iter().any(|line| line.starts_with(begin));
    !says(b"AUTH CRAM-MD5") && (!says(b"DATA\r\n") || says(b"From:"))
}

fn play_all(
    transcript: &Transcript,
    address: SocketAddr,
    implicit: bool,
    directory: &Path,
) -> Vec<String> {
    let mut failures = Vec::new();
    for scene in transcript.scenes.iter().filter(|scene| is_ours(scene)) {
        let mut wire = SocketWire::connect(address)
            .unwrap()
            .with_tls(handshake(directory));
        if implicit {
            wire.start_tls().unwrap();
        }
        if let Err(mismatch) = play(transcript, scene, &mut Split::new(wire, Cuts::Whole)) {
            failures.push(mismatch.to_string());
        }
    }
    failures
}

fn handshake(directory: &Path) -> Handshake {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(directory.join("ca.pem")).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    Box::new(move |socket| {
        let name = ServerName::try_from("localhost").unwrap();
        let connection =
            ClientConnection::new(Arc::clone(&config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Box::new(stream) as Box<dyn Stream>)
    })
}
