//! The dialogues of `transcripts/` with the whole server: real sockets, real TLS, real accounts.
//!
//! Left out is what only a session in memory can be: dialogues with given randomness, with time that passes, with parts that
//! fail on order.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatepost::config::resolved::{Config, ListenerProfile, TlsMode};
use gatepost_testkit::peer::{SocketWire, Stream};
use gatepost_testkit::play::play;
use gatepost_testkit::transcript::{Listener, Scene, ServerSettings, Side, Transcript};
use gatepost_testkit::wire::Wire as _;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::server::Server;
use crate::trust::{VERSIONS, trusting};

/// Files of each theme that are not played, and why.
fn left_out(theme: &str) -> BTreeMap<String, &'static str> {
    let mut left_out = BTreeMap::new();
    for transcript in load(theme) {
        let reason = match &transcript.side {
            Side::Server(settings) => settings.only_in_memory(),
            Side::Client(_) => Some("the client is under test"),
        };
        let all_take_time = transcript.scenes.iter().all(Scene::takes_time);
        if let Some(reason) = reason.or(all_take_time.then_some("time passes")) {
            left_out.insert(name(&transcript), reason);
        }
    }
    left_out
}

fn load(theme: &str) -> Vec<Transcript> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../transcripts"));
    Transcript::load_folder(&root.join(theme)).unwrap_or_else(|fault| panic!("{fault}"))
}

fn name(transcript: &Transcript) -> String {
    let name = transcript.path.file_stem().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Plays every scene that can be played; each file on a server of its own, because the server remembers failures.
async fn check(theme: &str) {
    let left_out = left_out(theme);
    let (mut played, mut failures) = (0, Vec::new());
    for transcript in load(theme) {
        let Side::Server(settings) = &transcript.side else {
            continue;
        };
        if left_out.contains_key(&name(&transcript)) {
            continue;
        }
        let (server, address) = start(settings).await;
        let directory = server.directory.path().to_owned();
        let listener = settings.listener;
        let playing = tokio::task::spawn_blocking(move || {
            let scenes = transcript.scenes.iter().filter(|scene| !scene.takes_time());
            let outcomes = scenes.map(|scene| {
                let mut wire = connect(address, listener, &directory);
                play(&transcript, scene, &mut wire).map_err(|mismatch| mismatch.to_string())
            });
            outcomes.collect::<Vec<_>>()
        });
        let outcomes = playing.await.unwrap();
        played += outcomes.len();
        failures.extend(outcomes.into_iter().filter_map(Result::err));
    }
    assert!(
        played > 0,
        "{theme}: nothing is played; left out: {left_out:#?}"
    );
    assert!(
        failures.is_empty(),
        "{played} played\n\n{}\n",
        failures.join("\n\n")
    );
}

/// A server whose listener is the one described; the address of that listener.
async fn start(settings: &ServerSettings) -> (Server, SocketAddr) {
    let wanted = settings.clone();
    let server = Server::start_with(move |config| describe(config, &wanted)).await;
    for account in &settings.accounts {
        let addresses = account.addresses.iter().cloned().collect();
        server
            .add_account(&account.name, &account.password, &addresses)
            .await;
    }
    // The first of its three listeners is the one described.
    let address = server.smtp;
    (server, address)
}

fn describe(config: &mut Config, settings: &ServerSettings) {
    settings.host.clone_into(&mut config.hostname);
    if let Some(limit) = settings.size_limit {
        config.limits.message_size = limit;
    }
    let listener = &mut config.listeners[0];
    (listener.tls, listener.profile) = match settings.listener {
        Listener::Submissions => (TlsMode::Implicit, ListenerProfile::Submission),
        Listener::Submission => (TlsMode::StartTls, ListenerProfile::Submission),
        Listener::Optional => (TlsMode::StartTlsOptional, ListenerProfile::Submission),
        Listener::Legacy => (TlsMode::None, ListenerProfile::Legacy),
    };
    listener.tolerate = settings.quirks.iter().map(|(quirk, _)| *quirk).collect();
}

fn connect(address: SocketAddr, listener: Listener, directory: &Path) -> SocketWire {
    let config = Arc::new(trusting(&[&directory.join("ca.pem")], VERSIONS));
    let mut wire = SocketWire::connect(address)
        .unwrap()
        .with_tls(Box::new(move |socket| {
            handshake(socket, Arc::clone(&config))
        }));
    if listener == Listener::Submissions {
        wire.start_tls().unwrap();
    }
    wire
}

fn handshake(mut socket: TcpStream, config: Arc<ClientConfig>) -> std::io::Result<Box<dyn Stream>> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(config, name).map_err(std::io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    Ok(Box::new(StreamOwned::new(connection, socket)))
}

#[tokio::test]
async fn auth() {
    check("auth").await;
}

#[tokio::test]
async fn data() {
    check("data").await;
}

#[tokio::test]
async fn dsn() {
    check("dsn").await;
}

#[tokio::test]
async fn eai() {
    check("eai").await;
}

#[tokio::test]
async fn legacy() {
    check("legacy").await;
}

#[tokio::test]
async fn relay() {
    check("relay").await;
}

#[tokio::test]
async fn starttls() {
    check("starttls").await;
}

/// What is left out is written down here: a file more that cannot be played is somebody's decision.
#[test]
fn what_is_not_played() {
    let mut left_out: Vec<String> = Vec::new();
    for theme in ["auth", "data", "dsn", "eai", "legacy", "relay", "starttls"] {
        let files = self::left_out(theme).into_iter();
        left_out.extend(files.map(|(name, reason)| format!("{theme}/{name}: {reason}")));
    }
    assert_eq!(
        left_out,
        [
            "auth/anonymous: the offer is given",
            "auth/blank-credentials: mail needs no identity",
            "auth/cancel: the randomness is given",
            "auth/cram-md5-forms: the randomness is given",
            "auth/cram-md5-name-with-spaces: the randomness is given",
            "auth/directory-down: the randomness is given",
            "auth/external: the offer is given",
            "auth/in-an-open-transaction: mail needs no identity",
            "auth/oauth-in-clear: tokens are known by heart",
            "auth/oauthbearer-discovery: tokens are known by heart",
            "auth/plain-proxy: somebody acts as somebody else",
            "auth/rfc2554-cram-md5: the randomness is given",
            "auth/rfc2831-digest-md5: the randomness is given",
            "auth/rfc4954-cram-md5: the randomness is given",
            "auth/rfc5802-scram-sha-1: the randomness is given",
            "auth/rfc7677-scram-sha-256: the randomness is given",
            "auth/scram-sha-256-plus: the randomness is given",
            "auth/scram-sha-256-without-ir: the randomness is given",
            "auth/xoauth2-long-token: tokens are known by heart",
            "auth/xoauth2-refused: tokens are known by heart",
            "auth/xoauth2-without-ir: tokens are known by heart",
            "data/chunks-header-refused: the program refuses something",
            "data/header-refused: the program refuses something",
            "data/smuggling-rejected: bare line ends are refused",
            "data/storage-full: the program refuses something",
            "legacy/fax-cram-md5: the randomness is given",
            "relay/denied: the program refuses something",
            "relay/denied-in-a-pipeline: the program refuses something",
        ]
    );
}
