//! TLS-11, T-17, T-30, T-31: no secret leaves before the server has proven its name, however the channel is attacked.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatepost_client::{
    ChannelError, ChannelFault, Client, Connector, CredentialFault, Credentials, Error,
    InitialResponsePolicy, MechanismChoice, Timeouts, TlsMode,
};

use gatepost_client::mechanism::SCRAM_SHA_256;

use crate::certificates::Authority;
use crate::peer::{Act, At, Heard, Peer, faultless};

const HELLO_WITH_TLS: &[u8] = b"250-peer\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n";

fn with_start_tls(at: At, line: &str) -> Act {
    match at {
        At::Hello => Act::Say(HELLO_WITH_TLS.to_vec()),
        At::StartTls => Act::Secure(b"220 go\r\n"),
        _ => faultless(at, line),
    }
}

async fn log_in(connector: &Connector) -> Result<Client, Error> {
    let mut client = connector.connect().await?;
    client
        .authenticate(
            &Credentials::new("user", "secret"),
            MechanismChoice::Strongest,
        )
        .await?;
    Ok(client)
}

fn connector(peer: &Peer, mode: TlsMode, authority: &Authority) -> Connector {
    Connector::new("localhost", peer.port, mode)
        .roots(authority.roots())
        .ehlo_name("client.example.com")
}

fn tells_nothing(heard: &Heard) {
    let all = heard.clear.clone() + &heard.protected;
    assert!(
        !all.contains("AUTH") && !all.contains("AHVzZXIAc2VjcmV0") && !all.contains("MAIL"),
        "{all}"
    );
}

#[tokio::test]
async fn a_good_certificate() {
    let authority = Authority::new();
    for mode in [TlsMode::Implicit, TlsMode::StartTls] {
        let acceptor = authority.acceptor(&["localhost"]);
        let peer = Peer::start(mode == TlsMode::Implicit, Some(acceptor), with_start_tls).await;
        let client = log_in(&connector(&peer, mode, &authority)).await.unwrap();
        let facts = client.tls().unwrap();
        assert!(
            facts.channel_bindings.tls_exporter.is_some() && facts.group.is_some(),
            "{facts:?}"
        );
        client.quit().await;
        let heard = peer.heard();
        assert!(
            heard.protected.contains("AUTH PLAIN AHVzZXIAc2VjcmV0")
                && !heard.clear.contains("AUTH"),
            "{heard:?}"
        );
    }
    // A certificate for an address counts where the address was given.
    let peer = Peer::start(true, Some(authority.acceptor(&["127.0.0.1"])), faultless).await;
    let connector =
        Connector::new("127.0.0.1", peer.port, TlsMode::Implicit).roots(authority.roots());
    log_in(&connector).await.unwrap();
}

/// V-25, V-52: a certificate proves the name that it says, all of it, or nothing.
#[tokio::test]
async fn certificates_that_prove_nothing() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    for mode in [TlsMode::Implicit, TlsMode::StartTls] {
        let acceptors = [
            ("wrong name", authority.acceptor(&["other.example.com"])),
            ("an address for a name", authority.acceptor(&["127.0.0.1"])),
            (
                "a name behind a NUL",
                authority.acceptor(&["localhost\0.evil.example"]),
            ),
            ("unknown authority", stranger.acceptor(&["localhost"])),
            ("expired", authority.expired()),
        ];
        for (what, acceptor) in acceptors {
            let peer = Peer::start(mode == TlsMode::Implicit, Some(acceptor), with_start_tls).await;
            let error = log_in(&connector(&peer, mode, &authority))
                .await
                .unwrap_err();
            assert!(
                matches!(error, Error::Channel(ChannelError::Tls { .. })),
                "{what}: {error}"
            );
            tells_nothing(&peer.heard());
        }
    }
    // The system's authorities do not know ours.
    let peer = Peer::start(true, Some(authority.acceptor(&["localhost"])), faultless).await;
    let trusting_the_system = Connector::new("localhost", peer.port, TlsMode::Implicit);
    let error = log_in(&trusting_the_system).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Channel(ChannelError::Tls { .. }) | Error::Address(_)
        ),
        "{error}"
    );
    tells_nothing(&peer.heard());
}

/// T-30, V-15: somebody on the way removes STARTTLS, refuses it, or answers it with replies of his own.
#[tokio::test]
async fn start_tls_tampered_with() {
    let authority = Authority::new();
    let hellos: [&[u8]; 3] = [
        b"250-peer\r\n250 AUTH PLAIN\r\n",
        b"250-peer\r\n250-XXXXXXXA\r\n250 AUTH PLAIN\r\n",
        b"500 what?\r\n",
    ];
    for hello in hellos {
        let script = move |at, line: &str| match at {
            At::Hello if line.starts_with("EHLO") => Act::Say(hello.to_vec()),
            _ => faultless(at, line),
        };
        let peer = Peer::start(false, None, script).await;
        let error = log_in(&connector(&peer, TlsMode::StartTls, &authority))
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                Error::Channel(ChannelError::Session(ChannelFault::StartTlsNotOffered))
            ) && !error.is_transient(),
            "{error}"
        );
        tells_nothing(&peer.heard());
    }
    let answers: [&[u8]; 6] = [
        b"454 4.7.0 not now\r\n",
        b"220 go\r\n250-AUTH PLAIN\r\n",
        b"220 go\r\n250-peer\r\n250 AUTH PLAIN\r\n235 welcome\r\n",
        b"220 go\r\n\x16",
        b"250 ok\r\n",
        b"454 no\r\n250 AUTH PLAIN\r\n235 welcome\r\n",
    ];
    for answer in answers {
        let script = move |at, line: &str| match at {
            At::Hello => Act::Say(HELLO_WITH_TLS.to_vec()),
            At::StartTls => Act::Say(answer.to_vec()),
            _ => faultless(at, line),
        };
        let peer = Peer::start(false, None, script).await;
        let error = log_in(&connector(&peer, TlsMode::StartTls, &authority))
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::Channel(_) | Error::Server(_)),
            "{}: {error}",
            answer.escape_ascii()
        );
        tells_nothing(&peer.heard());
    }
}

/// TLS-12: the wrong kind of port is called by its name.
#[tokio::test]
async fn the_wrong_kind_of_port() {
    let authority = Authority::new();
    let clear = Peer::start(false, None, faultless).await;
    let error = log_in(&connector(&clear, TlsMode::Implicit, &authority))
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Channel(ChannelError::SpeaksClear { .. })),
        "{error}"
    );
    // A TLS server that gets tired of waiting for a hello: an alert, or just the end.
    for (act, expected) in [
        (
            Act::SayAndClose(vec![0x15, 3, 1, 0, 2, 2, 80]),
            ChannelFault::SpeaksTls,
        ),
        (
            Act::Close,
            ChannelFault::Closed(gatepost_client::Stage::Greeting),
        ),
    ] {
        let peer = Peer::start(false, None, move |_, _| act.clone()).await;
        let error = log_in(&connector(&peer, TlsMode::StartTls, &authority))
            .await
            .unwrap_err();
        assert!(
            matches!(&error, Error::Channel(ChannelError::Session(fault)) if *fault == expected),
            "{error}"
        );
    }
}

/// T-17, V-16: whatever a server in clear offers, it does not get the password.
#[tokio::test]
async fn no_password_in_clear() {
    let authority = Authority::new();
    let lists = [
        "PLAIN",
        "LOGIN",
        "PLAIN LOGIN",
        "LOGIN PLAIN XOAUTH2",
        "=PLAIN",
        "=LOGIN PLAIN",
        "plain",
        "PLAIN,LOGIN",
    ];
    for list in lists {
        let script = move |at, line: &str| match at {
            At::Hello => Act::Say(format!("250-peer\r\n250 AUTH {list}\r\n").into_bytes()),
            _ => faultless(at, line),
        };
        let peer = Peer::start(false, None, script).await;
        let error = log_in(&connector(&peer, TlsMode::None, &authority))
            .await
            .unwrap_err();
        let why = matches!(
            error,
            Error::Credential(CredentialFault::NoUsableMechanism {
                for_lack_of_tls: true,
                ..
            })
        );
        assert!(why, "{list}: {error}");
        tells_nothing(&peer.heard());
    }
    let peer = Peer::start(false, None, faultless).await;
    log_in(&connector(&peer, TlsMode::None, &authority).allow_clear_password(true))
        .await
        .unwrap();
    assert!(peer.heard().clear.contains("AUTH PLAIN AHVzZXIAc2VjcmV0"));
}

/// CAP-12, LS-18: a server that hides AUTH, or refuses it, until there is TLS.
#[tokio::test]
async fn tls_on_demand() {
    let authority = Authority::new();
    let in_clear = [
        "250-peer\r\n250 STARTTLS\r\n",
        "250-peer\r\n250-AUTH CRAM-MD5\r\n250 STARTTLS\r\n",
    ];
    for hello in in_clear {
        let secured = AtomicBool::new(false);
        let script = move |at, line: &str| match at {
            At::Hello if !secured.load(Ordering::Relaxed) => Act::Say(hello.as_bytes().to_vec()),
            At::StartTls => {
                secured.store(true, Ordering::Relaxed);
                Act::Secure(b"220 go\r\n")
            }
            At::Auth if !secured.load(Ordering::Relaxed) => {
                Act::Say(b"530 5.7.0 TLS first\r\n".to_vec())
            }
            _ => faultless(at, line),
        };
        let peer = Peer::start(false, Some(authority.acceptor(&["localhost"])), script).await;
        let client = log_in(&connector(&peer, TlsMode::None, &authority))
            .await
            .unwrap();
        assert!(client.tls().is_some());
        let heard = peer.heard();
        assert!(
            heard.protected.contains("AUTH PLAIN") && !heard.clear.contains("AUTH PLAIN"),
            "{heard:?}"
        );
    }
}

/// T-17: a floor holds whatever is offered, and nothing is sent below it.
#[tokio::test]
async fn t_17_no_mechanism_below_the_floor() {
    let authority = Authority::new();
    let lists = [
        "PLAIN LOGIN",
        "PLAIN",
        "LOGIN CRAM-MD5",
        "CRAM-MD5",
        "",
        "XOAUTH2 NTLM",
    ];
    for list in lists {
        let script = move |at, line: &str| match at {
            At::Hello => Act::Say(format!("250-peer\r\n250 AUTH {list}\r\n").into_bytes()),
            _ => faultless(at, line),
        };
        let peer = Peer::start(true, Some(authority.acceptor(&["localhost"])), script).await;
        let mut client = connector(&peer, TlsMode::Implicit, &authority)
            .connect()
            .await
            .unwrap();
        let error = client
            .authenticate(
                &Credentials::new("user", "secret"),
                MechanismChoice::AtLeast(&SCRAM_SHA_256),
            )
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::Credential(CredentialFault::TooWeak { .. })),
            "{list}: {error}"
        );
        tells_nothing(&peer.heard());
    }
}

/// TLS-11: TLS if it is offered, and a bad certificate is no reason to go on without.
#[tokio::test]
async fn tls_11_if_offered() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let peer = Peer::start(
        false,
        Some(authority.acceptor(&["localhost"])),
        with_start_tls,
    )
    .await;
    let client = log_in(&connector(&peer, TlsMode::StartTlsIfOffered, &authority))
        .await
        .unwrap();
    assert!(client.tls().is_some() && !peer.heard().clear.contains("AUTH"));
    let peer = Peer::start(
        false,
        Some(stranger.acceptor(&["localhost"])),
        with_start_tls,
    )
    .await;
    let error = log_in(&connector(&peer, TlsMode::StartTlsIfOffered, &authority))
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Channel(ChannelError::Tls { .. })),
        "{error}"
    );
    tells_nothing(&peer.heard());
    // Taken away: no password goes out, whatever is allowed.
    let peer = Peer::start(false, None, faultless).await;
    let trusting =
        connector(&peer, TlsMode::StartTlsIfOffered, &authority).allow_clear_password(true);
    let error = log_in(&trusting).await.unwrap_err();
    assert!(matches!(error, Error::Credential(_)), "{error}");
    tells_nothing(&peer.heard());
}

/// LS-36 over a socket: the prompt that never comes.
#[tokio::test]
async fn ls_36_a_server_that_never_prompts() {
    let authority = Authority::new();
    let script = |at, line: &str| match at {
        At::Auth => Act::Say(Vec::new()),
        _ => faultless(at, line),
    };
    let peer = Peer::start(true, Some(authority.acceptor(&["localhost"])), script).await;
    let connector = connector(&peer, TlsMode::Implicit, &authority)
        .initial_response(InitialResponsePolicy::Withheld)
        .timeouts(Timeouts {
            prompt: Duration::from_millis(50),
            ..Timeouts::default()
        });
    log_in(&connector).await.unwrap();
    assert!(
        peer.heard()
            .protected
            .ends_with("AUTH PLAIN\r\nAHVzZXIAc2VjcmV0\r\n")
    );
}
