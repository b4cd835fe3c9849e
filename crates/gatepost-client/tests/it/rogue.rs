//! T-48: a next hop that misbehaves, at every stage in every way. Each time the client comes to an end by itself, says whose fault it
//! was, and never takes a message for delivered that nobody took.

use std::time::{Duration, Instant};

use gatepost_client::{
    Address, ChannelError, ChannelFault, ClientFailure, Connector, CredentialFault, Credentials,
    Envelope, Error, MechanismChoice, SendReport, Stage, Timeouts, TlsMode,
};

use crate::peer::{Act, At, Peer, faultless};

const STAGES: [(At, Stage); 7] = [
    (At::Greeting, Stage::Greeting),
    (At::Hello, Stage::Hello),
    (At::Auth, Stage::Authentication),
    (At::Mail, Stage::Mail),
    (At::Rcpt, Stage::Rcpt),
    (At::Data, Stage::Data),
    (At::End, Stage::EndOfData),
];

/// Long enough for whoever means to answer, on a busy machine too.
fn patience(act: &Act) -> Duration {
    match act {
        Act::Hang | Act::Drip => Duration::from_secs(1),
        _ => Duration::from_secs(30),
    }
}

/// Connects, authenticates and sends one message.
async fn submit(port: u16, patience: Duration) -> Result<SendReport, Error> {
    let timeouts = Timeouts {
        reply: patience,
        authentication: patience,
        data_start: patience,
        data_block: patience,
        data_end: patience,
        ..Timeouts::default()
    };
    let connector = Connector::new("127.0.0.1", port, TlsMode::None)
        .ehlo_name("client.example.com")
        .allow_clear_password(true)
        .timeouts(timeouts);
    let mut client = connector.connect().await?;
    client
        .authenticate(
            &Credentials::new("user", "secret"),
            MechanismChoice::Strongest,
        )
        .await?;
    let address = |text: &str| Address::parse(text).unwrap();
    let content = b"Subject: x\r\n\r\nx\r\n";
    let envelope = Envelope::new(
        address("a@example.com"),
        [address("b@example.net")],
        content,
    );
    let report = client.send(&envelope, &content[..]).await?;
    client.quit().await;
    Ok(report)
}

/// The outcome against a peer that does `act` at one stage and is faultless otherwise, and how much it could say.
async fn against(at: At, act: Act) -> (Result<SendReport, Error>, usize) {
    let patience = patience(&act);
    let script = move |now, line: &str| {
        if now == at {
            act.clone()
        } else {
            faultless(now, line)
        }
    };
    let peer = Peer::start(false, None, script).await;
    let outcome = submit(peer.port, patience).await;
    let said = peer.heard().octets_said;
    (outcome, said)
}

#[tokio::test]
async fn the_peer_without_fault() {
    let (outcome, _) = against(At::Quit, faultless(At::Quit, "")).await;
    assert!(outcome.unwrap().recipients[0].is_ok());
}

#[tokio::test]
async fn one_that_closes() {
    for (at, stage) in STAGES {
        let error = against(at, Act::Close).await.0.unwrap_err();
        let closed = matches!(&error, Error::Channel(ChannelError::Session(ChannelFault::Closed(closed))) if *closed == stage);
        assert!(closed && error.is_transient(), "{at:?}: {error}");
    }
}

#[tokio::test]
async fn one_that_is_silent_or_drips() {
    let mut dialogues = tokio::task::JoinSet::new();
    for (at, stage) in STAGES {
        for act in [Act::Hang, Act::Drip] {
            dialogues.spawn(async move {
                let begun = Instant::now();
                let error = against(at, act).await.0.unwrap_err();
                let timed_out = matches!(error, Error::Timeout(when) if when == stage);
                assert!(timed_out && error.is_transient(), "{at:?}: {error}");
                assert!(begun.elapsed() < Duration::from_secs(10), "{at:?}");
            });
        }
    }
    dialogues.join_all().await;
}

/// CLI-03: "≤512 but accept 64 KiB". In one line, in many, and as what is no reply at all.
#[tokio::test]
async fn one_that_never_stops_talking() {
    for (at, stage) in STAGES {
        for flood in [
            Act::Flood(b"250 ", b"x"),
            Act::Flood(b"", b"250-x\r\n"),
            Act::Flood(b"", b"\0\xff\x1b"),
            Act::Flood(b"", b"\r\n"),
        ] {
            let (outcome, said) = against(at, flood).await;
            let error = outcome.unwrap_err();
            let broken = matches!(&error, Error::Server(ClientFailure::Protocol { stage: when, .. }) if *when == stage);
            assert!(broken && error.is_transient(), "{at:?}: {error}");
            // What the client did not read stands in the sockets' buffers.
            assert!(said < 16 << 20, "{at:?}: {said} octets");
        }
    }
}

#[tokio::test]
async fn one_that_speaks_something_else() {
    let replies: [&[u8]; 7] = [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"* OK IMAP4rev1\r\n",
        b"+OK POP3\r\n",
        b"150 x\r\n",
        b"999 x\r\n",
        b"\0\0\0\n",
        b"354 go\r\n",
    ];
    for (at, stage) in STAGES {
        for reply in replies {
            if at == At::Data && reply.starts_with(b"354") {
                continue;
            }
            let error = against(at, Act::Say(reply.to_vec())).await.0.unwrap_err();
            let broken = matches!(&error, Error::Server(ClientFailure::Protocol { stage: when, .. }) if *when == stage);
            assert!(broken, "{at:?} {}: {error}", reply.escape_ascii());
        }
    }
}

/// CLI-04: "On `421` anywhere: temp failure, reconnect."
#[tokio::test]
async fn one_that_says_421() {
    for (at, stage) in STAGES {
        let error = against(
            at,
            Act::SayAndClose(b"421 4.3.2 shutting down\r\n".to_vec()),
        )
        .await
        .0
        .unwrap_err();
        let refused = matches!(&error, Error::Server(ClientFailure::Refused { stage: when, .. }) if *when == stage);
        assert!(refused && error.is_transient(), "{at:?}: {error}");
        assert_eq!(error.reply().unwrap().code.value(), 421);
    }
}

/// V-53: "`Error` display of `␛[2J` is escaped". A refusal is a refusal at every stage, for good or for now.
#[tokio::test]
async fn one_that_says_no() {
    for (at, _) in STAGES {
        for (reply, transient) in [
            ("554 5.7.1 \u{1b}[2J\u{7}no", false),
            ("451 4.3.0 \u{1b}[2J\u{7}later", true),
        ] {
            let outcome = against(at, Act::Say(format!("{reply}\r\n").into_bytes()))
                .await
                .0;
            match outcome {
                Ok(report) => {
                    let refusal = report.recipients[0].as_ref().unwrap_err();
                    assert!(matches!(at, At::Rcpt | At::Data | At::End), "{at:?}");
                    assert_eq!(refusal.code.is_transient(), transient, "{at:?}");
                }
                Err(error) => {
                    // A server that does not know EHLO is spoken to by HELO, and then cannot authenticate anybody.
                    let no_auth = matches!(&error, Error::Credential(CredentialFault::NotOffered));
                    assert!(
                        no_auth || error.is_transient() == transient,
                        "{at:?}: {error}"
                    );
                    assert!(!error.to_string().contains(char::is_control), "{error}");
                }
            }
        }
    }
}

/// LS-14: a second reply to one command. Where it could be taken for the answer to the next command, nothing is delivered.
#[tokio::test]
async fn one_that_answers_twice() {
    for (at, _) in STAGES {
        let Act::Say(reply) = faultless(at, "") else {
            continue;
        };
        let outcome = against(
            at,
            Act::Say([reply.as_slice(), b"250 and more\r\n"].concat()),
        )
        .await
        .0;
        // After the final dot the message is taken whatever else is said.
        assert_eq!(outcome.is_ok(), at == At::End, "{at:?}: {outcome:?}");
    }
}
