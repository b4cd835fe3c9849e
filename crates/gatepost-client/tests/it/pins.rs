//! T-17: how a server let us in once, it must let us in again. CB-06: an exchange that failed is followed by one on another connection.

use std::sync::Arc;

use gatepost_client::mechanism::{PLAIN, SCRAM_SHA_1, SCRAM_SHA_256_PLUS, SCRAM_SHA_512_PLUS};
use gatepost_client::{
    Connector, Credentials, Downgrade, Error, Mechanism, MechanismChoice, MechanismPins,
    MemoryPins, PinKey, TlsMode,
};
use gatepost_smtp::server::TlsPolicy;

use crate::certificates::Authority;
use crate::gatepost::{PASSWORD, Server, USER};
use crate::peer::{Act, At, Peer, faultless};

fn key(port: u16) -> PinKey {
    PinKey {
        host: "localhost".to_owned(),
        port,
        user: USER.to_owned(),
    }
}

fn connector(port: u16, mode: TlsMode, authority: &Authority) -> Connector {
    Connector::new("localhost", port, mode)
        .roots(authority.roots())
        .ehlo_name("client.example.com")
}

async fn log_in(connector: &Connector, password: &str) -> Result<&'static Mechanism, Error> {
    let mut client = connector.connect().await?;
    let credentials = Credentials::new(USER, password);
    client
        .authenticate(&credentials, MechanismChoice::Strongest)
        .await
}

#[tokio::test]
async fn t_17_what_succeeded_is_remembered() {
    let authority = Authority::new();
    let server = Server::start(TlsPolicy::Implicit, authority.acceptor(&["localhost"])).await;
    let pins = Arc::new(MemoryPins::default());
    let pinning = connector(server.port, TlsMode::Implicit, &authority).pins(pins.clone());
    assert!(log_in(&pinning, "hunter2").await.is_err());
    assert_eq!(pins.pinned(&key(server.port)), Ok(None));
    for _ in 0..2 {
        let by = log_in(&pinning, PASSWORD).await.unwrap();
        assert_eq!(by, &SCRAM_SHA_512_PLUS);
        assert_eq!(pins.pinned(&key(server.port)), Ok(Some(by)));
    }
}

/// A server that offers less gets nothing, and the error says what it did before and what to do.
#[tokio::test]
async fn t_17_a_server_that_offers_less_is_not_told_the_password() {
    let authority = Authority::new();
    for (pinned, refused) in [
        (&SCRAM_SHA_256_PLUS, true),
        (&SCRAM_SHA_1, true),
        (&PLAIN, false),
    ] {
        let peer = Peer::start(true, Some(authority.acceptor(&["localhost"])), faultless).await;
        let pins = Arc::new(MemoryPins::default());
        pins.pin(&key(peer.port), pinned);
        let pinning = connector(peer.port, TlsMode::Implicit, &authority).pins(pins.clone());
        let ended = log_in(&pinning, PASSWORD).await;
        assert_eq!(ended.is_err(), refused, "{pinned}");
        assert_eq!(peer.heard().protected.contains("AUTH"), !refused);
        let Err(error) = ended else {
            continue;
        };
        assert!(
            matches!(error, Error::Downgrade(Downgrade::Weaker { .. })),
            "{error}"
        );
        let told = format!("{error:#}");
        assert!(
            told.contains(pinned.name) && told.contains("now: PLAIN; start again"),
            "{told}"
        );
        // Whoever chooses the mechanism himself is obeyed.
        let mut client = pinning.connect().await.unwrap();
        let credentials = Credentials::new(USER, PASSWORD);
        let chosen = MechanismChoice::Only(&PLAIN);
        assert!(client.authenticate(&credentials, chosen).await.is_ok());
    }
}

/// SCRAM without a binding is less than SCRAM with one, and no more than that to a server that was never bound to.
#[tokio::test]
async fn t_17_a_binding_that_is_gone_is_missed() {
    let authority = Authority::new();
    let server = Server::start(TlsPolicy::None, authority.acceptor(&["localhost"])).await;
    for (pinned, refused) in [(&SCRAM_SHA_1, false), (&SCRAM_SHA_256_PLUS, true)] {
        let pins = Arc::new(MemoryPins::default());
        pins.pin(&key(server.port), pinned);
        let pinning = connector(server.port, TlsMode::None, &authority).pins(pins);
        assert_eq!(log_in(&pinning, PASSWORD).await.is_err(), refused);
    }
}

struct Broken;

impl MechanismPins for Broken {
    fn pinned(&self, _: &PinKey) -> Result<Option<&'static Mechanism>, String> {
        Err("disk full of sand".to_owned())
    }

    fn pin(&self, _: &PinKey, _: &'static Mechanism) {}

    fn how_to_lift(&self) -> String {
        String::new()
    }
}

#[tokio::test]
async fn who_cannot_remember_sends_no_password() {
    let authority = Authority::new();
    let peer = Peer::start(true, Some(authority.acceptor(&["localhost"])), faultless).await;
    let pinning = connector(peer.port, TlsMode::Implicit, &authority).pins(Arc::new(Broken));
    let error = log_in(&pinning, PASSWORD).await.unwrap_err();
    assert!(error.to_string().ends_with("disk full of sand"), "{error}");
    assert!(!peer.heard().protected.contains("AUTH"));
}

/// V-45: who demands a binding gets one, or nothing is sent: not by the same SCRAM without it, not by what is weaker.
#[tokio::test]
async fn v_45_a_binding_that_is_demanded_is_not_done_without() {
    let authority = Authority::new();
    for offered in [
        "250-peer\r\n250 AUTH SCRAM-SHA-256 PLAIN\r\n",
        "250-peer\r\n250 AUTH CRAM-MD5 DIGEST-MD5\r\n",
        "250-peer\r\n250 AUTH PLAIN LOGIN\r\n",
        "250 peer\r\n",
    ] {
        let script = move |at, line: &str| match at {
            At::Hello => Act::Say(offered.into()),
            _ => faultless(at, line),
        };
        let peer = Peer::start(true, Some(authority.acceptor(&["localhost"])), script).await;
        let mut client = connector(peer.port, TlsMode::Implicit, &authority)
            .connect()
            .await
            .unwrap();
        let only = MechanismChoice::Only(&SCRAM_SHA_256_PLUS);
        let credentials = Credentials::new(USER, PASSWORD);
        assert!(client.authenticate(&credentials, only).await.is_err());
        let heard = &peer.heard().protected;
        assert!(heard.contains("EHLO") && !heard.contains("AUTH"), "{heard}");
    }
}

/// CB-06, RFC 9266 §4.1: the exporter of a connection serves one exchange. The server here knows no other type, so that the second exchange
/// can only succeed on a new connection.
#[tokio::test]
async fn cb_06_a_second_try_has_a_connection_of_its_own() {
    let authority = Authority::new();
    let server = Server::start(TlsPolicy::Implicit, authority.acceptor(&["localhost"])).await;
    let mut client = connector(server.port, TlsMode::Implicit, &authority)
        .connect()
        .await
        .unwrap();
    let only = MechanismChoice::Only(&SCRAM_SHA_256_PLUS);
    let binding = |client: &gatepost_client::Client| {
        client.tls().unwrap().channel_bindings.tls_exporter.unwrap()
    };
    let first = binding(&client);
    let wrong = Credentials::new(USER, "hunter2");
    assert!(client.authenticate(&wrong, only).await.is_err());
    assert_eq!(binding(&client), first);
    let right = Credentials::new(USER, PASSWORD);
    let by = client.authenticate(&right, only).await.unwrap();
    assert_eq!(by, &SCRAM_SHA_256_PLUS);
    assert_ne!(binding(&client), first);
}
