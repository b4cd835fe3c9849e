//! Our own certificate: shown to whoever asks in TLS, and EXTERNAL only where it was (EXT-04).

use gatepost_client::mechanism::EXTERNAL;
use gatepost_client::{
    ChannelError, Client, Connector, CredentialFault, Credentials, Error, MechanismChoice, TlsMode,
};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

use crate::certificates::Authority;
use crate::peer::{Act, At, Peer, faultless};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// Offers EXTERNAL to everybody, before TLS as well.
fn offering(at: At, line: &str) -> Act {
    match at {
        At::Hello => Act::Say(b"250-peer\r\n250-AUTH EXTERNAL PLAIN\r\n250 STARTTLS\r\n".to_vec()),
        At::StartTls => Act::Secure(b"220 go\r\n"),
        _ => faultless(at, line),
    }
}

fn connector(peer: &Peer, mode: TlsMode, authority: &Authority) -> Connector {
    Connector::new("localhost", peer.port, mode)
        .roots(authority.roots())
        .ehlo_name("client.example.com")
}

async fn log_in(
    connector: &Connector,
    credentials: &Credentials,
    choice: MechanismChoice,
) -> Result<Client, Error> {
    let mut client = connector.connect().await?;
    client.authenticate(credentials, choice).await?;
    Ok(client)
}

/// EXT-02: "IR empty `=`".
#[tokio::test]
async fn ext_02_the_certificate_speaks_for_itself_or_for_another() {
    let authority = Authority::new();
    let certificate = authority.client();
    for version in VERSIONS {
        for mode in [TlsMode::Implicit, TlsMode::StartTls] {
            let acceptor = authority.asking_acceptor(version, true);
            let peer = Peer::start(mode == TlsMode::Implicit, Some(acceptor), offering).await;
            let connector = connector(&peer, mode, &authority).certificate(certificate.clone());
            for (credentials, line) in [
                (Credentials::with_certificate(), "AUTH EXTERNAL =\r\n"),
                (
                    Credentials::with_certificate().acting_as("fax@example.com"),
                    "AUTH EXTERNAL ZmF4QGV4YW1wbGUuY29t\r\n",
                ),
            ] {
                let client = log_in(&connector, &credentials, MechanismChoice::Strongest).await;
                let client = client.unwrap();
                let shown = client.tls().unwrap().client_certificate.clone();
                assert_eq!(shown.as_deref(), Some(certificate.fingerprint()));
                client.quit().await;
                let heard = std::mem::take(&mut *peer.heard());
                assert!(heard.protected.contains(line), "{heard:?}");
                assert!(!heard.clear.contains("AUTH"), "{heard:?}");
            }
        }
    }
}

/// EXT-04: "Only when a client cert is configured and TLS handshake used it".
#[tokio::test]
async fn ext_04_external_is_not_said_where_no_certificate_was_shown() {
    let authority = Authority::new();
    let not_asked = authority.acceptor(&["localhost"]);
    let asked = authority.asking_acceptor(&TLS13, false);
    for (acceptor, certificate) in [(not_asked, Some(authority.client())), (asked, None)] {
        let peer = Peer::start(true, Some(acceptor), offering).await;
        let mut connector = connector(&peer, TlsMode::Implicit, &authority);
        if let Some(certificate) = certificate {
            connector = connector.certificate(certificate);
        }
        for choice in [MechanismChoice::Strongest, MechanismChoice::Only(&EXTERNAL)] {
            let error = log_in(&connector, &Credentials::with_certificate(), choice).await;
            let error = error.unwrap_err();
            assert!(
                matches!(
                    error,
                    Error::Credential(CredentialFault::CertificateUnused { shown: false, .. })
                ),
                "{error:?}"
            );
        }
        assert!(!peer.heard().protected.contains("AUTH"));
    }
    // In clear, and where the one who could ask never gets to.
    let peer = Peer::start(false, None, |at, line| match at {
        At::Hello => Act::Say(b"250-peer\r\n250 AUTH EXTERNAL PLAIN\r\n".to_vec()),
        _ => faultless(at, line),
    })
    .await;
    let connector = connector(&peer, TlsMode::None, &authority)
        .allow_clear_password(true)
        .certificate(authority.client());
    let choice = MechanismChoice::Only(&EXTERNAL);
    let error = log_in(&connector, &Credentials::with_certificate(), choice).await;
    let error = error.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Credential(CredentialFault::NoUsableMechanism {
                for_lack_of_tls: true,
                ..
            })
        ),
        "{error:?}"
    );
    assert!(!peer.heard().clear.contains("AUTH"));
}

#[tokio::test]
async fn a_server_that_does_not_know_the_certificate_is_told_apart() {
    let authority = Authority::new();
    let acceptor = authority.asking_acceptor(&TLS13, false);
    let peer = Peer::start(true, Some(acceptor), faultless).await;
    let connector = connector(&peer, TlsMode::Implicit, &authority).certificate(authority.client());
    let credentials = Credentials::with_certificate();
    let error = log_in(&connector, &credentials, MechanismChoice::Strongest).await;
    let error = format!("{:#}", error.unwrap_err());
    assert!(
        error.contains("got our certificate and does not offer EXTERNAL; it offers PLAIN;"),
        "{error}"
    );
}

/// A certificate beside a password is for TLS alone: whose account it is belongs to the name that was given.
#[tokio::test]
async fn a_password_is_used_beside_a_certificate() {
    let authority = Authority::new();
    let certificate = authority.client();
    let acceptor = authority.asking_acceptor(&TLS13, true);
    let peer = Peer::start(true, Some(acceptor), offering).await;
    let connector =
        connector(&peer, TlsMode::Implicit, &authority).certificate(certificate.clone());
    let credentials = Credentials::new("user", "secret");
    // The second is a full handshake, too.
    for _ in 0..2 {
        let client = log_in(&connector, &credentials, MechanismChoice::Strongest).await;
        let shown = client.unwrap().tls().unwrap().client_certificate.clone();
        assert_eq!(shown.as_deref(), Some(certificate.fingerprint()));
        let heard = std::mem::take(&mut *peer.heard());
        assert!(heard.protected.contains("AUTH PLAIN "), "{heard:?}");
    }
}

/// In TLS 1.3 the server says so when the handshake is over on our side.
#[tokio::test]
async fn a_server_that_refuses_or_misses_the_certificate_says_so() {
    let authority = Authority::new();
    let foreign = Authority::new().client();
    for version in VERSIONS {
        for mode in [TlsMode::Implicit, TlsMode::StartTls] {
            let acceptor = authority.asking_acceptor(version, true);
            let peer = Peer::start(mode == TlsMode::Implicit, Some(acceptor), offering).await;
            let connector = connector(&peer, mode, &authority).certificate(foreign.clone());
            let error = connector.connect().await.unwrap_err();
            assert!(
                matches!(
                    error,
                    Error::Channel(ChannelError::Certificate { given: true, .. })
                ),
                "{error:?}"
            );
            let said = format!("{error:#}");
            assert!(
                said.contains("localhost does not take our certificate"),
                "{said}"
            );
            assert!(!error.is_transient());
        }
    }
    let peer = Peer::start(
        true,
        Some(authority.asking_acceptor(&TLS13, true)),
        offering,
    )
    .await;
    let error = connector(&peer, TlsMode::Implicit, &authority)
        .connect()
        .await
        .unwrap_err();
    let said = format!("{error:#}");
    assert!(
        said.contains("wants a certificate from us") && said.contains("Connector::certificate"),
        "{said}"
    );
}

/// ANON-01: nobody is ANONYMOUS who did not ask for it.
#[tokio::test]
async fn anon_01_a_guest_leaves_his_trace_and_nobody_else_becomes_one() {
    let script = |at: At, line: &str| match at {
        At::Hello => Act::Say(b"250-peer\r\n250 AUTH ANONYMOUS\r\n".to_vec()),
        _ => faultless(at, line),
    };
    let peer = Peer::start(false, None, script).await;
    let connector = Connector::new("127.0.0.1", peer.port, TlsMode::None)
        .allow_clear_password(true)
        .ehlo_name("client.example.com");
    let choice = MechanismChoice::Strongest;
    for credentials in [
        Credentials::new("user", "secret"),
        Credentials::with_token("user", "token"),
        Credentials::with_certificate(),
    ] {
        log_in(&connector, &credentials, choice).await.unwrap_err();
    }
    assert!(!peer.heard().clear.contains("AUTH"));
    for (trace, line) in [
        ("sirhc", "AUTH ANONYMOUS c2lyaGM=\r\n"),
        ("", "AUTH ANONYMOUS =\r\n"),
    ] {
        let credentials = Credentials::anonymous(trace);
        log_in(&connector, &credentials, choice).await.unwrap();
        let heard = std::mem::take(&mut *peer.heard());
        assert!(heard.clear.contains(line), "{heard:?}");
    }
}
